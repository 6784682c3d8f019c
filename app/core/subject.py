"""The subject of a mail-to unsubscribe: `Unsubscribe | cattr:<identifier>-<token>` (seed 004).

The identifier is standard Base64, whose alphabet has no hyphen, so a brand finds its user between `cattr:` and the first hyphen. It is a
help for the brand only: the token behind the hyphen is the authority (catalogue M4, M8).
"""

import base64
import binascii
import re

from app.core.errors import TokenMalformed

_PATTERN = re.compile(r"cattr:\s*([A-Za-z0-9+/=\s]*)-\s*(\S.*)", re.IGNORECASE | re.DOTALL)


def encode(identifier: str, token: str) -> str:
    """Return the subject line for an identifier in the brand's words and a qmoe."""
    return f"Unsubscribe | cattr:{base64.b64encode(identifier.encode()).decode('ascii')}-{token}"


def decode(subject: str) -> tuple[str, str]:
    """Return identifier and token text of a decoded subject; white space that folding left inside is dropped (catalogue M7).

    Raises TokenMalformed when there is no `cattr:` part or its identifier is not Base64 of UTF-8.
    """
    found = _PATTERN.search(subject)
    if found is None:
        raise TokenMalformed("no cattr part in the subject")
    try:
        identifier = base64.b64decode("".join(found[1].split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise TokenMalformed("the identifier of the subject is not Base64 of UTF-8") from exc
    return identifier, "".join(found[2].split())
