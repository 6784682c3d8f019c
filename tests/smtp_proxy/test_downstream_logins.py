"""How often a login is tried at a downstream that refuses it: at the rate of the mail it would lock
the account.
"""

import asyncio
import ssl

import pytest
import trustme

from smtp_proxy.downstream.logins import AT_ONCE, FIRST_PAUSE, LONGEST_PAUSE, Logins, PutOff
from smtp_proxy.replies import Deferred, Reply
from tests.support.outgoing import A_COPY, downstream_to
from tests.support.sink import Say, Sink

PUT_OFF = "Downstream declined our login, which is tried again later: answered 535 5.7.8 wrong"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def refused(logins: Logins) -> None:
    async with logins.turn():
        logins.refused("535 wrong")


async def is_put_off(logins: Logins) -> bool:
    try:
        async with logins.turn():
            return False
    except PutOff:
        return True


async def test_forty_mails_against_refused_credentials_are_a_handful_of_logins() -> None:
    """Catalogue N35: whether they come at once or one after another; each is deferred, and none is
    lost.
    """
    authority = trustme.CA()
    serving, verifying = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    authority.configure_trust(verifying)
    async with (
        Sink(starttls=serving, extensions=("AUTH PLAIN",)) as sink,
        downstream_to(sink, user="acme", password="secret", verifying=verifying) as downstream,
    ):
        sink.always("AUTH", Say(b"535 5.7.8 wrong\r\n"))

        together = await asyncio.gather(*(downstream.send(A_COPY) for _ in range(20)))
        following = [await downstream.send(A_COPY) for _ in range(20)]

        tried = [line for line in sink.commands if line.startswith(b"AUTH")]
        assert 1 <= len(tried) <= AT_ONCE
        assert all(
            isinstance(outcome, Deferred) and outcome.reply.code == 451 for outcome in together
        )
        assert [Deferred(reply=Reply(451, "4.7.0", PUT_OFF))] * 20 == following


async def test_after_the_pause_one_login_is_tried_and_the_next_pause_is_longer() -> None:
    """Catalogue N35."""
    clock = Clock()
    logins = Logins(clock)
    await refused(logins)
    assert await is_put_off(logins)

    clock.now += FIRST_PAUSE
    async with logins.turn():
        assert await is_put_off(logins)
        logins.refused("535 wrong again")

    clock.now += FIRST_PAUSE
    assert await is_put_off(logins)
    clock.now += FIRST_PAUSE
    assert not await is_put_off(logins)


async def test_the_pause_has_an_end_however_often_it_is_refused() -> None:
    """Catalogue N35."""
    clock = Clock()
    logins = Logins(clock)
    for _ in range(2000):
        await refused(logins)
        clock.now += LONGEST_PAUSE

    assert not await is_put_off(logins)


async def test_a_login_that_succeeds_ends_the_pause_at_once() -> None:
    """Catalogue N35."""
    clock = Clock()
    logins = Logins(clock)
    await refused(logins)
    clock.now += FIRST_PAUSE

    async with logins.turn():
        logins.accepted()

    assert not await is_put_off(logins)
    with pytest.raises(PutOff):
        await refused(logins)
        logins.check()
