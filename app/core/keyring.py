"""The keyring: master keys that mint and open tokens, and the pepper that names recipients in the
store.

A key is added as primary with a `not_before` in the near future, so that every process has learned
it before the first token under it leaves; the primary before it goes on opening. Revoking a key is
the only thing that ends a token (catalogue T3). Each brand's own keys are derived by HKDF (RFC
5869), so a token of one brand opens for no other (T5).

A store remembers by which keyring it was made, as an `Identity`: values by which pepper and keys
are known again, and no secret.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.core.errors import SignerUnavailable, TokenKeyUnknown
from app.core.model import BrandNumber

MASTER_KEY_BYTES = 32
FINGERPRINT_BYTES = 16
CHECK_BYTES = 8
NO_BRAND = BrandNumber(0)  # for what is of all brands, or of none


class KeyStatus(StrEnum):
    """What a master key may still do."""

    PRIMARY = "primary"  # mints from its not_before on, and opens
    ACTIVE = "active"  # opens
    REVOKED = "revoked"  # does nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterKey:
    """One master key of the keyring. `id` is 1..255 and in every token; `not_before_ms` lets every
    process learn a key before it mints.
    """

    id: int
    secret: bytes = field(repr=False)
    status: KeyStatus
    not_before_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """By what a pepper and the keys beside it are known again. Nobody comes from these values to a
    secret.
    """

    pepper: str  # the fingerprint, 32 hex digits
    # a check value of 16 hex digits for each key that is not revoked, by its id
    keys: Mapping[int, str]


class Keyring:
    """The master keys and the pepper. The pepper names recipients in the store, so it is made once
    and never changes.
    """

    def __init__(self, *, keys: Sequence[MasterKey], pepper: bytes) -> None:
        self._keys = {key.id: key for key in keys}
        self._primaries = sorted(
            (k for k in keys if k.status is KeyStatus.PRIMARY),
            key=lambda k: (k.not_before_ms, k.id),
        )
        self._pepper = pepper
        self._peppers: dict[BrandNumber, bytes] = {}

    def minting_key(self, at_ms: int) -> MasterKey:
        """Return the newest primary key whose not-before has come. Raises SignerUnavailable when
        there is none.
        """
        for key in reversed(self._primaries):
            if key.not_before_ms <= at_ms:
                return key
        raise SignerUnavailable("the keyring has no primary key that may mint yet")

    def sealing_key(self, at_ms: int) -> MasterKey:
        """Return the key that seals what we keep: the minting key, or while none may mint the
        newest that is not revoked.

        A click must not wait for a not-before that lies ahead. Raises SignerUnavailable when every
        key is revoked.
        """
        try:
            return self.minting_key(at_ms)
        except SignerUnavailable:
            usable = [key for key in self._keys.values() if key.status is not KeyStatus.REVOKED]
            if not usable:
                raise SignerUnavailable("every key of the keyring is revoked") from None
            return max(usable, key=lambda key: key.id)

    def opening_key(self, key_id: int) -> MasterKey:
        """Return the key with this id. Raises TokenKeyUnknown when it is missing or revoked."""
        key = self._keys.get(key_id)
        if key is None or key.status is KeyStatus.REVOKED:
            raise TokenKeyUnknown("no usable key has this id")
        return key

    def ledger_key(self) -> bytes:
        """Return the key that names messages and copies in the relay's ledger."""
        return derive(self._pepper, b"signoff ledger", NO_BRAND)

    def backup_key(self) -> bytes:
        """Return the key that seals backups of the store, so that a changed or foreign file is
        known.
        """
        return derive(self._pepper, b"signoff backup", NO_BRAND)

    def identity(self) -> Identity:
        """Return by what this keyring is known again. A revoked key does nothing, so its bytes may
        change or go.
        """
        return Identity(
            pepper=derive(self._pepper, b"signoff fingerprint", NO_BRAND, FINGERPRINT_BYTES).hex(),
            keys={
                key.id: _check_value(key)
                for key in self._keys.values()
                if key.status is not KeyStatus.REVOKED
            },
        )

    def changed_keys(self, running: "Keyring") -> tuple[int, ...]:
        """Return the ids under which the other keyring has other keys: links that were sent by
        those would not open any more.
        """
        mine, theirs = self.identity().keys, running.identity().keys
        return tuple(key_id for key_id, value in mine.items() if theirs.get(key_id, value) != value)

    def is_successor_of(self, running: "Keyring") -> bool:
        """Say whether a process that runs by the other keyring may go on by this one: it must find
        its recipients again.
        """
        return hmac.compare_digest(self._pepper, running._pepper)

    def adopt(self, successor: "Keyring") -> None:
        """Hold the successor's keys from now on, for everyone to whom this keyring was given."""
        self._keys, self._primaries = successor._keys, successor._primaries

    def pepper(self, brand: BrandNumber) -> bytes:
        """Return the brand's pepper for recipient digests."""
        pepper = self._peppers.get(brand)
        if pepper is None:
            pepper = self._peppers[brand] = derive(self._pepper, b"signoff recipient", brand)
        return pepper


def _check_value(key: MasterKey) -> str:
    return derive(key.secret, b"signoff key check", NO_BRAND, CHECK_BYTES).hex()


@lru_cache(maxsize=4096)
def derive(secret: bytes, label: bytes, brand: BrandNumber, length: int = 32) -> bytes:
    """Return the brand's own key of `length` bytes for one use, named by `label`."""
    return HKDF(
        algorithm=SHA256(), length=length, salt=None, info=label + brand.to_bytes(2, "big")
    ).derive(secret)
