"""MAIL, RCPT and DATA become one Envelope: strict addresses, checked parameters, bounded recipients.

Serves RFC 5321 4.1.1.2, 4.1.1.3 and 4.1.2, RFC 1870 (SIZE), RFC 6152 (8BITMIME) and RFC 6531 (SMTPUTF8). An address is kept as it was
written, octet for octet; what it identifies is decided in `app.core.address`.
"""

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from app.core.model import BrandId
from smtp_proxy import replies
from smtp_proxy.replies import Reply

MAX_LOCAL_PART = 64  # RFC 5321 4.5.3.1.1
MAX_ADDRESS = 254  # RFC 5321 4.5.3.1.3: a path of 256, angle brackets included

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\xff-]+"
_LOCAL = rf'{_ATOM}(?:\.{_ATOM})*|"(?:[ !#-\[\]-~\x80-\xff]|\\[ -~])*"'
_LABEL = r"[A-Za-z0-9\x80-\xff](?:[A-Za-z0-9\x80-\xff-]*[A-Za-z0-9\x80-\xff])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_LITERAL = r"\[[0-9A-Za-z:.]+\]"
# A source route is accepted and ignored (RFC 5321 4.1.1.3, appendix C). Some clients put a blank after the colon.
_PATH = rf" *<(?:@{_DOMAIN}(?:,@{_DOMAIN})*:)?(?P<address>(?P<local>{_LOCAL})@(?P<domain>{_DOMAIN}|{_LITERAL}))?>(?P<parameters> .*)?"
_FROM = re.compile(rf"FROM:{_PATH}".encode(), re.IGNORECASE)
_TO = re.compile(rf"TO:{_PATH}".encode(), re.IGNORECASE)
_POSTMASTER = re.compile(rb"TO: *<postmaster>(?: .*)?", re.IGNORECASE)
_MAX_LABEL = 63
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})  # controls, also those above ASCII, and line separators
_SIZE = re.compile(rb"[0-9]{1,20}")
_MAILBOX = re.compile(rb"[!-<>-~]+")  # AUTH=: xtext or `<>` (RFC 4954 5)


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


class Submission:
    """A transaction between MAIL and the end of DATA."""

    __slots__ = ("_recipients", "body_8bit", "sender", "size", "smtputf8")

    def __init__(self, *, sender: str, size: int = 0, body_8bit: bool = False, smtputf8: bool = False) -> None:
        self.sender = sender
        self.size = size  # as declared, in octets; 0: not declared
        self.body_8bit = body_8bit
        self.smtputf8 = smtputf8
        self._recipients: dict[tuple[str, str], str] = {}

    @property
    def recipients(self) -> tuple[str, ...]:
        """Return the recipients in the order in which they came."""
        return tuple(self._recipients.values())

    def add(self, recipient: str, *, limit: int) -> bool:
        """Add a recipient unless there are `limit` already, and say whether it is in.

        The same address again is in already, under its first spelling: only the domain is compared without case (RFC 5321 2.4).
        """
        local, _, domain = recipient.rpartition("@")
        key = (local, domain.lower())
        if len(self._recipients) >= limit:
            return key in self._recipients
        self._recipients.setdefault(key, recipient)
        return True


def read_mail(argument: bytes, *, extended: bool, smtputf8: bool) -> Submission | Reply:
    """Read what follows `MAIL `, or return the refusal. `extended`: the client said EHLO; `smtputf8`: the extension was offered."""
    found = _FROM.fullmatch(argument)
    if found is None:
        return replies.SENDER_MALFORMED
    parameters = _parameters(found["parameters"])
    if isinstance(parameters, Reply):
        return parameters
    if parameters and not extended:
        return replies.PARAMETER_UNSUPPORTED
    submission = _read_parameters(parameters, smtputf8=smtputf8)
    if isinstance(submission, Reply):
        return submission
    sender = _address(found, smtputf8=submission.smtputf8, malformed=replies.SENDER_MALFORMED)
    if isinstance(sender, Reply):
        return sender
    submission.sender = sender
    return submission


def read_rcpt(argument: bytes, *, smtputf8: bool) -> str | Reply:
    """Read what follows `RCPT `, or return the refusal. `smtputf8`: the transaction was opened with the parameter."""
    found = _TO.fullmatch(argument)
    if found is None:
        return replies.RECIPIENT_WITHOUT_DOMAIN if _POSTMASTER.fullmatch(argument) else replies.RECIPIENT_MALFORMED
    if found["parameters"] and found["parameters"].strip():
        return replies.PARAMETER_UNSUPPORTED
    return _address(found, smtputf8=smtputf8, malformed=replies.RECIPIENT_MALFORMED) or replies.RECIPIENT_MALFORMED


def _address(found: re.Match[bytes], *, smtputf8: bool, malformed: Reply) -> str | Reply:
    """Return the address of a path; empty for `<>`."""
    address = found["address"]
    if address is None:
        return ""
    if len(address) > MAX_ADDRESS or len(found["local"]) > MAX_LOCAL_PART or not _is_domain(found["domain"]):
        return malformed
    if address.isascii():
        return address.decode("ascii")
    if not smtputf8:
        return replies.ADDRESS_NEEDS_SMTPUTF8
    try:
        text = address.decode("utf-8")
    except UnicodeDecodeError:
        return malformed
    return malformed if any(unicodedata.category(char) in _UNSAFE_CATEGORIES for char in text) else text


def _is_domain(domain: bytes) -> bool:
    if domain.startswith(b"["):
        return _is_literal(domain[1:-1].decode("ascii"))
    # A label in other alphabets is measured in its ASCII form, where it is identified.
    return len(domain) <= _MAX_LABEL or all(len(label) <= _MAX_LABEL or not label.isascii() for label in domain.split(b"."))


def _is_literal(text: str) -> bool:
    try:
        if text[:5].lower() == "ipv6:":
            IPv6Address(text[5:])
        else:
            IPv4Address(text)
    except ValueError:
        return False
    return True


def _parameters(text: bytes | None) -> dict[bytes, bytes | None] | Reply:
    parameters: dict[bytes, bytes | None] = {}
    for parameter in (text or b"").split():
        keyword, equals, value = parameter.partition(b"=")
        if keyword.upper() in parameters:
            return replies.PARAMETER_UNSUPPORTED
        parameters[keyword.upper()] = value if equals else None
    return parameters


def _read_parameters(parameters: dict[bytes, bytes | None], *, smtputf8: bool) -> Submission | Reply:
    submission = Submission(sender="")
    for keyword, value in parameters.items():
        match keyword:
            case b"SIZE" if value is not None and _SIZE.fullmatch(value):
                submission.size = int(value)
            case b"BODY" if value is not None and value.upper() in (b"7BIT", b"8BITMIME"):
                submission.body_8bit = value.upper() == b"8BITMIME"
            case b"SMTPUTF8" if smtputf8 and value is None:
                submission.smtputf8 = True
            case b"AUTH" if value == b"<>" or (value is not None and _MAILBOX.fullmatch(value)):
                pass  # whom the upstream vouches for changes nothing here, and must not stop the mail (catalogue S12)
            case b"SIZE" | b"BODY" | b"AUTH":
                return replies.PARAMETER_MALFORMED
            case b"SMTPUTF8" if smtputf8:
                return replies.PARAMETER_MALFORMED
            case _:
                return replies.PARAMETER_UNSUPPORTED
    return submission
