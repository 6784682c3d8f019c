"""What the admin API keeps for itself, on Redis or Valkey: API keys, counts of calls, ended
sessions, and the audit.

The ports are `ApiKeyBook`, `CallCounter`, `EndedSessions` and `AuditTrail` of `app.usecases.ports`.
A key's record is JSON with a version; of its secret there is only the digest.
"""

import json
from collections.abc import Sequence

from app.core.api_key import ApiKey, KeyScope
from app.core.audit import AuditAction, AuditEntry
from app.core.errors import StoreUnavailable
from app.core.model import BrandId, BrandNumber
from app.store import keys
from app.store.batching import Reply
from app.store.connection import StoreConnection
from app.store.replies import as_bytes, as_list, raise_for, stream_entry

RECORD_VERSION = 1


class RedisApiKeys:
    """The port `ApiKeyBook`; `replicated`: a change counts once a replica has it."""

    def __init__(self, connection: StoreConnection, *, replicated: bool = False) -> None:
        self._connection = connection
        self._replicated = replicated

    async def key(self, key_id: str) -> ApiKey | None:
        """Return the key of this id."""
        (reply,) = await self._connection.run([("HGET", keys.api_keys(), key_id)])
        return None if reply is None else _key(reply)

    async def keys(self) -> Sequence[ApiKey]:
        """Return all keys, revoked ones too, oldest first."""
        (reply,) = await self._connection.run([("HVALS", keys.api_keys())])
        return sorted(
            (_key(record) for record in as_list(reply)), key=lambda key: (key.created_ms, key.id)
        )

    async def put(self, key: ApiKey) -> None:
        """Write a key, or write it again."""
        (reply,) = await self._connection.run(
            [("HSET", keys.api_keys(), key.id, _packed(key))], replicated=self._replicated
        )
        raise_for(reply)


class RedisCallCounter:
    """The port `CallCounter`: one counter a window, which ends by itself."""

    def __init__(self, connection: StoreConnection) -> None:
        self._connection = connection

    async def count(self, caller: str, *, window: int, window_ms: int) -> tuple[int, int]:
        """Count one call in a window and return the counts of it and of the window before."""
        present = keys.calls(caller, window)
        commands = [
            ("INCR", present),
            ("PEXPIRE", present, 2 * window_ms),
            ("GET", keys.calls(caller, window - 1)),
        ]
        replies = await self._connection.run(commands)
        for reply in replies:
            raise_for(reply)
        count, _, past = replies
        return int(count if isinstance(count, int) else 0), int(past) if isinstance(
            past, bytes
        ) else 0


class RedisEndedSessions:
    """The port `EndedSessions`: one key a session, which goes by itself."""

    def __init__(self, connection: StoreConnection) -> None:
        self._connection = connection

    async def end(self, session: str, *, kept_ms: int) -> None:
        """Keep for so long that a session of this name has ended."""
        (reply,) = await self._connection.run(
            [("SET", keys.ended_session(session), "1", "PX", kept_ms)]
        )
        raise_for(reply)

    async def has_ended(self, session: str) -> bool:
        """Say whether a session of this name was ended, and is still kept."""
        (reply,) = await self._connection.run([("GET", keys.ended_session(session))])
        raise_for(reply)
        return reply is not None


class RedisAudit:
    """The port `AuditTrail`: one stream a brand, never trimmed."""

    def __init__(self, connection: StoreConnection, *, replicated: bool = False) -> None:
        self._connection = connection
        self._replicated = replicated

    async def note(self, brand: BrandNumber, entry: AuditEntry) -> None:
        """Keep one entry."""
        detail = json.dumps(dict(entry.detail), ensure_ascii=False, separators=(",", ":"))
        parts = (
            "t",
            entry.at_ms,
            "w",
            entry.actor,
            "a",
            entry.action.value,
            "o",
            entry.target,
            "d",
            detail,
        )
        (reply,) = await self._connection.run(
            [("XADD", keys.audit(brand), "*", *parts)], replicated=self._replicated
        )
        raise_for(reply)

    async def entries(self, brand: BrandNumber, *, after: str, limit: int) -> Sequence[AuditEntry]:
        """Return the next entries behind the one of this id, oldest first."""
        (reply,) = await self._connection.run(
            [("XRANGE", keys.audit(brand), f"({after}" if after else "-", "+", "COUNT", limit)]
        )
        try:
            return [_entry(entry) for entry in as_list(reply)]
        except (ValueError, KeyError) as exc:
            raise StoreUnavailable(f"unreadable audit: {exc}") from exc


def _packed(key: ApiKey) -> bytes:
    record = {
        "v": RECORD_VERSION,
        "id": key.id,
        "brand": key.brand,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_ms": key.created_ms,
        "revoked_ms": key.revoked_ms,
        "secret": key.secret_digest.hex(),
    }
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def _key(reply: Reply) -> ApiKey:
    raise_for(reply)
    try:
        record = json.loads(as_bytes(reply))
        if record["v"] != RECORD_VERSION:
            raise StoreUnavailable(
                f"an API key's record has version {record['v']!r}, which is not known"
            )
        return ApiKey(
            id=record["id"],
            brand=BrandId(record["brand"]),
            name=record["name"],
            scopes=frozenset(KeyScope(scope) for scope in record["scopes"]),
            created_ms=record["created_ms"],
            revoked_ms=record["revoked_ms"],
            secret_digest=bytes.fromhex(record["secret"]),
        )
    except (ValueError, KeyError) as exc:
        raise StoreUnavailable(f"unreadable API key: {exc}") from exc


def _entry(reply: Reply) -> AuditEntry:
    entry_id, fields = stream_entry(reply)
    return AuditEntry(
        entry_id=entry_id,
        at_ms=int(fields[b"t"]),
        actor=fields[b"w"].decode(),
        action=AuditAction(fields[b"a"].decode()),
        target=fields[b"o"].decode(),
        detail=json.loads(fields[b"d"]),
    )
