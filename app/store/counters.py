"""The tally on Redis or Valkey: the port `app.usecases.ports.Tallies`.

One hash a brand and day, which goes by itself when nobody looks that far back any more. Adding is
scripts/tally.lua, which bounds the number of names; several processes may add to one day at the
same time.
"""

from collections.abc import Iterable, Mapping

from app.core.errors import StoreUnavailable
from app.core.model import BrandNumber
from app.core.tally import KEPT_DAYS, MOST_NAMES, TallyKind, Tick
from app.store import keys
from app.store.batching import Command, Reply
from app.store.connection import StoreConnection
from app.store.replies import as_bytes, as_list, readable
from app.store.script import Script, run

_TALLY = Script("tally")
_KEPT_SECONDS = KEPT_DAYS * 86_400
_NAMES = b"#"  # begins a field that counts the names of a kind


class RedisTallies:
    """The tally of all brands."""

    def __init__(self, connection: StoreConnection, *, most_names: int = MOST_NAMES) -> None:
        self._connection = connection
        self._most_names = most_names

    async def add(self, ticks: Mapping[Tick, int]) -> None:
        """Add to the counts, those of one brand and day by one command."""
        by_day: dict[str, list[str | int]] = {}
        for tick, much in ticks.items():
            by_day.setdefault(keys.tally(tick.brand, tick.day), []).extend(
                (tick.kind.value, tick.name, much)
            )
        commands: list[Command] = [
            _TALLY.command([key], self._most_names, _KEPT_SECONDS, *counts)
            for key, counts in by_day.items()
        ]
        readable(
            await run(self._connection, commands)
        )  # what a server that is away does not take is not counted: said again, the rest were twice

    async def read(self, brand: BrandNumber, days: Iterable[int]) -> Mapping[Tick, int]:
        """Return what was counted of a brand on these days."""
        wanted = tuple(days)
        replies = (
            await self._connection.run([("HGETALL", keys.tally(brand, day)) for day in wanted])
            if wanted
            else ()
        )
        return {
            tick: count
            for day, reply in zip(wanted, replies, strict=True)
            for tick, count in _ticks(brand, day, reply)
        }


def _ticks(brand: BrandNumber, day: int, reply: Reply) -> list[tuple[Tick, int]]:
    try:
        flat = [as_bytes(part) for part in as_list(reply)]
        counts = [
            (name.decode(), int(count))
            for name, count in zip(flat[::2], flat[1::2], strict=True)
            if name[:1] != _NAMES
        ]
        return [(Tick(brand, day, TallyKind(name[:1]), name[1:]), count) for name, count in counts]
    except ValueError as exc:
        raise StoreUnavailable(f"unreadable tally: {exc}") from exc
