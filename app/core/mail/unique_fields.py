"""Fields that a message may have once (RFC 5322 3.6, RFC 2045). Large receivers refuse mail that
repeats them (catalogue H15).
"""

from collections.abc import Iterable

from app.core.mail.message import Field

ONCE = frozenset(
    (
        b"date",
        b"from",
        b"sender",
        b"reply-to",
        b"to",
        b"cc",
        b"message-id",
        b"in-reply-to",
        b"references",
        b"subject",
        b"mime-version",
        b"content-type",
        b"content-transfer-encoding",
    )
)
# twice the same: every reader reads the same
_HARMLESS = frozenset((b"mime-version", b"content-type", b"content-transfer-encoding"))


def repeated(fields: Iterable[Field]) -> tuple[str, ...]:
    """Return the names, in lower case and order, of those fields that stand more than once and may
    not.
    """
    found = [field for field in fields if field[0] in ONCE]
    names = [field[0] for field in found]
    if len(names) == len(set(names)):
        return ()
    several = {name for name in names if names.count(name) > 1}
    harmless = {
        name
        for name in several & _HARMLESS
        if len({field.value.strip() for field in found if field.name == name}) == 1
    }
    return tuple(sorted(name.decode("ascii") for name in several - harmless))
