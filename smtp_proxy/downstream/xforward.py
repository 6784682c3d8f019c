"""XFORWARD on the way out: what a proxy before us said of its client is passed on, as far as the
downstream asks for it (catalogue S20).

Serves Postfix's XFORWARD_README. It informs the downstream's log and filters, so an answer that
refuses it changes nothing.
"""

from collections.abc import Iterable, Iterator

# octets with CR LF (RFC 5321 4.5.3.1.4); what does not fit goes into a further command
MAX_COMMAND = 512
_VERB = b"XFORWARD"


def commands(forwarded: Iterable[tuple[bytes, bytes]], offered: frozenset[str]) -> Iterator[bytes]:
    """Yield the commands that pass on those attributes, each name and xtext, which the downstream
    has named at EHLO.
    """
    command = _VERB
    for name, value in forwarded:
        if name.decode("ascii") not in offered:
            continue
        attribute = b" " + name + b"=" + value
        if len(command) + len(attribute) > MAX_COMMAND - len(b"\r\n"):
            yield command + b"\r\n"
            command = _VERB
        command += attribute
    if command != _VERB:
        yield command + b"\r\n"
