"""What the upstream asks about delivery reports: RET and ENVID on MAIL, NOTIFY and ORCPT on RCPT
(RFC 3461 4).

A value is kept as it was written, case included, and handed to a downstream that offers DSN
(catalogue S12, S17). What it means matters here only where we report a refusal ourselves.

RFC 3461 4: xtext stands for any octets, and senders of internationalised mail use it so. No
recipient is lost for an ORCPT: it passes on as it came, and one that is none at all (no xtext, too
long, empty) is dropped. An ENVID must decode to printable ASCII (RFC 3461 4.4).
"""

import re
from dataclasses import dataclass

from app.core.mail.xtext import shown_xtext

MAIL_KEYWORDS = frozenset((b"RET", b"ENVID"))
RCPT_KEYWORDS = frozenset((b"NOTIFY", b"ORCPT"))

_MAX_ENVID = 100  # RFC 3461 4.4
_MAX_ORCPT = 500  # RFC 3461 4.2
_XTEXT = r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+"
_RET = re.compile(r"FULL|HDRS", re.IGNORECASE)
_ENVID = re.compile(_XTEXT)
_NOTIFY = re.compile(
    r"NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY)){0,2}", re.IGNORECASE
)
_ORCPT = re.compile(rf"(?P<kind>[A-Za-z0-9-]+);(?P<address>{_XTEXT})")
# RFC 6533 3, without encoding
_ORCPT_UTF8 = re.compile(r"(?P<kind>[Uu][Tt][Ff]-8);(?P<address>[^\x00- =+\x7f-\x9f\u2028\u2029]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailOptions:
    """RET and ENVID of one transaction; empty: not given."""

    ret: str = ""
    envid: str = ""

    def __str__(self) -> str:
        return _parameters(RET=self.ret, ENVID=self.envid)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientOptions:
    """NOTIFY and ORCPT of one recipient; empty: not given."""

    notify: str = ""
    orcpt: str = ""

    def __str__(self) -> str:
        return _parameters(NOTIFY=self.notify, ORCPT=self.orcpt)

    @property
    def wants_failures(self) -> bool:
        """Say whether a refusal of this recipient is to be reported: by default it is (RFC 3461
        4.1).
        """
        return not self.notify or "FAILURE" in self.notify.upper().split(",")


NO_OPTIONS = MailOptions()
NOTHING_ASKED = RecipientOptions()


def read_mail_options(given: dict[bytes, bytes | None]) -> MailOptions | None:
    """Read the parameters of MAIL, keywords in capitals; None: one is malformed."""
    ret, envid = _value(given, b"RET"), _value(given, b"ENVID")
    if ret is None or envid is None or (ret and not _RET.fullmatch(ret)):
        return None
    if envid and not (
        len(envid) <= _MAX_ENVID and _ENVID.fullmatch(envid) and _is_printable(envid)
    ):
        return None
    return MailOptions(ret=ret, envid=envid)


def read_recipient_options(
    given: dict[bytes, bytes | None], *, smtputf8: bool
) -> RecipientOptions | None:
    """Read the parameters of RCPT, keywords in capitals; None: one is malformed."""
    notify, orcpt = _value(given, b"NOTIFY"), _value(given, b"ORCPT") or ""
    if notify is None or (notify and not _NOTIFY.fullmatch(notify)):
        return None
    if not _is_original(orcpt, smtputf8=smtputf8):
        orcpt = ""
    return RecipientOptions(notify=notify, orcpt=orcpt)


def _is_original(text: str, *, smtputf8: bool) -> bool:
    if len(text) > _MAX_ORCPT:
        return False
    if smtputf8 and not text.isascii():
        return _ORCPT_UTF8.fullmatch(text) is not None
    return _ORCPT.fullmatch(text) is not None


def _value(given: dict[bytes, bytes | None], keyword: bytes) -> str | None:
    """Return a value as text, empty when the keyword is absent; None for what is no text or was
    given without a value.
    """
    if keyword not in given:
        return ""
    value = given[keyword]
    try:
        return value.decode("utf-8") if value else None
    except UnicodeDecodeError:
        return None


def _is_printable(xtext: str) -> bool:
    decoded = shown_xtext(xtext)
    return decoded.isascii() and decoded.isprintable()


def _parameters(**values: str) -> str:
    return "".join(f" {keyword}={value}" for keyword, value in values.items() if value)
