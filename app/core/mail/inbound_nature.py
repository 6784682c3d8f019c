"""Who is speaking in a mail to the inbox: a person, or a machine (RFC 3834, RFC 3464, RFC 5965; catalogue M2).

A machine never unsubscribes anybody by what it quotes. The forward box is milder: the brand's own software handed the mail on, perhaps
through a mailing list or a rule that marks it as generated, so only bounces and automatic answers are nothing there.
"""

import re
from enum import StrEnum

from app.core.mail.inbound_parts import Entity


class Nature(StrEnum):
    """What kind of mail it is; the reason in logs and metrics when it is not obeyed."""

    PERSONAL = "personal"
    BOUNCE = "bounce"
    AUTO_REPLY = "auto_reply"
    AUTOMATIC = "automatic"
    LIST_MAIL = "list_mail"
    COMPLAINT = "complaint"


_REPORT_TYPE = re.compile(r"report-type\s*=\s*\"?\s*feedback-report\b", re.IGNORECASE)
_DAEMON = re.compile(r"(?:^|[<\s])mailer-daemon@", re.IGNORECASE)
_BOUNCE_FIELDS = (b"x-failed-recipients", b"x-ms-exchange-message-is-ndr")
_REPLY_FIELDS = (b"x-autoreply", b"x-autoreply-from", b"x-autorespond", b"x-auto-reply", b"x-auto-response-suppress", b"x-mail-autoreply")
_LIST_FIELDS = (b"list-id", b"list-post", b"list-unsubscribe", b"mailing-list")
_REPLY_PRECEDENCES = frozenset({"auto_reply", "auto-reply"})
_LIST_PRECEDENCES = frozenset({"bulk", "junk", "list"})
_NO = frozenset({"", "no", "none", "false"})
IN_FORWARD_BOX = frozenset({Nature.PERSONAL, Nature.AUTOMATIC, Nature.LIST_MAIL})


def nature(mail: Entity, *, null_sender: bool) -> Nature:
    """Return the nature of a mail. `null_sender`: it came from `<>`, which decides alone: whatever else it is, it must have no effect."""
    is_report = mail.media_type == "multipart/report"
    if is_report and not null_sender and _REPORT_TYPE.search(mail.value(b"content-type")):
        return Nature.COMPLAINT
    if null_sender or is_report or _is_bounce(mail):
        return Nature.BOUNCE
    automatic = mail.value(b"auto-submitted").lower().partition(";")[0].strip()
    precedence = mail.value(b"precedence").lower()
    if automatic == "auto-replied" or precedence in _REPLY_PRECEDENCES or _says_yes(mail, _REPLY_FIELDS):
        return Nature.AUTO_REPLY
    if precedence in _LIST_PRECEDENCES or _says_yes(mail, _LIST_FIELDS):
        return Nature.LIST_MAIL
    return Nature.PERSONAL if automatic in _NO else Nature.AUTOMATIC


def _is_bounce(mail: Entity) -> bool:
    return mail.value(b"return-path") == "<>" or any(map(_DAEMON.search, mail.values(b"from"))) or _says_yes(mail, _BOUNCE_FIELDS)


def _says_yes(mail: Entity, names: tuple[bytes, ...]) -> bool:
    return any(value.strip().lower() not in _NO for value in mail.values(*names))
