"""Requests that leave this installation: webhooks behind their guard, and what the checks ask of
the outside.
"""
