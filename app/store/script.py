"""Lua scripts by their digest: EVALSHA, and EVAL for what a new or restarted server does not know
yet.
"""

import hashlib
from collections.abc import Sequence
from importlib import resources

from redis.exceptions import NoScriptError

from app.store.batching import Command, Reply
from app.store.connection import StoreConnection

_SOURCES: dict[str, bytes] = {}  # by digest: what `run` sends when a server asks for it


class Script:
    """One file of `app/store/scripts`."""

    def __init__(self, name: str) -> None:
        source = (resources.files("app.store") / "scripts" / f"{name}.lua").read_bytes()
        self._digest = hashlib.sha1(source, usedforsecurity=False).hexdigest()
        _SOURCES[self._digest] = source

    def command(self, keys: Sequence[str], *arguments: str | bytes | int) -> Command:
        """Return the command that runs the script; send it by `run`."""
        return ("EVALSHA", self._digest, len(keys), *keys, *arguments)


async def run(
    connection: StoreConnection, commands: Sequence[Command], *, replicated: bool = False
) -> Sequence[Reply]:
    """Run a pipeline of commands, scripts among them, and return the replies; EVAL leaves a script
    there for the next.
    """
    if not commands:
        return ()
    replies = list(await connection.run(commands, replicated=replicated))
    unknown = [
        position for position, reply in enumerate(replies) if isinstance(reply, NoScriptError)
    ]
    if unknown:
        again = [("EVAL", _SOURCES[str(commands[at][1])], *commands[at][2:]) for at in unknown]
        for position, reply in zip(
            unknown, await connection.run(again, replicated=replicated), strict=True
        ):
            replies[position] = reply
    return replies
