"""Pure rules: no I/O, no clock, no randomness, no logging, no await. Time, ids and keys come in as
arguments.
"""
