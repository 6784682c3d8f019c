"""The client that hands copies to the downstream, byte for byte."""
