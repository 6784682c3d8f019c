"""Xtext: any octets as printable ASCII in a parameter of SMTP (RFC 3461 4)."""

import re

_WHOLE = re.compile(rb"(?:[!-*,-<>-~]|\+[0-9A-Fa-f]{2})+")
_HEX = re.compile(rb"\+([0-9A-Fa-f]{2})")
_CAPITALS = re.compile(r"\+([0-9A-F]{2})")


def encode_xtext(text: str) -> bytes:
    """Return a text, in UTF-8, as xtext."""
    return b"".join(
        bytes((octet,))
        if ord("!") <= octet <= ord("~") and octet not in b"+="
        else b"+%02X" % octet
        for octet in text.encode()
    )


def decode_xtext(value: bytes) -> str:
    """Return the text that an xtext stands for. Raises ValueError for what is none, or not UTF-8.

    Small hexadecimal digits pass too, as real proxies write them.
    """
    if not _WHOLE.fullmatch(value):
        raise ValueError("no xtext")
    return _HEX.sub(lambda found: bytes.fromhex(found[1].decode("ascii")), value).decode("utf-8")


def shown_xtext(text: str) -> str:
    """Return a text with what is xtext in it replaced, octet by octet; the rest as it is."""
    return _CAPITALS.sub(lambda found: chr(int(found[1], 16)), text)
