"""MAIL, RCPT and DATA become one Envelope: strict addresses, checked parameters, bounded
recipients.

Serves RFC 5321 4.1.1.2, 4.1.1.3 and 4.1.2, RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531
(SMTPUTF8) and RFC 3461 (DSN). An address is kept as it was written, octet for octet; what it
identifies is decided in `app.core.address`.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType

from app.core.model import BrandId
from smtp_proxy import replies
from smtp_proxy.replies import Answer, Reply
from smtp_proxy.session.delivery_options import (
    MAIL_KEYWORDS,
    NO_OPTIONS,
    NOTHING_ASKED,
    RCPT_KEYWORDS,
    MailOptions,
    RecipientOptions,
    read_mail_options,
    read_recipient_options,
)

MAX_LOCAL_PART = 64  # RFC 5321 4.5.3.1.1
MAX_ADDRESS = 254  # RFC 5321 4.5.3.1.3: a path of 256, angle brackets included

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\xff-]+"
_LOCAL = rf'{_ATOM}(?:\.{_ATOM})*|"(?:[ !#-\[\]-~\x80-\xff]|\\[ -~])*"'
_LABEL = r"[A-Za-z0-9\x80-\xff](?:[A-Za-z0-9\x80-\xff-]*[A-Za-z0-9\x80-\xff])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_LITERAL = r"\[[0-9A-Za-z:.]+\]"
# A source route is accepted and ignored (RFC 5321 4.1.1.3, appendix C). Some clients put a blank
# after the colon.
_PATH = (
    rf" *<(?:@{_DOMAIN}(?:,@{_DOMAIN})*:)?"
    rf"(?P<address>(?P<local>{_LOCAL})@(?P<domain>{_DOMAIN}|{_LITERAL}))?>"
    r"(?P<parameters> .*)?"
)
_FROM = re.compile(rf"FROM:{_PATH}".encode(), re.IGNORECASE)
_TO = re.compile(rf"TO:{_PATH}".encode(), re.IGNORECASE)
# Without its brackets, as old devices send it; there is no other reading.
_BARE = rf" *(?P<address>(?P<local>{_LOCAL})@(?P<domain>{_DOMAIN}|{_LITERAL}))(?P<parameters> .*)?"
_BARE_FROM = re.compile(rf"FROM:{_BARE}".encode(), re.IGNORECASE)
_BARE_TO = re.compile(rf"TO:{_BARE}".encode(), re.IGNORECASE)
_POSTMASTER = re.compile(rb"TO: *<postmaster>(?: .*)?", re.IGNORECASE)
_MAX_LABEL = 63
# controls, also those above ASCII, and line separators
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
_SIZE = re.compile(rb"[0-9]{1,20}")
_MAILBOX = re.compile(rb"[!-<>-~]+")  # AUTH=: xtext or `<>` (RFC 4954 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who handed us the message, for the Received field and the log."""

    address: str  # IP address
    helo: str
    protocol: str  # SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA (RFC 3848), UTF8SMTP…
    account: BrandId | None  # the brand of the authenticated account; None: a trusted network
    name: str = ""  # as a proxy has told it (XCLIENT); empty: not known, we look no name up


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """The extensions that a session offers only because the downstream has them."""

    eightbit: bool = True
    smtputf8: bool = False
    dsn: bool = False


