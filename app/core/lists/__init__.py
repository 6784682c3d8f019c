"""Lists of people who have left: files of other services read, our own written. Pure: bytes and
text in, rows out.
"""
