"""Several copies of one mailing side by side: each recipient has a URL of their own (RFC 8058 3.1,
catalogue H11).
"""

import re
from collections.abc import Iterator, Mapping

from app.core.mail.inbound_parts import Entity, entity
from app.core.mail.lint.fields import one_click_uris
from app.core.mail.lint.rules import Finding

# an address wherever it stands; each character is looked at once
_ADDRESS = re.compile(r"(?<![^\s<>,;:()\"@])[^\s<>,;:()\"@]++@[^\s<>,;:()\"@]++")


def compare(mails: Mapping[str, bytes]) -> Iterator[tuple[str, Finding]]:
    """Yield, by the name of the copy, each URL that a copy to somebody else carries too. The same
    copy given twice is no finding.
    """
    first: dict[str, tuple[str, frozenset[str]]] = {}
    for name, octets in mails.items():
        mail = entity(octets)
        recipient = _recipients(mail)
        for uri in one_click_uris(mail):
            if not uri.lower().startswith("https://"):
                continue
            other, theirs = first.setdefault(uri, (name, recipient))
            if theirs != recipient:
                yield (
                    name,
                    Finding(
                        "url-shared", f"it has the same URL as {other}, which is to somebody else"
                    ),
                )


def _recipients(mail: Entity) -> frozenset[str]:
    """Return to whom a copy went: by the Delivered-To of its last hop, or by its To."""
    delivered = list(mail.values(b"delivered-to"))[:1]
    fields = delivered or mail.values(b"to")
    return frozenset(address.lower() for value in fields for address in _ADDRESS.findall(value))
