"""SIGHUP: a running process reads the whole configuration again, judges it as at its start, and
goes on by it.

What is wrong leaves everything as it was, and each problem is logged. What only a restart can
change is told by its key.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import reduce

from app.core.keyring import Keyring
from app.core.model import Brand
from app.observe.log import Logger
from app.settings.model import Settings
from app.wiring import reading_again, successor
from app.wiring.validation import validated

Records = tuple[Brand, ...]

FIXED = (
    "state_dir",
    "spool_dir",
    "keyring_file",
    "data_centre",
    "log_level",
    "log_format",
    "store.url",
    "store.durability",
)
"""What no process changes while it runs."""


@asynccontextmanager
async def following(  # noqa: PLR0913 - a process and what it follows
    settings: Settings,
    keyring: Keyring,
    *,
    hangups: asyncio.Event,
    adopt: Callable[[Settings, Records], None],
    fixed: Sequence[str] = (),
    log: Logger,
    load: Callable[[], Settings] = validated,
    confirm: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[None]:
    """Let a process follow its configuration for as long as the context is open.

    `adopt` is called in the event loop with new settings and the records of their brands, after the
    shared keyring has taken over the new keys. `fixed` are dotted keys beside `FIXED` that need a
    restart; `load` reads and judges the configuration, or raises Misconfigured. `confirm` says
    whether the store agrees with the keyring as its file is now, or raises Misconfigured.
    """

    def read() -> tuple[tuple[Settings, Records, Keyring], Sequence[str]]:
        reread = load()
        keys = successor(keyring, reread)
        return (reread, reread.brand_records(), keys), needing_restart(
            settings, reread, (*FIXED, *fixed)
        )

    def take(read: tuple[Settings, Records, Keyring]) -> None:
        reread, records, keys = read
        keyring.adopt(keys)
        adopt(reread, records)

    async with reading_again(hangups, read, take, log, confirm=confirm):
        yield


def needing_restart(running: Settings, read: Settings, keys: Sequence[str]) -> list[str]:
    """Return a sentence for each of these dotted keys whose value has changed."""
    return [
        f"{key}: the change needs a restart"
        for key in keys
        if _value(running, key) != _value(read, key)
    ]


def _value(settings: Settings, key: str) -> object:
    return reduce(getattr, key.split("."), settings)
