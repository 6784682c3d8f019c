"""Cursors: where a reader goes on, as text that means nothing to anybody else. Foreign text raises
RuleViolation.

A place in the index is the digest that was read last. A place in the journal is 256 positions,
since each partition's history is a stream of its own: packed as differences from the latest, about
2 kB for a busy brand, some dozens of characters for a quiet one.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Iterator, Sequence

from app.core.errors import RuleViolation
from app.core.model import DIGEST_BYTES, PARTITIONS, HistoryEntry, RecipientDigest

MAX_CURSOR_CHARS = 4_096

_ROSTER, _JOURNAL = b"r", b"j"
_MAX_PACKED = 8_192
_ENTRY_ID = re.compile(r"[0-9]{1,18}-[0-9]{1,18}")
_CONTINUES, _SEVEN = 0x80, 0x7F
_MAX_SHIFT = 63


def position_of(entry: HistoryEntry) -> tuple[int, int]:
    """Return the position in its partition right behind which the next entry is."""
    at_ms, _, count = entry.entry_id.partition("-")
    return int(at_ms), int(count)


def after_recipient(digest: RecipientDigest) -> str:
    """Return the cursor right behind a recipient."""
    return _text(_ROSTER + digest)


def recipient_of(cursor: str) -> RecipientDigest | None:
    """Return the recipient that was read last; None for the empty cursor, which is the
    beginning.
    """
    if not cursor:
        return None
    raw = _raw(cursor, _ROSTER)
    if len(raw) != DIGEST_BYTES:
        raise _foreign()
    return RecipientDigest(raw)


def behind_positions(positions: Sequence[tuple[int, int]]) -> str:
    """Return the cursor right behind these positions, one of each partition."""
    latest = max(at_ms for at_ms, _ in positions)
    packed = bytearray(_number(latest))
    for at_ms, count in positions:
        packed += _number(latest - at_ms) + _number(count)
    return _text(_JOURNAL + zlib.compress(bytes(packed), 9))


def positions_of(cursor: str) -> Sequence[tuple[int, int]]:
    """Return the positions of a cursor."""
    unpacker = zlib.decompressobj()
    try:
        packed = unpacker.decompress(_raw(cursor, _JOURNAL), _MAX_PACKED)
        latest, *numbers = _numbers(packed)
    except (zlib.error, ValueError) as exc:
        raise _foreign() from exc
    if len(numbers) != 2 * PARTITIONS or max(numbers[::2]) > latest:
        raise _foreign()
    return [
        (latest - behind, count) for behind, count in zip(numbers[::2], numbers[1::2], strict=True)
    ]


def positions_at(at_ms: int) -> Sequence[tuple[int, int]]:
    """Return the positions right before everything that arrived at that time or later; 0: before
    everything.
    """
    return [(at_ms - 1, 2**63 - 1) if at_ms else (0, 0)] * PARTITIONS


def entry_of(cursor: str) -> str:
    """Return the id of a stream's entry as it stands in a cursor; empty for the beginning."""
    if cursor and not _ENTRY_ID.fullmatch(cursor):
        raise _foreign()
    return cursor


def _number(value: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first."""
    packed = bytearray()
    while value > _SEVEN:
        packed.append(value & _SEVEN | _CONTINUES)
        value >>= 7
    packed.append(value)
    return bytes(packed)


def _numbers(packed: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in packed:
        value |= (byte & _SEVEN) << shift
        shift += 7
        if not byte & _CONTINUES:
            if value > 2**_MAX_SHIFT:
                raise _foreign()
            yield value
            value = shift = 0
        elif shift > _MAX_SHIFT:
            raise _foreign()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _raw(cursor: str, kind: bytes) -> bytes:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as exc:
        raise _foreign() from exc
    if len(cursor) > MAX_CURSOR_CHARS or raw[:1] != kind:
        raise _foreign()
    return raw[1:]


def _foreign() -> RuleViolation:
    return RuleViolation("the cursor is none that this list has given")
