"""One verb a file. What a use case needs from outside stands in `ports.py`."""
