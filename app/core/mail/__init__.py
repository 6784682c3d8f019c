"""A mail as bytes: its fields, its class, its stamp and its canonical form. Nothing here ever
re-serialises a message.
"""
