"""Two data centres: what is said at the wrong one holds there at once, and at its home as soon as
that can be reached.
"""

import asyncio
import os
import re
import smtplib
from collections.abc import Awaitable, Callable
from email import message_from_bytes
from pathlib import Path

import pytest

from app import wiring
from app.core.model import CampaignId, Purpose, RecipientDigest, Source, Statement
from app.store.deliveries import RedisDeliveries
from app.store.work import RedisWork
from tests.support.centres import BRAND, PATIENCE, Centre, two_centres
from tests.support.relay_process import RelayProcess, relay_process
from tests.support.sink import Sink

SENDER = "news@acme.example"
HEALING = 120.0  # a bound for liveness: a breaker's pause and a retry's, one after the other


@pytest.fixture
def centres(tmp_path: Path) -> tuple[Centre, Centre]:
    return two_centres(tmp_path)


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(HEALING):
        while not await holds():
            await asyncio.sleep(0.1)


async def has_left(centre: Centre, *addresses: str) -> bool:
    return not any(state.everything.subscribed for state in await centre.states(addresses))


def token_of(centre: Centre, address: str, purpose: Purpose = Purpose.ONE_CLICK) -> str:
    minter = centre.codec.minter(
        brand=BRAND, purpose=purpose, at_ms=wiring.now_ms(), campaign=CampaignId("spring-24")
    )
    return minter.mint(address=address, digest=centre.codec.digest(address, brand=BRAND))


async def send(host: str, port: int, sender: str, recipient: str, content: str) -> None:
    def session() -> None:
        with smtplib.SMTP(host, port, timeout=PATIENCE) as client:
            client.sendmail(sender, [recipient], content.encode())

    await asyncio.to_thread(session)


async def relayed(relay: RelayProcess, home: Centre, recipient: str) -> None:
    content = (
        f"From: <{SENDER}>\r\nTo: <{recipient}>\r\nSubject: Spring\r\nX-Signoff-Campaign:"
        " spring-24\r\n\r\nHello\r\n"
    )
    await send(home.host, await relay.port(), SENDER, recipient, content)


async def test_a_click_at_the_wrong_data_centre_stops_the_mail_of_its_home(
    centres: tuple[Centre, Centre],
) -> None:
    """Catalogue E5, Q1: the link of a mail that its home stamped, clicked elsewhere: 200 and no
    redirect; then the home suppresses.
    """
    away, home = centres
    settings = {**home.settings, "RELAY__LISTEN": f"{home.host}:0"}
    async with (
        Sink() as sink,
        home.running("app", "web"),
        away.running("app", "web"),
        away.running("app", "worker"),
        relay_process(home.folder, sink, **settings) as relay,
    ):
        await relayed(relay, home, "bob@example.net")
        stamped = str(message_from_bytes(sink.received[0].content)["List-Unsubscribe"])
        found = re.search(r"qmoe=([A-Za-z0-9_-]+)", stamped)
        assert found
        answer = await away.post(f"/u?qmoe={found[1]}")
        there_at_once = await has_left(away, "bob@example.net")
        await eventually(lambda: has_left(home, "bob@example.net"))
        await relayed(relay, home, "bob@example.net")
        await relay.told("copy_suppressed")
        await relayed(relay, home, "ann@example.net")

    assert (200, None) == (answer.status, answer.headers.get("Location"))
    assert there_at_once
    assert [(b"RCPT TO:<bob@example.net>",), (b"RCPT TO:<ann@example.net>",)] == [
        one.recipients for one in sink.received
    ]


async def test_what_was_said_while_the_link_was_cut_comes_home_when_it_heals(
    centres: tuple[Centre, Centre],
) -> None:
    """Catalogue Q2: the home is away, the worker is killed with its shipments in hand; then both
    data centres know the same.
    """
    away, home = centres
    clickers = [f"c{number}@example.net" for number in range(8)]
    callers, writers, returned = (
        ["caller@example.net"],
        ["subject@example.net", "short@example.net"],
        "returned@example.net",
    )
    everybody = [*clickers, *callers, *writers, returned]
    async with (
        away.running("app", "web"),
        away.running("smtp_proxy", "inbox"),
        home.running("smtp_proxy", "inbox"),
    ):
        async with away.running("app", "worker") as worker:
            for address in [*clickers, returned]:
                assert 200 == (await away.post(f"/u?qmoe={token_of(home, address)}")).status
            assert (
                200
                == (
                    await away.post(
                        f"/v1/emailunsubscribe?qmoe={token_of(home, callers[0], Purpose.CALLBACK)}"
                    )
                ).status
            )
            await send_mailto(away, home, *writers)
            assert await has_left(away, *everybody)
            assert [0] * len(everybody) == [
                state.sequence for state in await home.states(everybody)
            ]
            worker.kill()
            await worker.wait()
        async with home.store() as store:
            await store.apply(came_back(home, returned))
        async with home.running("app", "web"), away.running("app", "worker"):
            await eventually(lambda: has_left(home, *clickers, *callers, *writers))
            await eventually(lambda: nothing_waits(away))
        there, here = await away.states(everybody), await home.states(everybody)

    assert [state.everything for state in there[:-1]] == [state.everything for state in here[:-1]]
    assert [Source.LIST_UNSUBSCRIBE] * 8 + [Source.CALLBACK] + [Source.MAILTO] * 2 == [
        state.everything.source for state in here[:-1]
    ]
    assert here[-1].everything.subscribed  # what was said last, at home, holds


async def send_mailto(away: Centre, home: Centre, by_subject: str, by_short_token: str) -> None:
    """Write to the inbox of another data centre than the mail's own: by the token of the subject,
    and by that of the address alone.
    """
    subject = f"Unsubscribe | cattr:SUQ=-{token_of(home, by_subject, Purpose.MAILTO)}"
    short = home.codec.short_minter(brand=BRAND, groups=(), at_ms=wiring.now_ms()).mint(
        digest_of(home, by_short_token)
    )
    for recipient, author, line in (
        ("unsubscribe@in.acme.example", by_subject, subject),
        (f"u-{short}@in.acme.example", by_short_token, ""),
    ):
        content = f"From: <{author}>\r\nTo: <{recipient}>\r\nSubject: {line}\r\n\r\n"
        await send(away.host, away.inbox_port, author, recipient, content)


def came_back(home: Centre, address: str) -> Statement:
    return Statement(
        id=os.urandom(16),
        brand=BRAND,
        digest=digest_of(home, address),
        groups=(),
        subscribed=True,
        source=Source.PREFERENCE_CENTRE,
        at_ms=wiring.now_ms(),
    )


def digest_of(centre: Centre, address: str) -> RecipientDigest:
    return centre.codec.digest(address, brand=BRAND)


async def nothing_waits(centre: Centre) -> bool:
    async with centre.store() as store:
        partitions = range(256)
        return not await RedisWork(store.connection).lag(partitions) and not await RedisDeliveries(
            store.connection
        ).oldest(partitions)
