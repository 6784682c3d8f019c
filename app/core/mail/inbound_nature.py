"""Who is speaking in a mail to the inbox: a person, or a machine (RFC 3834, RFC 3464, RFC 5965;
catalogue M2).

A machine never unsubscribes anybody by what it quotes. How much that matters depends on the
mailbox:

1. The address of a copy cannot be guessed and is never the sender of a mail, so no machine answers
   to it. People's own software marks their mail in many ways (Apple's button as an automatic
   answer, gateways as bulk). Only bounces and reports do nothing there.
2. To the forward box the brand's own software hands mail on, perhaps through a mailing list or a
   rule, and their marks are normal. An automatic answer does nothing there, unless its subject is
   the request itself, as the button of a mail program writes it (BUTTON).
3. Any other mailbox is known to everybody, so only what a person wrote counts there.
"""

import re
from enum import StrEnum

from app.core.mail.inbound_parts import Entity
from app.core.mail.inbound_text import subject_readings


class Nature(StrEnum):
    """What kind of mail it is; the reason in logs and metrics when it is not obeyed."""

    PERSONAL = "personal"
    BOUNCE = "bounce"
    AUTO_REPLY = "auto_reply"
    BUTTON = "button"
    AUTOMATIC = "automatic"
    LIST_MAIL = "list_mail"
    COMPLAINT = "complaint"


_REPORTS = frozenset(
    {
        "multipart/report",
        "message/delivery-status",
        "message/disposition-notification",
        "message/feedback-report",
    }
)
_REPORT_TYPE = re.compile(r"report-type\s*=\s*\"?\s*feedback-report\b", re.IGNORECASE)
_DAEMON = re.compile(r"(?:^|[<\s])mailer-daemon@", re.IGNORECASE)
_BOUNCE_FIELDS = (b"x-failed-recipients", b"x-ms-exchange-message-is-ndr")
_REPLY_FIELDS = (
    b"x-autoreply",
    b"x-autoreply-from",
    b"x-autorespond",
    b"x-auto-reply",
    b"x-mail-autoreply",
)
# RFC 3834 3.1.5: an automatic answer names what it answers
_ANSWERED_FIELDS = (b"in-reply-to", b"references")
# A request in its own words, perhaps handed on. `Re:` or `Automatic reply:` before it would make it
# an answer.
_REQUEST = re.compile(
    r"(?:\s*(?:(?:fwd?|wg|tr|rv|enc|vs|vb|i)\s*:|\[[^\]]{0,80}\]))*\s*unsubscribe\b", re.IGNORECASE
)
# What mail software writes before the subject that it answers or returns by itself, where nothing
# else says that nobody wrote it.
_RETURNED = re.compile(
    r"\s*(?:automatic reply|auto(?:matic)?[- ]?(?:reply|response)|out of (?:the"
    r" )?office|automatische antwort|abwesen\w*|"
    r"réponse automatique|respuesta automática|resposta automática|risposta automatica|automatisch"
    r" antwoord|autosvar|"
    r"automaattinen"
    r" vastaus|автоответ|自動応答|自动回复|undeliver(?:able|ed)\b[^:]{0,40}|unzustellbar|non remis|"
    r"no se puede entregar|returned mail|mail delivery (?:failed|failure)|delivery status"
    r" notification|failure notice)\s*[:：(]",
    re.IGNORECASE,
)
_LIST_FIELDS = (b"list-id", b"list-post", b"list-unsubscribe", b"mailing-list")
_REPLY_PRECEDENCES = frozenset({"auto_reply", "auto-reply"})
_LIST_PRECEDENCES = frozenset({"bulk", "junk", "list"})
_NO = frozenset({"", "no", "none", "false"})
IN_FORWARD_BOX = frozenset({Nature.PERSONAL, Nature.AUTOMATIC, Nature.LIST_MAIL, Nature.BUTTON})
AT_A_TOKEN = frozenset(Nature) - {Nature.BOUNCE, Nature.COMPLAINT}


def nature(mail: Entity, *, null_sender: bool) -> Nature:
    """Return the nature of a mail. `null_sender`: it came from `<>`, which decides alone: whatever
    else it is, it must have no effect.
    """
    is_report = mail.media_type in _REPORTS
    if (
        mail.media_type == "multipart/report"
        and not null_sender
        and _REPORT_TYPE.search(mail.value(b"content-type"))
    ):
        return Nature.COMPLAINT
    if null_sender or is_report or _is_bounce(mail):
        return Nature.BOUNCE
    subject = next(subject_readings(mail.value(b"subject")))
    # RFC 6532
    if _RETURNED.match(subject) or _RETURNED.match(
        subject.encode("latin-1", "ignore").decode("utf-8", "replace")
    ):
        return Nature.AUTO_REPLY
    automatic = mail.value(b"auto-submitted").lower().partition(";")[0].strip()
    precedence = mail.value(b"precedence").lower()
    if precedence in _REPLY_PRECEDENCES or _says_yes(mail, _REPLY_FIELDS):
        return Nature.AUTO_REPLY
    if automatic == "auto-replied":
        is_answer = _says_yes(mail, _ANSWERED_FIELDS) or not _REQUEST.match(
            next(subject_readings(mail.value(b"subject")))
        )
        return Nature.AUTO_REPLY if is_answer else Nature.BUTTON
    if precedence in _LIST_PRECEDENCES or _says_yes(mail, _LIST_FIELDS):
        return Nature.LIST_MAIL
    # says what others shall not answer, and Exchange says so in ordinary mail too
    if _says_yes(mail, (b"x-auto-response-suppress",)):
        return Nature.AUTOMATIC
    return Nature.PERSONAL if automatic in _NO else Nature.AUTOMATIC


def _is_bounce(mail: Entity) -> bool:
    return (
        mail.value(b"return-path") == "<>"
        or any(map(_DAEMON.search, mail.values(b"from")))
        or _says_yes(mail, _BOUNCE_FIELDS)
    )


def _says_yes(mail: Entity, names: tuple[bytes, ...]) -> bool:
    return any(value.strip().lower() not in _NO for value in mail.values(*names))
