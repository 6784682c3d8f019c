"""Lists of people who have unsubscribed: files of other services read, our own written. Pure: bytes
and text in, rows out.
"""
