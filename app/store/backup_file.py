"""The file of a backup: what is in it, and how a file that is damaged, cut off or foreign is known
before anything is done by it.

    signoff-backup 1 {"made_at": …, "pepper": fingerprint, …}\n      one line that anybody can read
    gzip of: commands of the store's own protocol (RESP arrays), one after the other,
             then END with the counts as JSON, then SEAL with 32 bytes: HMAC-SHA256 over the line
             and everything up to END

The commands are data in a form that needs no parser of ours: five kinds, on keys of ours alone, and
what is anything else is refused. The seal is made with a key of the pepper, so nobody who has not
the keyring can make a file that would be taken.
"""

import hashlib
import hmac
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import IO

import hiredis

from app.core.errors import InvalidInput
from app.core.keyring import Identity
from app.store.epoch import MOST

MAGIC = b"signoff-backup "
VERSION = 1
_MOST_HEADER = 65_536
_PIECE = 16_384  # of compressed octets, which may stand for a thousand times as many
_MOST_WAITING = 64 * 1024 * 1024  # octets of one command
_GZIP = 31  # wbits of zlib: a gzip member
_LEVEL = 3
_END, _SEAL = b"END", b"SEAL"
Record = Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a backup says of itself."""

    id: str
    made_at: str  # RFC 3339, by the store's clock
    data_centre: int
    partitions: int
    buckets: int
    epoch: int
    pepper: str
    keys: Mapping[int, str]

    @property
    def identity(self) -> Identity:
        """Return by which keyring the store was made."""
        return Identity(pepper=self.pepper, keys=self.keys)


class Writer:
    """Writes one backup, piece by piece."""

    def __init__(self, file: IO[bytes], header: Header, key: bytes) -> None:
        line = MAGIC + b"%d " % VERSION + json.dumps(asdict(header)).encode() + b"\n"
        self._file = file
        self._mac = hmac.new(key, line, hashlib.sha256)
        self._gzip = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        file.write(line)

    def write(self, *record: bytes) -> None:
        """Add one command."""
        packed = hiredis.pack_command(record)  # type: ignore[arg-type]  # its stub: one word
        self._mac.update(packed)
        self._file.write(self._gzip.compress(packed))

    def end(self, counts: Mapping[str, int]) -> None:
        """Add the counts and the seal; what has none is no backup."""
        self.write(_END, json.dumps(counts).encode())
        self._file.write(self._gzip.compress(hiredis.pack_command((_SEAL, self._mac.digest()))))  # type: ignore[arg-type]  # as above
        self._file.write(self._gzip.flush())


class Reader:
    """Reads one backup from its beginning: the header at once, then `records` as often as wanted,
    each time from the first.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        file.seek(0)
        self._line = file.readline(_MOST_HEADER)
        self.header = _header(self._line)
        self.counts: Mapping[str, int] = {}

    @property
    def position(self) -> int:
        """How many octets of the file have been read."""
        return self._file.tell()

    def records(self, key: bytes) -> Iterator[Record]:
        """Yield the commands; the counts are known afterwards. Raises InvalidInput for a file that
        is not whole as it was written.
        """
        mac = hmac.new(key, self._line, hashlib.sha256)
        end: Record | None = None
        sealed = False
        for record in self._unpacked():
            if sealed:
                raise _damaged("something stands behind its end")
            if end is None:
                mac.update(hiredis.pack_command(tuple(record)))  # type: ignore[arg-type]  # as above
                if record[0] == _END:
                    end = record
                else:
                    yield record
                continue
            sealed = (
                len(record) == len(end)
                and record[0] == _SEAL
                and hmac.compare_digest(record[1], mac.digest())
            )
            if not sealed:
                raise _damaged("its seal does not fit: it was changed, or made by another keyring")
        if end is None or not sealed:
            raise _damaged("it ends early")
        self.counts = _counts(end)

    def _unpacked(self) -> Iterator[Record]:
        """Yield what the gzip member holds, some octets at a time."""
        self._file.seek(len(self._line))
        gzip, parser, waiting = zlib.decompressobj(_GZIP), hiredis.Reader(), 0
        while not gzip.eof:
            piece = self._file.read(_PIECE)
            if not piece:
                raise _damaged("it ends early")
            found: list[Record] = []
            try:
                plain = gzip.decompress(piece)
                parser.feed(plain)
                waiting += len(plain)
                while (reply := parser.gets()) is not False:
                    found.append(_record(reply))
                    waiting = 0
            except (zlib.error, hiredis.ProtocolError) as exc:
                raise _damaged(str(exc)) from exc
            if waiting > _MOST_WAITING:
                raise _damaged("a command in it is larger than any")
            yield from found
        if gzip.unused_data or self._file.read(1) or parser.has_data():
            raise _damaged("something stands behind its end")


def _header(line: bytes) -> Header:
    if not line.startswith(MAGIC):
        raise InvalidInput("this is no backup of Signoff")
    version, _, facts = line.removeprefix(MAGIC).partition(b" ")
    if version != b"%d" % VERSION:
        raise InvalidInput(
            f"the backup has version {version[:20].decode(errors='replace')}, and this Signoff"
            f" reads version {VERSION}"
        )
    if not line.endswith(b"\n"):
        raise _damaged("it ends early")
    try:
        told = json.loads(facts)
        header = Header(
            **{**told, "keys": {int(key_id): str(value) for key_id, value in told["keys"].items()}}
        )
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise _damaged("its first line cannot be read") from exc
    numbers = (header.data_centre, header.partitions, header.buckets, header.epoch)
    texts = (header.id, header.made_at, header.pepper)
    if not all(type(number) is int and 0 <= number < MOST for number in numbers) or not all(
        isinstance(text, str) for text in texts
    ):
        raise _damaged("its first line cannot be read")
    return header


def _record(reply: object) -> Record:
    if isinstance(reply, list) and reply and all(isinstance(part, bytes) for part in reply):
        return reply
    raise _damaged("it holds something that is no command")


def _counts(end: Record) -> Mapping[str, int]:
    return {str(name): int(count) for name, count in json.loads(end[1]).items()}


def _damaged(why: str) -> InvalidInput:
    return InvalidInput(f"the backup is damaged and nothing of it is used: {why}")
