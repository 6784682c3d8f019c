"""The delivery status notification: one mail that tells the sender which recipients of another mail
were refused, and why.

A multipart/report (RFC 6522) of three parts: words for people, message/delivery-status (RFC 3464)
for machines, and the header fields of the mail it is about. Decided here:

1. It is 7-bit throughout, whatever the mail it speaks of: an address outside ASCII stands in the
   form that RFC 6533 3 gives for that, and what else is outside ASCII goes as quoted-printable. So
   any downstream takes it; only a sender's own address may need SMTPUTF8.
2. The header fields are returned, never the content: who asks for RET=FULL has the mail (RFC 3461
   4.3 leaves the size to us).
3. A mail that a machine sent as an answer gets none (RFC 3834 2, catalogue X15), nor does the null
   sender: that is the caller's to see.
"""

import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from app.core.mail.controls import CONTROL_PREFIX
from app.core.mail.message import Headed
from app.core.mail.xtext import shown_xtext

_AUTO_SUBMITTED = b"auto-submitted"
_LIKE_BOUNDARY = b"--=_"
_MAX_PLAIN_LINE = 998  # RFC 5322 2.1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRecipient:
    """One recipient who was refused. `original` is the ORCPT parameter as the upstream wrote it,
    empty when there was none.
    """

    address: str
    status: str  # enhanced code, such as 5.1.1
    diagnostic: str  # the whole reply, one line of ASCII
    original: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one notification says. `date` and `message_id` are field values, `unique` is the seed of
    the boundary.
    """

    host: str  # whose decision it was to report: our own name
    sender: str  # who gets it: the envelope sender of the mail
    date: str
    unique: str
    failed: Sequence[FailedRecipient]
    returned: bytes  # the header fields of the mail, each with its CRLF
    envelope_id: str = ""  # ENVID as the upstream wrote it

    def head(self) -> bytes:
        """Return the header block of the notification, with its blank line."""
        lines = (
            f"From: Mail Delivery System <MAILER-DAEMON@{self.host}>",
            f"To: <{self.sender}>",
            "Subject: Undelivered mail",
            f"Date: {self.date}",
            f"Message-ID: <{self.unique}@{self.host}>",
            "Auto-Submitted: auto-replied",  # RFC 3834 5.1
            "MIME-Version: 1.0",
            (
                "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                f' boundary="{self._boundary}"'
            ),
        )
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def body(self) -> bytes:
        """Return the three parts."""
        parts = (
            _part("text/plain; charset=utf-8", self._words().encode()),
            _part("message/delivery-status", self._status().encode("ascii")),
            _part("text/rfc822-headers", self.returned),
        )
        mark = f"--{self._boundary}".encode("ascii")
        return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"

    @property
    def _boundary(self) -> str:
        return f"=_{self.unique}"  # `=_` cannot stand in quoted-printable

    def _words(self) -> str:
        lines = [
            f"This is the mail relay at {self.host}.",
            "",
            "Your message was not delivered to:",
            "",
        ]
        for recipient in self.failed:
            lines += [f"  <{recipient.address}>", f"    {recipient.diagnostic}", ""]
        return "\r\n".join(
            [*lines, "Its other recipients are dealt with: do not send it to them again.", ""]
        )

    def _status(self) -> str:
        groups = [[f"Reporting-MTA: dns; {self.host}", f"Arrival-Date: {self.date}"]]
        if self.envelope_id:
            groups[0].insert(0, f"Original-Envelope-Id: {shown_xtext(self.envelope_id)}")
        groups += [_status_of(recipient) for recipient in self.failed]
        return "\r\n\r\n".join("\r\n".join(group) for group in groups) + "\r\n"


def may_be_reported(message: Headed) -> bool:
    """Say whether a failure of this mail may be answered by a notification: not when a machine sent
    it (RFC 3834 2).
    """
    stated = [field.value for field in message.fields if field.name == _AUTO_SUBMITTED]
    return all(value.partition(b";")[0].strip().lower() == b"no" for value in stated)


def returned_fields(message: Headed) -> bytes:
    """Return the header fields that go back with a notification: all but those that were for the
    relay alone (catalogue H20).
    """
    return b"".join(
        [field.raw for field in message.fields if not field.name.startswith(CONTROL_PREFIX)]
    )


def _status_of(recipient: FailedRecipient) -> list[str]:
    lines = [f"Original-Recipient: {_original(recipient.original)}"] if recipient.original else []
    kind, address = (
        ("rfc822", recipient.address)
        if recipient.address.isascii()
        else ("utf-8", _utf8_xtext(recipient.address))
    )
    return [
        *lines,
        f"Final-Recipient: {kind}; {address}",
        "Action: failed",
        f"Status: {recipient.status}",
        f"Diagnostic-Code: smtp; {recipient.diagnostic}",
    ]


def _original(orcpt: str) -> str:
    kind, _, address = orcpt.partition(";")
    if kind.lower() != "utf-8":
        plain = shown_xtext(address)
        return f"{kind}; {plain if plain.isascii() and plain.isprintable() else address}"
    return f"{kind}; {address if address.isascii() else _utf8_xtext(address)}"


def _utf8_xtext(address: str) -> str:
    r"""Return an address outside ASCII in printable ASCII: `\x{5175}` for what cannot stand itself
    (RFC 6533 3).
    """
    return "".join(
        char if "!" <= char <= "~" and char not in "+=\\" else f"\\x{{{ord(char):02X}}}"
        for char in address
    )


def _part(kind: str, content: bytes) -> bytes:
    lines = content.split(b"\r\n")
    if content.isascii() and not any(
        len(line) > _MAX_PLAIN_LINE or line.startswith(_LIKE_BOUNDARY) for line in lines
    ):
        return f"Content-Type: {kind}\r\n\r\n".encode("ascii") + content
    quoted = binascii.b2a_qp(content, istext=True)
    return (
        f"Content-Type: {kind}\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n".encode(
            "ascii"
        )
        + quoted
    )
