"""Which commands the store's user may not run, found by running each once where it does no harm.

A server checks the user's rights before it looks at the key, so a command on a probe key that holds
nothing, or something of another type, shows whether it is allowed: NOPERM is the answer that
counts, whatever else the others are. What only improves is told apart from what every process
needs: docs/operations.md, "The store's user".
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from redis.exceptions import NoPermissionError, ResponseError

from app.store import keys
from app.store.batching import Command, Reply
from app.store.connection import StoreConnection

_K = keys.PROBES[0]
# one slot, one hash tag, none of them ever read
_HASH, _STREAM, _SET = f"{_K}:h", f"{_K}:x", f"{_K}:z"

NEEDED: Sequence[Command] = (
    ("SET", _K, 1, "EX", 60),
    ("GET", _K),
    ("EXISTS", _K),
    ("EXPIRE", _K, 60),
    ("PEXPIRE", _K, 60_000),
    ("INCR", f"{_K}:n"),
    ("HSET", _HASH, "f", 1),
    ("HSETNX", _HASH, "f", 1),
    ("HGET", _HASH, "f"),
    ("HMGET", _HASH, "f"),
    ("HGETALL", _HASH),
    ("HVALS", _HASH),
    ("HKEYS", _HASH),
    ("HEXISTS", _HASH, "f"),
    ("HINCRBY", _HASH, "n", 1),
    ("HSCAN", _HASH, 0),
    ("HDEL", _HASH, "f"),
    ("XADD", _STREAM, "*", "f", 1),
    ("XLEN", _STREAM),
    ("XRANGE", _STREAM, "-", "+", "COUNT", 1),
    ("XREVRANGE", _STREAM, "+", "-", "COUNT", 1),
    ("XDEL", _STREAM, "0-1"),
    ("XTRIM", _STREAM, "MAXLEN", 0),
    ("XINFO", "GROUPS", _STREAM),
    ("XPENDING", _STREAM, "none"),
    ("ZADD", _SET, 1, "m"),
    ("ZRANGE", _SET, 0, 0),
    ("ZRANGEBYSCORE", _SET, 0, 0),
    ("ZMSCORE", _SET, "m"),
    ("ZREM", _SET, "m"),
    ("ZREMRANGEBYSCORE", _SET, 0, 0),
    ("DEL", _HASH),
    ("DEL", _STREAM),
    ("DEL", _SET),
    ("DEL", f"{_K}:n"),
    ("EVAL", "return redis.call('TIME')", 1, _K),
    ("EVALSHA", "0" * 40, 1, _K),
)
# What is done without, and what it costs.
IMPROVING: Mapping[Command, str] = MappingProxyType(
    {
        (
            "INFO",
            "server",
        ): (
            "a failover is noticed by broken connections only, and the eviction policy cannot be"
            " checked"
        ),
        ("CONFIG", "GET", "appendonly"): "appendonly, appendfsync and the rest cannot be checked",
    }
)


async def missing_rights(connection: StoreConnection) -> tuple[str, ...]:
    """Return a warning for the needed commands that the user may not run, all in one, and one for
    each of the others.
    """
    replies = await connection.run(NEEDED)
    refused = [
        _word(command, reply)
        for command, reply in zip(NEEDED, replies, strict=True)
        if is_refusal(reply)
    ]
    warnings = []
    if refused:
        names = ", ".join(dict.fromkeys(refused))
        warnings.append(
            f"store: the user may not run {names}: what they do fails; allow them"
            " (docs/operations.md, The store's user)"
        )
    for command, loss in IMPROVING.items():
        if any(is_refusal(reply) for reply in await connection.run_on_primaries(command)):
            warnings.append(f"store: the user may not run {command[0]!s}: {loss}")
    return tuple(warnings)


def is_refusal(reply: Reply) -> bool:
    """Tell whether the reply is NOPERM, or what a script's own command got."""
    return isinstance(reply, NoPermissionError) or (
        isinstance(reply, ResponseError) and "ACL failure in script" in str(reply)
    )


def _word(command: Command, reply: Reply) -> str:
    if command[0] == "EVAL" and not isinstance(reply, NoPermissionError):
        return "TIME in a script"
    return "XINFO GROUPS" if command[0] == "XINFO" else str(command[0])
