"""What a store remembers of the installation that it belongs to: the numbers of its layout, and by
which keyring it was made.

1. Layout, pepper and keys are written at the first start and compared at every other. Another
   pepper would find nobody who has unsubscribed, so it is refused; so is a token key whose bytes
   have changed under its id, since no link that was sent by it would open.
2. A store from before there were fingerprints gets one at the next start, from the keyring that is
   in force then.
3. While a restore has not ended, the store is unavailable: half of those who have unsubscribed are
   missing from it.
"""

from collections.abc import Mapping

from app.core.errors import Misconfigured, StoreUnavailable
from app.core.keyring import Identity
from app.core.model import PARTITIONS
from app.store import keys
from app.store.batching import Reply
from app.store.connection import StoreConnection
from app.store.replies import as_list, raise_for
from app.store.rights import is_refusal
from app.store.script import Script, run

RESTORING = "restoring"
_PEPPER, _KEY = "pepper", "key:"
_CLAIM = Script("claim")


class Restoring(StoreUnavailable):
    """A restore of the store has begun and not ended."""


async def claim_layout(
    connection: StoreConnection,
    *,
    buckets: int,
    identity: Identity | None = None,
    restoring: bool = False,
) -> None:
    """Let an empty store remember what it belongs to, or compare. Raises Misconfigured with every
    difference, and StoreUnavailable.

    Without an identity only the numbers of the layout are compared. `restoring`: also of a store
    whose restore has not ended.
    """
    wanted = {"partitions": str(PARTITIONS), "buckets": str(buckets), **_fields(identity)}
    found = await _remembered(connection, wanted, restoring=restoring)
    _compare(found, wanted)
    if found.keys() >= wanted.keys():
        return
    fields = [part for field in wanted.items() for part in field]
    (claimed,) = await run(connection, [_CLAIM.command([keys.META], *fields)])
    if is_refusal(claimed):  # who may run no script can do nothing here, and is told so by name
        return
    if isinstance(claimed, Exception):  # a store that takes no writes now
        raise StoreUnavailable(f"the layout can be neither written nor read: {claimed!r}")
    if not claimed:  # another process was faster, with other keys
        _compare(await _remembered(connection, wanted, restoring=restoring), wanted)


def _fields(identity: Identity | None) -> dict[str, str]:
    if identity is None:
        return {}
    return {_PEPPER: identity.pepper} | {
        f"{_KEY}{key_id}": value for key_id, value in sorted(identity.keys.items())
    }


async def _remembered(
    connection: StoreConnection, wanted: Mapping[str, str], *, restoring: bool
) -> dict[str, str]:
    (reply,) = await connection.run([("HMGET", keys.META, RESTORING, *wanted)])
    raise_for(reply)
    begun, *values = [_text(value) for value in as_list(reply)]
    if begun is not None and not restoring:
        raise Restoring(
            "a restore of this store has not ended; if none is running, run `signoff restore FILE`"
            " again"
        )
    return {name: value for name, value in zip(wanted, values, strict=True) if value is not None}


def _compare(found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Raise Misconfigured when the store remembers something else."""
    problems = [
        _difference(name, value, wanted[name])
        for name, value in found.items()
        if value != wanted[name]
    ]
    if problems:
        raise Misconfigured(problems)


def foreign_to(identity: Identity, stored: Identity) -> list[str]:
    """Return what of a keyring is not as it was where `stored` was noted, one problem a
    sentence.
    """
    found, wanted = _fields(stored), _fields(identity)
    return [
        _difference(name, value, wanted[name])
        for name, value in found.items()
        if wanted.get(name, value) != value
    ]


def _difference(name: str, stored: str, wanted: str) -> str:
    if name == _PEPPER:
        return (
            f"keyring_file: the pepper (fingerprint {wanted}) is not the one that this store was"
            f" made with (fingerprint {stored}): nobody who has unsubscribed would be found, and they would"
            " get mail again. Bring back the keyring that belongs to this store, or name the store"
            " that belongs to this keyring (docs/operations.md, The keyring and the store)"
        )
    if name.startswith(_KEY):
        number = name.removeprefix(_KEY)
        return (
            f"keyring_file: key {number} is not the key {number} that this store knows: links sent"
            " by it would not open. Bring back its secret; a new key is added under a new id by"
            " `signoff keys rotate` (docs/operations.md, The keyring and the store)"
        )
    return f"store.url: this store was laid out with {stored} {name}, not {wanted}"


def _text(value: Reply) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else None
