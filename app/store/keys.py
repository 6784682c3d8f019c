"""Every key name of the store, and which partition and bucket a recipient belongs to.

Surprising: the tag in braces is not the partition's number but a short text found by search, whose CRC16 falls into the partition's own
64 slots, so that any even split of a cluster's 16384 slots is an even split of the partitions too. The tags, the number of
partitions and the formula of the bucket are part of the stored data: they never change.

All keys of one recipient of one brand share a tag, so one script may touch them together (Redis Cluster specification, hash tags).
"""

from binascii import crc_hqx
from itertools import count

from app.core.model import BrandNumber, RecipientDigest

PARTITIONS = 256
DEFAULT_BUCKETS = 64  # of one brand in one partition: 16384 hashes a brand, 61 recipients each at a million
META = "so:meta"  # hash: partitions, buckets

_SLOTS = 16384
_SLOTS_PER_PARTITION = _SLOTS // PARTITIONS


def slot(tag: str) -> int:
    """Return the cluster slot of a hash tag: CRC16/XMODEM modulo 16384."""
    return crc_hqx(tag.encode(), 0) % _SLOTS


def _find_tags() -> tuple[str, ...]:
    found: dict[int, str] = {}
    numbers = count()
    while len(found) < PARTITIONS:
        tag = f"{next(numbers):x}"
        found.setdefault(slot(tag) // _SLOTS_PER_PARTITION, tag)
    return tuple(found[number] for number in range(PARTITIONS))


TAGS = _find_tags()
_STATE = tuple(f"so:{{{tag}}}:s:" for tag in TAGS)
_HISTORY = tuple(f"so:{{{tag}}}:h:" for tag in TAGS)
_WORK = tuple(f"so:{{{tag}}}:w" for tag in TAGS)


def partition(digest: RecipientDigest) -> int:
    """Return the partition of a recipient, 0..255."""
    return digest[0]


def state(brand: BrandNumber, digest: RecipientDigest, buckets: int) -> str:
    """Return the key of the hash that holds the recipient's record; `buckets` is the store's number of hashes a partition."""
    return f"{_STATE[digest[0]]}{brand}:{int.from_bytes(digest[1:3]) % buckets}"


def history(brand: BrandNumber, number: int) -> str:
    """Return the key of the stream of every change of one brand in one partition."""
    return f"{_HISTORY[number]}{brand}"


def work(number: int) -> str:
    """Return the key of the stream of what the worker still has to do in one partition."""
    return _WORK[number]
