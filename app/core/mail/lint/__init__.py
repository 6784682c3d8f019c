"""The compliance check: whether a mail meets what RFC 8058, RFC 2369, Gmail and Yahoo ask of
promotional mail.

`judge` looks at one mail and `compare` at several copies; both are pure. Who verifies signatures
and probes URLs is outside. Nothing here promises that a mailbox provider shows its button: that is
the provider's choice.
"""

from collections.abc import Sequence

from app.core.mail.inbound_parts import Entity, entity
from app.core.mail.lint import content, fields, shape, signature
from app.core.mail.lint.rules import Finding
from app.core.mail.lint.signature import SignatureReport

__all__ = ["judge"]


def judge(octets: bytes, signatures: Sequence[SignatureReport] | None) -> tuple[Finding, ...]:
    """Return everything that is wrong with one mail (CRLF line ends), worst first; `signatures` is
    None when none were verified.
    """
    mail = entity(octets)
    if not _is_mail(mail):
        return (Finding("not-a-mail", "there is no header block with a From field"),)
    found = [*fields.judge(mail), *shape.judge(mail, octets), *content.judge(mail)]
    if signatures is not None:
        found += signature.judge(mail, signatures)
    return tuple(sorted(found, key=lambda finding: finding.severity.rank))


def _is_mail(mail: Entity) -> bool:
    return any(
        field.name in (b"from", b"list-unsubscribe", b"message-id", b"received")
        for field in mail.fields
    )
