"""What the 250 of the inbox promises, and that nothing is lost or said twice when something
breaks.
"""

import asyncio
import sys
from pathlib import Path

import pytest

from app.core.errors import StoreUnavailable
from app.core.model import Change, Recency, Statement
from app.observe.log import logger
from app.store.redis import RedisStore
from app.store.spool import SqliteSpool
from app.usecases.replay import Replayer
from tests.support.inbox import receiving
from tests.support.memory_store import MemoryStore
from tests.support.people import DOMAIN, mail, person
from tests.support.upstream import connected

LATER = "451 4.3.0"


class Unplugged(MemoryStore):
    """A store that cannot be reached."""

    async def apply(self, statement: Statement, recency: Recency = Recency.REPEATED) -> Change:
        raise StoreUnavailable("unplugged")


class Forgetful(RedisStore):
    """A store whose first answer never arrives: it has applied the statement, and nobody hears
    so.
    """

    answers_lost = 1

    async def apply(self, statement: Statement, recency: Recency = Recency.REPEATED) -> Change:
        change = await super().apply(statement, recency)
        if self.answers_lost:
            self.answers_lost -= 1
            raise StoreUnavailable("the answer got lost")
        return change


async def test_without_any_durable_place_the_mail_stays_with_the_sender() -> None:
    """Catalogue M6, E8."""
    ann = person()

    async with receiving(Unplugged()) as inbox:
        reply = await inbox.takes(b"\r\n", ann.box)

    assert reply.startswith(LATER)


async def test_the_spool_alone_is_enough_and_its_row_reaches_the_store_later(
    tmp_path: Path, valkey: RedisStore
) -> None:
    """Catalogue M6, E8."""
    ann = person()
    spool = SqliteSpool(tmp_path)

    async with receiving(Unplugged(), spool=spool) as inbox:
        reply = await inbox.takes(mail(subject=ann.subject), ann.box)
    async with receiving(valkey) as inbox:
        before = await inbox.events(ann)
        await Replayer(valkey, spool, logger("test")).look()
        await Replayer(valkey, spool, logger("test")).look()
        after = await inbox.events(ann)
    await spool.close()

    assert reply.startswith("250 ")
    assert (len(before), len(after)) == (0, 1)


async def test_a_crash_between_the_state_and_the_answer_loses_nothing_and_says_nothing_twice(
    valkey_url: str,
) -> None:
    """Catalogue M6: the sender's server comes again, as it must without an answer."""
    ann = person()
    store = Forgetful(valkey_url, timeout=5)

    async with receiving(store) as inbox:
        first = await inbox.takes(b"\r\n", ann.box)
        at_once = await inbox.left(ann)
        second = await inbox.takes(b"\r\n", ann.box)

        assert len(await inbox.events(ann)) == 1
    await store.close()
    assert first.startswith(LATER)
    assert at_once
    assert second.startswith("250 ")


async def test_a_sender_that_goes_away_without_hearing_the_answer_is_obeyed(
    valkey: RedisStore,
) -> None:
    """Catalogue M6, X18."""
    ann = person()

    async with receiving(valkey) as inbox:
        async with connected(inbox.port) as client:
            await client.begin(sender=ann.address, recipients=(ann.box,))
            await client.send(b"\r\n.\r\n")
            client.drop()

        for _ in range(1000):
            if await inbox.left(ann):
                break
            await asyncio.sleep(0.01)
        assert await inbox.left(ann)


async def test_half_a_mail_does_nothing(valkey: RedisStore) -> None:
    """Catalogue M6, X18."""
    ann = person()

    async with receiving(valkey) as inbox:
        async with connected(inbox.port) as client:
            await client.begin(sender=ann.address, recipients=(ann.box,))
            await client.send(mail(subject=ann.subject))
        await inbox.takes(b"\r\n", person().box)  # by now the first connection is over

        assert not await inbox.left(ann)


@pytest.mark.parametrize("box", ["postmaster", "abuse", "complaints"])
async def test_mail_for_people_is_filed_before_it_is_answered(tmp_path: Path, box: str) -> None:
    """Catalogue M10."""
    content = mail("Your server did something.\r\n", subject="Hello")

    async with receiving(MemoryStore(), maildir=tmp_path / "people") as inbox:
        reply = await inbox.takes(content, f"{box}@{DOMAIN}", sender="colleague@example.net")

        assert inbox.filed() == [
            f"Return-Path: <colleague@example.net>\r\nDelivered-To: {box}@{DOMAIN}\r\n".encode()
            + content
        ]
    assert reply.startswith("250 ")


async def test_mail_for_people_that_cannot_be_filed_stays_with_the_sender(tmp_path: Path) -> None:
    """Catalogue M6."""
    async with receiving(MemoryStore(), maildir=tmp_path / "people") as inbox:
        (tmp_path / "people/tmp").rmdir()
        reply = await inbox.takes(mail("x"), f"postmaster@{DOMAIN}")

    assert reply.startswith(LATER)


async def test_a_mail_that_cannot_be_read_to_its_end_is_accepted_and_put_aside(
    tmp_path: Path,
) -> None:
    """Catalogue M6, M11: poison, which would else come again for days."""
    deep = "".join(
        f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(1000)
    )

    async with receiving(MemoryStore(), maildir=tmp_path / "people") as inbox:
        reply = await inbox.takes(deep.encode())

        assert len(inbox.filed()) == 1
    assert reply.startswith("250 ")


async def test_nothing_is_ever_sent(valkey: RedisStore, tmp_path: Path) -> None:
    """Catalogue M3: whoever writes, the process opens no connection but those of this test's client
    and of its store.
    """
    opened: list[object] = []
    watching = True
    sys.addaudithook(
        lambda event, details: (
            opened.append(details[1]) if watching and event == "socket.connect" else None
        )
    )

    async with receiving(valkey, maildir=tmp_path / "people") as inbox:
        for number in range(200):
            fields = "Auto-Submitted: auto-replied\r\n" if number % 2 else ""
            content = mail("I am away", subject="Re: news", fields=fields)
            await inbox.takes(
                content, f"unsubscribe@{DOMAIN}", person().box, sender=f"a{number}@example.net"
            )
    watching = False

    assert len(opened) >= 200
    # the store's is a path
    assert {address for address in opened if not isinstance(address, str)} == {
        ("127.0.0.1", inbox.port)
    }
