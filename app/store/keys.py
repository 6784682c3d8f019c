"""Every key name of the store, and which partition and bucket a recipient belongs to.

Surprising: the tag in braces is not the partition's number but a short text found by search, whose
CRC16 falls into the partition's own 64 slots, so that any even split of a cluster's 16384 slots is
an even split of the partitions too. The tags, the number of partitions and the formula of the
bucket are part of the stored data: they never change.

All keys of one recipient of one brand share a tag, so one script may touch them together (Redis
Cluster specification, hash tags).
"""

from binascii import crc_hqx
from itertools import count

from app.core.model import PARTITIONS, BrandNumber, RecipientDigest

# of one brand in one partition: 16384 hashes a brand, 61 recipients each at a million
DEFAULT_BUCKETS = 64
WORKERS = "so:workers"  # sorted set: the workers that are alive, by the time of their last sign
ENDPOINTS_OFF = "so:endpoints:off"  # hash: endpoints that answered 410, and when
# hash: endpoints, and when a process last had them in its settings
ENDPOINTS_KNOWN = "so:endpoints:known"
RETURNS = "so:returns"  # hash: by brand, when a token of self-managed mail was last returned to us
RESTORE = "so:restore"  # string: held by a restore that is running
# hash: partitions, buckets, pepper (its fingerprint), key:N (check values), restoring (a restore
# that has not ended)
META = "so:meta"

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
# strings: written to see whether a server takes writes
PROBES = tuple(f"so:{{{tag}}}:probe" for tag in TAGS)
_STATE = tuple(f"so:{{{tag}}}:s:" for tag in TAGS)
_HISTORY = tuple(f"so:{{{tag}}}:h:" for tag in TAGS)
_WORK = tuple(f"so:{{{tag}}}:w" for tag in TAGS)
_ASIDE = tuple(f"so:{{{tag}}}:u" for tag in TAGS)
_DUE = tuple(f"so:{{{tag}}}:d" for tag in TAGS)
_PENDING = tuple(f"so:{{{tag}}}:p" for tag in TAGS)
_AGES = tuple(f"so:{{{tag}}}:a" for tag in TAGS)
_DEAD = tuple(f"so:{{{tag}}}:x" for tag in TAGS)
_EPOCH = tuple(f"so:{{{tag}}}:e" for tag in TAGS)
_LEDGER = tuple(f"so:{{{tag}}}:l:" for tag in TAGS)


def groups(brand: BrandNumber) -> str:
    """Return the key of the hash of a brand's subscription groups: one field a group, by its key;
    not partitioned.
    """
    return f"so:groups:{brand}"


def partition(digest: RecipientDigest) -> int:
    """Return the partition of a recipient, 0..255."""
    return digest[0]


def state(brand: BrandNumber, digest: RecipientDigest, buckets: int) -> str:
    """Return the key of the hash that holds the recipient's record; `buckets` is the store's number
    of hashes a partition.
    """
    return f"{_STATE[digest[0]]}{brand}:{int.from_bytes(digest[1:3]) % buckets}"


def place(digest: RecipientDigest, buckets: int) -> int:
    """Return where a recipient's hash comes in the order in which a brand's are read: 0 ..
    PARTITIONS * buckets - 1.
    """
    return digest[0] * buckets + int.from_bytes(digest[1:3]) % buckets


def states(brand: BrandNumber, number: int, chosen: range) -> tuple[str, ...]:
    """Return the keys of these buckets of a brand in one partition."""
    return tuple(f"{_STATE[number]}{brand}:{bucket}" for bucket in chosen)


def history(brand: BrandNumber, number: int) -> str:
    """Return the key of the stream of every change of one brand in one partition."""
    return f"{_HISTORY[number]}{brand}"


def epoch(number: int) -> str:
    """Return the key of a number, as text, above which the sequences of a partition's changes go
    on; absent before the first restore.
    """
    return _EPOCH[number]


def work(number: int) -> str:
    """Return the key of the stream of what the worker still has to do in one partition."""
    return _WORK[number]


def aside(number: int) -> str:
    """Return the key of the hash of the brands of which one partition holds work that was set
    aside: no worker that met it knew them.
    """
    return _ASIDE[number]


def aside_of(brand: BrandNumber, number: int) -> str:
    """Return the key of the stream of a brand's work that was set aside in one partition."""
    return f"{_ASIDE[number]}:{brand}"


def api_keys() -> str:
    """Return the key of the hash of all API keys: one field a key, by its id; not partitioned."""
    return "so:apikeys"


def audit(brand: BrandNumber) -> str:
    """Return the key of the stream of what was done to a brand over the API; not partitioned."""
    return f"so:audit:{brand}"


def tally(brand: BrandNumber, day: int) -> str:
    """Return the key of the hash of what was counted of a brand on one day: one field a line of the
    tally; not partitioned.
    """
    return f"so:tally:{brand}:{day}"


def ended_session(session: str) -> str:
    """Return the key that says that an operator's session has ended."""
    return f"so:ended:{session}"


def calls(caller: str, window: int) -> str:
    """Return the key of the count of a caller's requests in one window of time; all windows of a
    caller share a slot.
    """
    return f"so:calls:{{{caller}}}:{window}"


def due(number: int) -> str:
    """Return the key of the sorted set of one partition's deliveries by the time of their next
    attempt.
    """
    return _DUE[number]


def pending(number: int) -> str:
    """Return the key of the hash of one partition's deliveries: delivery id -> record."""
    return _PENDING[number]


def ages(number: int) -> str:
    """Return the key of the sorted set of one partition's deliveries by the time since which
    somebody waits for them.
    """
    return _AGES[number]


def dead(number: int) -> str:
    """Return the key of the stream of one partition's dead letters."""
    return _DEAD[number]


def ledger(message: bytes) -> str:
    """Return the key of the hash of what became of one message's copies; the first byte of its
    keyed name chooses the partition.
    """
    return f"{_LEDGER[message[0]]}{message.hex()}"
