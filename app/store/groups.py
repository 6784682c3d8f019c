"""The brands' subscription groups on Redis or Valkey: the port `app.usecases.ports.GroupBook`.

A brand's groups are one hash, a field for each group by its 32-bit key: two ids whose keys collide
(docs/adr/0006) meet in one field, and the second is refused. Every change is one script,
scripts/groups.lua.
"""

import json
from collections.abc import Sequence

from app.core.errors import Conflict, StoreUnavailable
from app.core.groups import MOST_GROUPS, folded_name, group_key
from app.core.model import BrandNumber, GroupId, SubscriptionGroup
from app.store import keys
from app.store.batching import Reply
from app.store.connection import StoreConnection
from app.store.replies import as_list, raise_for
from app.store.script import Script, run

RECORD_VERSION = 1

_CHANGE = Script("groups")


class RedisGroups:
    """The groups in the same store as everything else; `replicated`: a change counts once a replica
    has it.
    """

    def __init__(self, connection: StoreConnection, *, replicated: bool = False) -> None:
        self._connection = connection
        self._replicated = replicated

    async def groups(self, brand: BrandNumber) -> Sequence[SubscriptionGroup]:
        """Return all groups of a brand, archived ones too, in the order in which they were
        created.
        """
        (reply,) = await self._connection.run([("HVALS", keys.groups(brand))])
        return sorted(
            (_decoded(record) for record in as_list(reply)),
            key=lambda group: (group.created_ms, group.id),
        )

    async def add(self, brand: BrandNumber, group: SubscriptionGroup, *, most_active: int) -> None:
        """Add a group atomically. Raises Conflict when its id or name is taken, or when too many
        groups are active or exist.
        """
        await self._write(brand, group, before=b"", most_active=most_active)

    async def replace(
        self,
        brand: BrandNumber,
        before: SubscriptionGroup,
        after: SubscriptionGroup,
        *,
        most_active: int,
    ) -> bool:
        """Replace a group atomically; False when it is no longer `before`. Raises Conflict as `add`
        does.
        """
        return await self._write(brand, after, before=_encoded(before), most_active=most_active)

    async def _write(
        self, brand: BrandNumber, group: SubscriptionGroup, *, before: bytes, most_active: int
    ) -> bool:
        field = f"{group_key(group.id):08x}"
        command = _CHANGE.command(
            (keys.groups(brand),), field, _encoded(group), before, most_active, MOST_GROUPS
        )
        (reply,) = await run(self._connection, [command], replicated=self._replicated)
        raise_for(reply)
        word = reply.decode() if isinstance(reply, bytes) else ""
        if word in CONFLICTS:
            raise Conflict(CONFLICTS[word])
        return word == "ok"


CONFLICTS = {
    "id": "the brand has a group of this id, or one whose id has the same key",
    "name": (
        "another group of the brand has this name; an archived group keeps its name until it is"
        " renamed"
    ),
    "active": "the brand has as many active groups as it may; archive one first",
    "all": "the brand has as many groups as it may, archived ones counted",
}


def _encoded(group: SubscriptionGroup) -> bytes:
    """Return the record: always the same bytes for the same group, since the script compares
    them.
    """
    record = {
        "v": RECORD_VERSION,
        "id": group.id,
        "name": group.name,
        "folded": folded_name(group.name),
        "description": group.description,
        "archived": group.archived,
        "created_ms": group.created_ms,
    }
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def _decoded(reply: Reply) -> SubscriptionGroup:
    try:
        record = json.loads(reply) if isinstance(reply, bytes) else {}
        if record["v"] == RECORD_VERSION:
            return SubscriptionGroup(
                id=GroupId(record["id"]),
                name=record["name"],
                description=record["description"],
                archived=record["archived"],
                created_ms=record["created_ms"],
            )
    except (ValueError, KeyError) as exc:
        raise StoreUnavailable(f"unreadable group: {exc}") from exc
    raise StoreUnavailable(f"a group's record has version {record['v']!r}, which is not known")
