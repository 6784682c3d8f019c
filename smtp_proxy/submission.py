"""MAIL, RCPT and DATA become one Envelope: strict addresses, checked parameters, bounded recipients.

Serves RFC 5321 4.1.1.2, 4.1.1.3 and 4.1.2, RFC 1870 (SIZE), RFC 6152 (8BITMIME) and RFC 6531 (SMTPUTF8).
"""

from dataclasses import dataclass

from app.core.model import BrandId


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who handed us the message, for the Received field and the log."""

    address: str  # IP address
    helo: str
    protocol: str  # SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA (RFC 3848), UTF8SMTP…
    account: BrandId | None  # the brand of the authenticated account; None: a trusted network


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One SMTP transaction as the upstream stated it. `sender` is empty for the null sender `<>`."""

    id: str  # our queue-less id of this transaction: in Received, the log and the reply
    sender: str
    recipients: tuple[str, ...]  # as written by the upstream, duplicates collapsed (catalogue S11)
    body_8bit: bool
    smtputf8: bool
    client: Client
