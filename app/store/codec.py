"""The bytes that are stored: a recipient's record, and a statement. Versioned, big-endian, strict
when read.

Record (one hash field, 22 bytes for a recipient with only the global state; written by
scripts/apply.lua and erase.lua, read here):

    u8 version = 1 · u32 sequence · then for each group: u32 key (0: all mail) · u8 flags · u48
    since_ms · u48 last_ms

    flags: bit 0 unsubscribed · bit 1 contested (a statement for the other state has been seen) ·
    bits 2..6 source · bit 7 imports alone have told of it

    version = 2 says more of the recipient, between sequence and groups
    (docs/adr/0021-sealed-addresses-in-the-state.md): u16 n (bit 15: erased once) · u48 erased_ms,
    when erased · n bytes sealed address

    versions 3 and 4 are 1 and 2 with a u64 sequence, as it is after a restore
    (docs/adr/0046-sequences-go-on-after-a-restore.md)

Statement (a row of the spool, an entry of the streams):

    u8 version = 1 · 16 id · u16 brand · 10 digest · u8 flags · u8 source · u48 at_ms · u32 key_id
    flags: bit 0 subscribed · bit 1 an expected sequence follows as u32 · bit 2 a home data centre
    follows as u8 · bit 3, beside bit 1: the sequence is a u64 u16 n, n group keys of u32 · u16 n, n
    bytes campaign · u16 n, n bytes sealed address

Bytes that do not fit the form raise ValueError: they were written by a newer version or are
damaged, and guessing could lose a statement.
"""

import struct
from types import MappingProxyType

from app.core.groups import EVERYTHING
from app.core.model import (
    DIGEST_BYTES,
    BrandNumber,
    CampaignId,
    Change,
    GroupKey,
    KnownRecipient,
    Preferences,
    RecipientDigest,
    Source,
    Statement,
    Subscription,
)

RECORD_VERSION = 1
EXTENDED_VERSION = 2
LONG = 2  # added to a record's version when its sequence is a u64
STATEMENT_VERSION = 1

_HEADER = struct.Struct(">BI")
_LONG_HEADER = struct.Struct(">BQ")
_ENTRY = struct.Struct(">IBHIHI")  # a u48 is read as u16 and u32
_STATEMENT = struct.Struct(f">B16sH{DIGEST_BYTES}sBBHII")
_U8 = struct.Struct(">B")
_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_UNSUBSCRIBED = 1
_IMPORTED = 0x80
_SUBSCRIBED, _EXPECTED, _HOME, _LONG_EXPECTED = 1, 2, 4, 8
_FLAGS = _SUBSCRIBED | _EXPECTED | _HOME | _LONG_EXPECTED
_MOST_U32 = 0xFFFFFFFF
_SOURCES = {int(source): source for source in Source}
_NOTHING_KNOWN = Preferences()
_ID_BYTES = 16
_ERASED, _ERASED_BYTES = 0x8000, 6
_LONGEST_SHORT = bytes([EXTENDED_VERSION])
_CONFLICT, _AGAINST_CLOCK = 1, 2  # verdicts of apply.lua


def decode_preferences(record: bytes | None) -> Preferences:
    """Return what a stored record says; None, an absent record, says that nothing is known.
    ValueError on foreign bytes.
    """
    if record is None:
        return _NOTHING_KNOWN
    version, sequence, start = _head(record)
    start = start if version == RECORD_VERSION else _extension(record, version, start)[1]
    if (len(record) - start) % _ENTRY.size:
        raise ValueError("a record has no whole number of entries")
    groups: dict[GroupKey, Subscription] = {}
    for key, flags, since_high, since_low, last_high, last_low in _ENTRY.iter_unpack(
        record[start:]
    ):
        groups[GroupKey(key)] = Subscription(
            subscribed=not flags & _UNSUBSCRIBED,
            source=_source((flags & ~_IMPORTED) >> 2),
            since_ms=since_high << 32 | since_low,
            last_ms=last_high << 32 | last_low,
            imported=bool(flags & _IMPORTED),
        )
    everything = groups.pop(EVERYTHING, _NOTHING_KNOWN.everything)
    return Preferences(everything=everything, groups=MappingProxyType(groups), sequence=sequence)


def decode_known(digest: bytes, record: bytes) -> KnownRecipient:
    """Return a recipient with all that their record says. ValueError on foreign bytes."""
    preferences = decode_preferences(record)
    version, _, start = _head(record)
    sealed = b"" if version == RECORD_VERSION else _extension(record, version, start)[0]
    return KnownRecipient(
        digest=RecipientDigest(digest), preferences=preferences, sealed_address=sealed
    )


def _head(record: bytes) -> tuple[int, int, int]:
    """Return the version as if the sequence were short, the sequence, and where the rest begins."""
    head = _LONG_HEADER if record[:1] > _LONGEST_SHORT else _HEADER
    if len(record) < head.size:
        raise ValueError("a record ends early")
    version, sequence = head.unpack_from(record)
    return version - LONG if head is _LONG_HEADER else version, sequence, head.size


def _extension(record: bytes, version: int, start: int) -> tuple[bytes, int]:
    """Return the sealed address, and where the entries begin."""
    if version != EXTENDED_VERSION:
        raise ValueError(f"record version {record[0]} is not known")
    if len(record) < start + _U16.size:
        raise ValueError("a record ends early")
    (size,) = _U16.unpack_from(record, start)
    begin = start + _U16.size + (_ERASED_BYTES if size & _ERASED else 0)
    end = begin + (size & ~_ERASED)
    if end > len(record):
        raise ValueError("a record ends early")
    return record[begin:end], end