_FOR_NOBODY: Mapping[str, RecipientOptions] = MappingProxyType({})


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One SMTP transaction as the upstream stated it. `sender` is empty for the null sender
    `<>`.
    """

    id: str  # our queue-less id of this transaction: in Received, the log and the reply
    sender: str
    recipients: tuple[str, ...]  # as written by the upstream, duplicates collapsed (catalogue S11)
    body_8bit: bool
    smtputf8: bool
    client: Client
    # XFORWARD: name and xtext, for a downstream that offers it (catalogue S20)
    forwarded: tuple[tuple[bytes, bytes], ...] = ()
    options: MailOptions = NO_OPTIONS
    # of those that have some
    recipient_options: Mapping[str, RecipientOptions] = field(default_factory=lambda: _FOR_NOBODY)
    # the upstream hears one reply a recipient (LMTP), so nothing is combined and nobody is notified
    each: bool = False
    # whether it is still there to hear what became of the message
    listens: Callable[[], bool] = field(default=_always, compare=False)

    def options_of(self, recipient: str) -> RecipientOptions:
        """Return what was asked for this recipient."""
        return self.recipient_options.get(recipient, NOTHING_ASKED)


class Submission:
    """A transaction between MAIL and the end of DATA."""

    __slots__ = (
        "_accepted",
        "_recipients",
        "body_8bit",
        "options",
        "recipient_options",
        "sender",
        "size",
        "smtputf8",
    )

    def __init__(
        self, *, sender: str, size: int = 0, body_8bit: bool = False, smtputf8: bool = False
    ) -> None:
        self.sender = sender
        self.size = size  # as declared, in octets; 0: not declared
        self.body_8bit = body_8bit
        self.smtputf8 = smtputf8
        self.options = NO_OPTIONS
        self.recipient_options: dict[str, RecipientOptions] = {}
        self._recipients: dict[tuple[str, str], str] = {}
        self._accepted: list[str] = []  # each RCPT that got 250, under its first spelling

    @property
    def recipients(self) -> tuple[str, ...]:
        """Return the recipients in the order in which they came."""
        return tuple(self._recipients.values())

    def add(self, recipient: str, *, limit: int, options: RecipientOptions = NOTHING_ASKED) -> bool:
        """Add a recipient unless there are `limit` already, and say whether it is in.

        The same address again is in already, under its first spelling and with its first options:
        only the domain is compared without case (RFC 5321 2.4).
        """
        local, _, domain = recipient.rpartition("@")
        key = (local, domain.lower())
        if key not in self._recipients:
            if len(self._recipients) >= limit:
                return False
            self._recipients[key] = recipient
            if options != NOTHING_ASKED:
                self.recipient_options[recipient] = options
        self._accepted.append(self._recipients[key])
        return True

    def each_reply(self, answer: Answer) -> Sequence[Reply]:
        """Return one reply for each accepted RCPT, in order and duplicates included (RFC 2033 4.2,
        catalogue X4).
        """
        if isinstance(answer, Reply):
            return [answer] * len(self._accepted)
        by_recipient = dict(zip(self.recipients, answer, strict=True))
        return [by_recipient[recipient] for recipient in self._accepted]


def read_mail(argument: bytes, *, extended: bool, offers: Offers) -> Submission | Reply:
    """Read what follows `MAIL `, or return the refusal. `extended`: the client said EHLO, and was
    offered `offers`.
    """
    found = _FROM.fullmatch(argument) or _BARE_FROM.fullmatch(argument)
    if found is None:
        return replies.SENDER_MALFORMED
    parameters = _parameters(found["parameters"])
    if isinstance(parameters, Reply):
        return parameters
    if parameters and not extended:
        return replies.PARAMETER_UNSUPPORTED
    submission = _read_parameters(parameters, offers)
    if isinstance(submission, Reply):
        return submission
    sender = _address(found, smtputf8=submission.smtputf8, malformed=replies.SENDER_MALFORMED)
    if isinstance(sender, Reply):
        return sender
    submission.sender = sender
    return submission


def read_rcpt(
    argument: bytes, *, smtputf8: bool, dsn: bool = False
) -> tuple[str, RecipientOptions] | Reply:
    """Read what follows `RCPT `, or return the refusal. `smtputf8`: MAIL had the parameter; `dsn`:
    the extension was offered.
    """
    found = _TO.fullmatch(argument) or _BARE_TO.fullmatch(argument)
    if found is None:
        return (
            replies.RECIPIENT_WITHOUT_DOMAIN
            if _POSTMASTER.fullmatch(argument)
            else replies.RECIPIENT_MALFORMED
        )
    options = _read_recipient_parameters(found["parameters"], smtputf8=smtputf8, dsn=dsn)
    if isinstance(options, Reply):
        return options
    address = (
        _address(found, smtputf8=smtputf8, malformed=replies.RECIPIENT_MALFORMED)
        or replies.RECIPIENT_MALFORMED
    )
    return address if isinstance(address, Reply) else (address, options)


def _read_recipient_parameters(
    text: bytes | None, *, smtputf8: bool, dsn: bool
) -> RecipientOptions | Reply:
    if not text or not text.strip():
        return NOTHING_ASKED
    parameters = _parameters(text)
    if isinstance(parameters, Reply):
        return parameters
    if not (dsn and parameters.keys() <= RCPT_KEYWORDS):
        return replies.PARAMETER_UNSUPPORTED
    return read_recipient_options(parameters, smtputf8=smtputf8) or replies.PARAMETER_MALFORMED


def _address(found: re.Match[bytes], *, smtputf8: bool, malformed: Reply) -> str | Reply:
    """Return the address of a path; empty for `<>`."""
    address = found["address"]
    if address is None:
        return ""
    if (
        len(address) > MAX_ADDRESS
        or len(found["local"]) > MAX_LOCAL_PART
        or not _is_domain(found["domain"])
    ):
        return malformed
    if address.isascii():
        return address.decode("ascii")
    if not smtputf8:
        return replies.ADDRESS_NEEDS_SMTPUTF8
    try:
        text = address.decode("utf-8")
    except UnicodeDecodeError:
        return malformed
    return (
        malformed
        if any(unicodedata.category(char) in _UNSAFE_CATEGORIES for char in text)
        else text
    )


def _is_domain(domain: bytes) -> bool:
    if domain.startswith(b"["):
        return _is_literal(domain[1:-1].decode("ascii"))
    # A label in other alphabets is measured in its ASCII form, where it is identified.
    return len(domain) <= _MAX_LABEL or all(
        len(label) <= _MAX_LABEL or not label.isascii() for label in domain.split(b".")
    )


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


def _read_parameters(parameters: dict[bytes, bytes | None], offers: Offers) -> Submission | Reply:
    submission = Submission(sender="")
    if offers.dsn and not parameters.keys().isdisjoint(MAIL_KEYWORDS):
        options = read_mail_options(parameters)
        if options is None:
            return replies.PARAMETER_MALFORMED
        submission.options = options
    for keyword, value in parameters.items():
        match keyword:
            case b"SIZE" if value is not None and _SIZE.fullmatch(value):
                submission.size = int(value)
            case b"BODY" if not offers.eightbit:
                return replies.PARAMETER_UNSUPPORTED
            case b"BODY" if value is not None and value.upper() in (b"7BIT", b"8BITMIME"):
                submission.body_8bit = value.upper() == b"8BITMIME"
            case b"SMTPUTF8" if offers.smtputf8 and value is None:
                submission.smtputf8 = True
            case b"AUTH" if value == b"<>" or (value is not None and _MAILBOX.fullmatch(value)):
                # whom the upstream vouches for changes nothing here, and must not stop the mail
                # (catalogue S12)
                pass
            case b"RET" | b"ENVID" if offers.dsn:
                pass  # read above
            case b"SIZE" | b"BODY" | b"AUTH":
                return replies.PARAMETER_MALFORMED
            case b"SMTPUTF8" if offers.smtputf8:
                return replies.PARAMETER_MALFORMED
            case _:
                return replies.PARAMETER_UNSUPPORTED
    return submission
