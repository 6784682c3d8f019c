"""Recipients who leave by each way there is, while the services fail around them; each remembers
who was told that it is done.

A clicker tries again for the same recipient, as a mailbox provider does, and now and then gives up
on one: then nothing was promised.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp

from app.core.model import BrandNumber, Purpose, Source
from tests.support import circles
from tests.support.services import Services, port
from tests.support.upstream import connected
from tests.web.choosing import HTML, Form

_ANSWER_SECONDS = 6.0  # longer than a click is ever decided in
_MOST_TRIES = 12
_PAUSE = 0.1  # so that the work is for the services, not for whoever looks at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to leave: whose mail it stands in, how it is said, and the source under which the
    history has it.
    """

    name: str
    brand: str
    source: Source
    ask: Callable[["Clickers", str], Awaitable[bool]]  # for this address; True: acknowledged


@dataclass(slots=True, kw_only=True)
class Clickers:
    """All clickers of one run."""

    services: Services
    chance: random.Random
    client: aiohttp.ClientSession
    asked: dict[str, Way] = field(default_factory=dict)  # by address
    told: dict[str, Way] = field(default_factory=dict)  # those who were told that it is done
    refusals: list[int] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    # asked for, since `asyncio.wait_for` of Python 3.11 may lose a cancellation
    # (python/cpython#86296)
    stopping: bool = False

    async def click(self, way: Way, clicker: int) -> None:
        """Leave for one recipient after another until asked to stop."""
        number = 0
        while not self.stopping:
            number += 1
            address = f"{way.name}-{clicker}-{number}@mail.example"
            self.asked[address] = way
            for _ in range(self.chance.randint(1, _MOST_TRIES)):
                if await self._acknowledged(way, address):
                    self.told[address] = way
                    self.news.set()
                    break
                if self.stopping:
                    return
                await asyncio.sleep(_PAUSE)
            await asyncio.sleep(_PAUSE)

    async def _acknowledged(self, way: Way, address: str) -> bool:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await way.ask(self, address)
        # AssertionError: an SMTP step that was refused
        except (aiohttp.ClientError, OSError, EOFError, TimeoutError, AssertionError):
            return False

    async def further(self, count: int) -> None:
        """Return when so many more have been told."""
        aim = len(self.told) + count
        while len(self.told) < aim:
            self.news.clear()
            await self.news.wait()

    def brand(self, address: str) -> BrandNumber:
        """Return the number of the brand whom a recipient leaves."""
        return circles.number(self.services, self.asked[address].brand)

    async def post(self, target: str, body: bytes) -> bool:
        """Send a form to the public listener and say whether it was taken."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        async with self.client.post(
            self._public(target), data=body, headers=form, allow_redirects=False
        ) as answer:
            return self._is_good(answer)

    async def page(self, target: str) -> Form:
        """Open a page. AssertionError when there is none now."""
        async with self.client.get(self._public(target), headers=HTML) as answer:
            assert self._is_good(answer)
            return Form(await answer.text())

    def _is_good(self, answer: aiohttp.ClientResponse) -> bool:
        if answer.status != HTTPStatus.OK:
            self.refusals.append(answer.status)
        return answer.status == HTTPStatus.OK

    def _public(self, target: str) -> str:
        return self.services.url(self.services.settings.web.listen, target)


async def one_click(clickers: Clickers, address: str) -> bool:
    """Do as a mailbox provider does."""
    token = circles.token(clickers.services, address, Purpose.ONE_CLICK)
    return await clickers.post(f"/u?qmoe={token}", b"List-Unsubscribe=One-Click")


async def callback(clickers: Clickers, address: str) -> bool:
    """Do as a brand does that takes its clicks itself."""
    token = circles.token(clickers.services, address, Purpose.CALLBACK, brand="shop")
    return await clickers.post(f"/v1/emailunsubscribe?qmoe={token}", b"")


async def save_page(clickers: Clickers, address: str) -> bool:
    """Turn all mail off on the preference centre. Who finds it off already has left by an earlier
    try, and is told so by the page.
    """
    target = f"/preferences?e={circles.token(clickers.services, address, Purpose.PREFERENCES)}"
    form = await clickers.page(target)
    return await clickers.post(target, form.body(all_mail=False))


async def mail_to(clickers: Clickers, address: str) -> bool:
    """Write to the mail-to address."""
    async with connected(port(clickers.services.settings.inbox.listen)) as client:
        await client.begin(sender=address, recipients=(circles.box(clickers.services, address),))
        await client.send(f"From: <{address}>\r\nSubject: Unsubscribe\r\n\r\n\r\n.\r\n".encode())
        return (await client.reply()).startswith("250 ")


WAYS: Mapping[str, Way] = {
    way.name: way
    for way in (
        Way(name="one-click", brand="acme", source=Source.LIST_UNSUBSCRIBE, ask=one_click),
        Way(name="callback", brand="shop", source=Source.CALLBACK, ask=callback),
        Way(name="page", brand="acme", source=Source.PREFERENCE_CENTRE, ask=save_page),
        Way(name="mailto", brand="acme", source=Source.MAILTO, ask=mail_to),
    )
}
