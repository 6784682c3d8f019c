"""The bytes of a delivery in the store. Versioned, big-endian, strict when read, like all records
of `codec`.

    u8 version = 1 · u8 attempts · u8 flags (bit 0 late) · u32 sequence · u48 queued_ms · u16 n, n
    changed group keys of u32 u16 n, n bytes reason · the statement to the end

    version 2 is version 1 with a u64 sequence, as it is after a restore

The endpoint stands in the delivery's id, beside the statement's own: 8 + 16 bytes.
"""

import struct

from app.core.model import GroupKey
from app.core.webhook import ENDPOINT_KEY_BYTES, Delivery, EndpointKey
from app.store.codec import decode_groups, decode_statement, encode_groups, encode_statement

DELIVERY_VERSION = 1
LONG_VERSION = 2

_HEAD = struct.Struct(">BBBIHIH")
_LONG_HEAD = struct.Struct(">BBBQHIH")
_MOST_U32 = 0xFFFFFFFF
_U16 = struct.Struct(">H")
_LATE = 1
_REASON_BYTES = 200
_MOST_ATTEMPTS = 255


def encode_delivery(delivery: Delivery) -> bytes:
    """Return a delivery as bytes; a long reason is cut."""
    reason = delivery.reason.encode()[:_REASON_BYTES]
    is_long = delivery.sequence > _MOST_U32
    head = (_LONG_HEAD if is_long else _HEAD).pack(
        LONG_VERSION if is_long else DELIVERY_VERSION,
        min(delivery.attempts, _MOST_ATTEMPTS),
        delivery.late * _LATE,
        delivery.sequence,
        delivery.queued_ms >> 32,
        delivery.queued_ms & 0xFFFFFFFF,
        len(delivery.changed),
    )
    changed = encode_groups(delivery.changed) if delivery.changed else b""
    return b"".join(
        (head, changed, _U16.pack(len(reason)), reason, encode_statement(delivery.statement))
    )


def decode_delivery(delivery_id: bytes, record: bytes) -> Delivery:
    """Return the delivery of this id and record; ValueError unless every byte is understood."""
    try:
        head = _LONG_HEAD if record[:1] == bytes([LONG_VERSION]) else _HEAD
        version, attempts, flags, sequence, queued_high, queued_low, groups = head.unpack_from(
            record
        )
        if version not in {DELIVERY_VERSION, LONG_VERSION} or flags & ~_LATE:
            raise ValueError(f"delivery version {version} with flags {flags} is not known")
        at = head.size + 4 * groups
        changed: tuple[GroupKey, ...] = decode_groups(record[head.size : at])
        (length,) = _U16.unpack_from(record, at)
    except struct.error as exc:
        raise ValueError("a delivery ends early") from exc
    start = at + _U16.size
    statement = decode_statement(record[start + length :])
    if delivery_id[ENDPOINT_KEY_BYTES:] != statement.id:
        raise ValueError("a delivery stands under another id")
    return Delivery(
        endpoint=EndpointKey(delivery_id[:ENDPOINT_KEY_BYTES]),
        statement=statement,
        changed=changed,
        sequence=sequence,
        queued_ms=queued_high << 32 | queued_low,
        attempts=attempts,
        late=bool(flags & _LATE),
        reason=record[start : start + length].decode(errors="replace"),
    )