def _source(number: int) -> Source:
    if (source := _SOURCES.get(number)) is None:
        raise ValueError(f"source {number} is not known")
    return source


def encode_groups(groups: tuple[GroupKey, ...]) -> bytes:
    """Return group keys as 4 bytes each; no groups stand for all mail."""
    return b"".join(map(_U32.pack, groups or (EVERYTHING,)))


def decode_groups(packed: bytes) -> tuple[GroupKey, ...]:
    """Return the group keys that 4 bytes each stand for, in order."""
    if len(packed) % _U32.size:
        raise ValueError("group keys are 4 bytes each")
    return tuple(GroupKey(key) for (key,) in _U32.iter_unpack(packed))


def decode_change(reply: bytes) -> Change | None:
    """Return what apply.lua answered; None: a conflict."""
    verdict, sequence = _LONG_HEADER.unpack_from(reply)
    if verdict == _CONFLICT:
        return None
    if len(reply) == _LONG_HEADER.size:
        return Change(changed=(), sequence=sequence)
    return Change(
        changed=decode_groups(reply[_LONG_HEADER.size :]),
        sequence=sequence,
        against_clock=verdict == _AGAINST_CLOCK,
    )


class _Last:
    """The statement that was encoded last: a click goes to the spool and to the store, one right
    after the other (5 µs of 40).
    """

    pair: tuple[Statement | None, bytes] = (None, b"")


def encode_statement(statement: Statement) -> bytes:
    """Return a statement as bytes; ValueError when a part of it is longer or larger than its
    field.
    """
    known, packed = _Last.pair
    if known is not statement:
        packed = _encode(statement)
        _Last.pair = statement, packed
    return packed


def _encode(statement: Statement) -> bytes:
    expected = statement.expected_sequence
    is_long = expected is not None and expected > _MOST_U32
    campaign = statement.campaign.encode()
    if len(statement.id) != _ID_BYTES or len(statement.digest) != DIGEST_BYTES:
        raise ValueError("a statement's id has 16 bytes and its digest 10")
    try:
        return b"".join(
            (
                _STATEMENT.pack(
                    STATEMENT_VERSION,
                    statement.id,
                    statement.brand,
                    statement.digest,
                    statement.subscribed * _SUBSCRIBED
                    | (expected is not None) * _EXPECTED
                    | (statement.home != 0) * _HOME
                    | is_long * _LONG_EXPECTED,
                    statement.source,
                    statement.at_ms >> 32,
                    statement.at_ms & 0xFFFFFFFF,
                    statement.key_id,
                ),
                b"" if expected is None else (_U64 if is_long else _U32).pack(expected),
                _U8.pack(statement.home) if statement.home else b"",
                _U16.pack(len(statement.groups)),
                encode_groups(statement.groups) if statement.groups else b"",
                _U16.pack(len(campaign)),
                campaign,
                _U16.pack(len(statement.sealed_address)),
                statement.sealed_address,
            )
        )
    except struct.error as exc:
        raise ValueError("a statement's part does not fit its field") from exc


def decode_statement(packed: bytes) -> Statement:
    """Return the statement that the bytes stand for; ValueError unless every byte is understood."""
    try:
        version, id_, brand, digest, flags, source, at_high, at_low, key_id = (
            _STATEMENT.unpack_from(packed)
        )
        if (
            version != STATEMENT_VERSION
            or flags & ~_FLAGS
            or flags & (_EXPECTED | _LONG_EXPECTED) == _LONG_EXPECTED
        ):
            raise ValueError(f"statement version {version} with flags {flags} is not known")
        position = _STATEMENT.size
        expected: int | None = None
        if flags & _EXPECTED:
            form = _U64 if flags & _LONG_EXPECTED else _U32
            (expected,) = form.unpack_from(packed, position)
            position += form.size
        home = 0
        if flags & _HOME:
            (home,) = _U8.unpack_from(packed, position)
            position += _U8.size
        (groups,) = _U16.unpack_from(packed, position)
        position += _U16.size
        group_bytes, position = _take(packed, position, groups * _U32.size)
        campaign, position = _take_sized(packed, position)
        sealed, position = _take_sized(packed, position)
    except struct.error as exc:
        raise ValueError("a statement ends early") from exc
    if position != len(packed):
        raise ValueError("a statement is followed by foreign bytes")
    return Statement(
        id=id_,
        brand=BrandNumber(brand),
        digest=RecipientDigest(digest),
        groups=decode_groups(group_bytes),
        subscribed=bool(flags & _SUBSCRIBED),
        source=_source(source),
        at_ms=at_high << 32 | at_low,
        campaign=CampaignId(campaign.decode()),
        key_id=key_id,
        sealed_address=sealed,
        expected_sequence=expected,
        home=home,
    )


def _take(packed: bytes, position: int, size: int) -> tuple[bytes, int]:
    end = position + size
    if end > len(packed):
        raise ValueError("a statement ends early")
    return packed[position:end], end


def _take_sized(packed: bytes, position: int) -> tuple[bytes, int]:
    (size,) = _U16.unpack_from(packed, position)
    return _take(packed, position + _U16.size, size)
