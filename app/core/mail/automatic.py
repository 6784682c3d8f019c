"""Mail that a machine writes to one person for a cause: bounces, reports, automatic and calendar
replies, list administration.

It belongs to no sending that anybody could leave, so it must reach people who have unsubscribed
too, whatever marks its software puts into every mail (RFC 3834, RFC 3462, RFC 5546). What is
written to many by a machine (`Auto-Submitted: auto-generated`) is not meant.
"""

import re

from app.core.mail.field_text import word_of
from app.core.mail.message import Field, Message
from app.core.mail.mime import leaf_fields
from app.core.mail.mime_fields import part_fields

_AUTO_SUBMITTED, _ADMINISTRIVIA = b"auto-submitted", b"x-list-administrivia"
# what answering machines wrote before RFC 3834, and write still
_REPLY_FIELDS = frozenset(
    (b"x-autoreply", b"x-autoreply-from", b"x-autorespond", b"x-auto-reply", b"x-mail-autoreply")
)
_KEYWORD = re.compile(r"[a-z-]+")
_NO = frozenset(("", "no", "none", "false"))
_REPORTS = frozenset(
    ("multipart/report", "message/delivery-status", "message/disposition-notification")
)
_CALENDAR = "text/calendar"
# RFC 5546 1.4: what attendees send to one organiser
_REPLIES = frozenset(("reply", "counter", "declinecounter", "refresh"))
_CALENDAR_WORDS = (b"calendar", b"Calendar", b"CALENDAR")


def is_automatic(message: Message, *, null_sender: bool) -> bool:
    """Say whether a message is such mail. `null_sender`: it came from `<>`, as bounces do (RFC 5321
    4.5.5).
    """
    return null_sender or any(map(_says_so, message.fields)) or _is_report_or_reply(message)


def _says_so(field: Field) -> bool:
    if field[0] == _AUTO_SUBMITTED:
        # RFC 3834 5: comments stand anywhere, and parameters may follow
        keyword = _KEYWORD.match(word_of(field))
        return keyword is not None and keyword[0] == "auto-replied"
    return (field[0] == _ADMINISTRIVIA or field[0] in _REPLY_FIELDS) and word_of(field) not in _NO


def _is_report_or_reply(message: Message) -> bool:
    fields = part_fields(message.fields, default_kind="text/plain")
    if fields is None:
        return False
    if fields.kind in _REPORTS:
        return True
    if fields.kind != _CALENDAR and not (
        fields.kind.startswith("multipart/")
        and any(map(bytes(message.body).__contains__, _CALENDAR_WORDS))
    ):
        return False
    parts = leaf_fields(message)
    return any(
        part.kind == _CALENDAR and part.parameters.get("method", "").lower() in _REPLIES
        for part in parts
    )
