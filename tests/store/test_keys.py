"""Key names: cluster-safe, even, and never to change."""

import hashlib

import pytest
from redis.crc import key_slot

from app.core.model import PARTITIONS, BrandNumber, RecipientDigest
from app.store import keys

DIGEST = RecipientDigest(bytes.fromhex("ab0102030405060708ff"))


def test_the_tags_never_change() -> None:
    fingerprint = hashlib.sha256(" ".join(keys.TAGS).encode()).hexdigest()

    assert "f529ddf0227e8f13e2b5b611878331e32bc52f81801c1ab5aaeff63d16c05da3" == fingerprint


def test_each_partition_owns_its_own_range_of_64_slots() -> None:
    ranges = [key_slot(keys.work(number).encode()) // 64 for number in range(PARTITIONS)]

    assert list(range(256)) == ranges


@pytest.mark.parametrize("primaries", [2, 3, 5, 16])
def test_every_even_split_of_the_slots_splits_the_partitions_evenly(primaries: int) -> None:
    owners = [
        key_slot(keys.work(number).encode()) * primaries // 16384 for number in range(PARTITIONS)
    ]

    shares = [owners.count(owner) for owner in range(primaries)]

    assert max(shares) - min(shares) <= 1


def test_all_keys_of_a_recipient_lie_in_one_slot() -> None:
    names = [
        keys.state(BrandNumber(3), DIGEST, 64),
        keys.work(keys.partition(DIGEST)),
        keys.history(BrandNumber(3), keys.partition(DIGEST)),
    ]

    slots = {key_slot(name.encode()) for name in names}

    assert 3 == len(set(names))
    assert 1 == len(slots)


def test_the_bucket_comes_from_the_bytes_after_the_partition() -> None:
    assert keys.state(BrandNumber(3), DIGEST, 64).endswith(f":s:3:{0x0102 % 64}")
    assert 0xAB == keys.partition(DIGEST)
