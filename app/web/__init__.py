"""The HTTP side: one table of routes for each listener, endpoints that read, call one use case and
render.
"""
