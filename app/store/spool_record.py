"""One record of the spool: a statement in an envelope that shows every change of its bytes.

    u8[2] mark = A7 53 · u8 format = 1 · u16 n · n bytes statement (codec.py) · u32 CRC-32 of all
    before it, big-endian

The mark and the length let a record be found in the raw bytes of a file that SQLite cannot open any
more. Records of the first edition are a bare statement, which begins with 01, and are still read. A
CRC-32 tells every error of one bit in so short a record from every other, so a record with one
flipped bit is put right when its file is salvaged.
"""

import struct
from collections.abc import Iterator
from zlib import crc32

from app.store.codec import STATEMENT_VERSION, decode_statement

_MARK = b"\xa7S"
_FORMAT = 1
_HEAD = struct.Struct(">2sBH")
_CRC = struct.Struct(">I")
_FRAME = _HEAD.size + _CRC.size
_BARE = bytes([STATEMENT_VERSION])  # how a record of the first edition begins


class RecordDamaged(ValueError):
    """Bytes that were a record: its CRC does not hold."""


def seal(statement: bytes) -> bytes:
    """Return the record of an encoded statement."""
    framed = _HEAD.pack(_MARK, _FORMAT, len(statement)) + statement
    return framed + _CRC.pack(crc32(framed))


def open_record(record: bytes) -> bytes:
    """Return the encoded statement of a record. RecordDamaged when it has changed; ValueError for a
    format that is not known.
    """
    if _holds(record):
        mark, form, size = _HEAD.unpack_from(record)
        if (mark, form, size) != (_MARK, _FORMAT, len(record) - _FRAME):
            raise ValueError(f"a record of format {form} is not known")
        return record[_HEAD.size : -_CRC.size]
    if record.startswith(_BARE):
        return record
    if record.startswith(_MARK) or _repaired(record):
        raise RecordDamaged("a record's CRC does not hold")
    raise ValueError("a record of an unknown form")


def salvaged(record: bytes) -> bytes | None:
    """Return the record whole: as it is, or with its one flipped bit put right; None when it cannot
    be read.
    """
    try:
        decode_statement(open_record(record))
    except RecordDamaged:
        return _repaired(record)
    except ValueError:
        return None
    return record


def carved(raw: bytes) -> Iterator[bytes]:
    """Yield every record that can be read in the raw bytes of a file, whatever else is wrong with
    it.
    """
    position = raw.find(_MARK)
    while position >= 0:
        if len(raw) - position >= _HEAD.size:
            _, _, size = _HEAD.unpack_from(raw, position)
            if whole := salvaged(raw[position : position + size + _FRAME]):
                yield whole
        position = raw.find(_MARK, position + 1)


def _holds(record: bytes | bytearray) -> bool:
    return (
        len(record) >= _FRAME
        and crc32(record[: -_CRC.size]) == _CRC.unpack(record[-_CRC.size :])[0]
    )


def _repaired(record: bytes) -> bytes | None:
    """Return the record with the one bit flipped back that makes its CRC hold."""
    for bit in range(8 * len(record)):
        candidate = bytearray(record)
        candidate[bit >> 3] ^= 1 << (bit & 7)
        if _holds(candidate) and candidate.startswith(_MARK):
            return bytes(candidate)
    return None
