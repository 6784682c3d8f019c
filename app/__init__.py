"""Signoff's rules, storage and web side. Everything points at `app.core`, and `app.core` points at
nothing.
"""
