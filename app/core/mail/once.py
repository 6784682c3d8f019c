"""Fields that a message may have once (RFC 5322 3.6, RFC 2045). Large receivers refuse mail that repeats them (catalogue H15)."""

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


def repeated(fields: Iterable[Field]) -> tuple[str, ...]:
    """Return the names, in lower case and order, of those fields that stand more than once and may not."""
    names = [field[0] for field in fields if field[0] in ONCE]
    if len(names) == len(set(names)):
        return ()
    return tuple(sorted({name.decode("ascii") for name in names if names.count(name) > 1}))
