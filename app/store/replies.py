"""What a server's replies mean, for every adapter that speaks over a wire. What cannot be read is
StoreUnavailable: guessing could lose.
"""

from collections.abc import Sequence
from typing import TypeVar

from redis.exceptions import ResponseError

from app.core.errors import StoreUnavailable
from app.core.model import HistoryEntry
from app.store import codec
from app.store.batching import Reply
from app.store.failures import drops

T = TypeVar("T")


def raise_for(reply: Reply) -> None:
    """Raise StoreUnavailable when the reply is an error."""
    if isinstance(reply, StoreUnavailable):
        raise reply
    if isinstance(reply, Exception):
        raise StoreUnavailable(f"{type(reply).__name__}: {reply}") from reply


def readable(replies: Sequence[Reply]) -> list[Reply]:
    """Return the replies that are none of a server that is away; StoreUnavailable when all are, or
    when one is another error.

    For commands of which each stands for itself: what one primary cannot say now does not hold up
    what the others say.
    """
    return [reply for _, reply in answered(replies, replies)]


def answered(places: Sequence[T], replies: Sequence[Reply]) -> list[tuple[T, Reply]]:
    """Return each place that was asked about with its reply, as `readable` does."""
    found = [
        pair
        for pair in zip(places, replies, strict=True)
        if not isinstance(pair[1], Exception) or not _is_away(pair[1])
    ]
    if replies and not found:
        raise_for(replies[0])
    for _, reply in found:
        raise_for(reply)
    return found


def _is_away(error: Exception) -> bool:
    return isinstance(error, StoreUnavailable) or (
        isinstance(error, ResponseError) and drops(error)
    )


def as_list(reply: Reply) -> list[Reply]:
    """Return the parts of a reply that has parts."""
    if not isinstance(reply, list):
        raise_for(reply)
        raise StoreUnavailable("a reply of another type")
    return reply


def as_bytes(reply: Reply) -> bytes:
    """Return a reply that is one string. ValueError for what is not: damaged data."""
    if not isinstance(reply, bytes):
        raise ValueError("a field of another type")  # noqa: TRY004 - damaged data, not a wrong call
    return reply


def stream_entry(entry: Reply) -> tuple[str, dict[bytes, bytes]]:
    """Return the id and the fields of one entry of a stream. ValueError for damaged data."""
    entry_id, flat = as_list(entry)
    values = [as_bytes(part) for part in as_list(flat)]
    return as_bytes(entry_id).decode(), dict(zip(values[::2], values[1::2], strict=True))


def history_entry(entry: Reply) -> HistoryEntry:
    """Return one entry of a history stream. ValueError or KeyError for damaged data."""
    entry_id, fields = stream_entry(entry)
    return HistoryEntry(
        entry_id=entry_id,
        statement=codec.decode_statement(fields[b"s"]),
        changed=codec.decode_groups(fields[b"c"]),
        sequence=int(fields[b"n"]),
    )
