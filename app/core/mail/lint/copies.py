"""Several copies of one mailing side by side: each recipient has a URL of their own (RFC 8058 3.1,
catalogue H11).
"""

from collections.abc import Iterator, Mapping, Sequence

from app.core.mail.inbound_parts import entity
from app.core.mail.lint.fields import one_click_uris
from app.core.mail.lint.rules import Finding


def compare(mails: Mapping[str, bytes]) -> Iterator[tuple[str, Finding]]:
    """Yield, by the name of the copy, each URL that a copy to somebody else carries too. The same
    copy given twice is no finding.
    """
    first: dict[str, tuple[str, Sequence[str]]] = {}
    for name, octets in mails.items():
        mail = entity(octets)
        recipient = [value.strip().lower() for value in mail.values(b"delivered-to", b"to")]
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
