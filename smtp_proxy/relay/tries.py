"""The messages under way in this process, so that a second try of one joins the first, and so that long ones are noted as they go.

One task looks after all of them: a message that is done within a moment costs its entry in a dictionary, and no timer.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from app.observe.background import Part, kept_running
from app.observe.log import Logger

LOOK_SECONDS = 0.1


class Try(Protocol):
    """One try of a message."""

    @property
    def name(self) -> bytes:
        """The keyed name of its message, the same for each try."""
        ...

    @property
    def is_heard(self) -> bool:
        """Say whether its upstream is still there to hear the answer."""
        ...

    def look_after(self, now: float) -> None:
        """Begin what is due at this time of the loop's clock."""
        ...


class Tries:
    """All tries under way, by message, those of one message in their order."""

    def __init__(self) -> None:
        self._under_way: dict[bytes, list[Try]] = {}

    def begin(self, one: Try) -> None:
        """Enter a try."""
        if others := self._under_way.get(one.name):
            others.append(one)
        else:
            self._under_way[one.name] = [one]

    def end(self, one: Try) -> None:
        """Take out a try that has ended."""
        others = self._under_way[one.name]
        others.remove(one)
        if not others:
            del self._under_way[one.name]

    def before(self, one: Try) -> Sequence[Try]:
        """Return the tries of the same message that began earlier and are still under way."""
        others = self._under_way.get(one.name, [])
        return others[: others.index(one)] if len(others) > 1 and one in others else ()

    def all(self) -> Sequence[Try]:
        """Return every try under way."""
        return [one for others in self._under_way.values() for one in others]

    @asynccontextmanager
    async def looked_after(self, log: Logger) -> AsyncIterator[None]:
        """Look after all of them for as long as the context is open."""
        async with kept_running(Part.TRIES, self._run, log):
            yield

    async def _run(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for one in self.all():
                one.look_after(now())
