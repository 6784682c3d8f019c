"""Exim before and behind the relay, in each of the ways of docs/exim.md and with the lines that
stand there.
"""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from smtp_proxy.session.submission import Offers
from tests.support.exim import exim, log_of
from tests.support.guides import block
from tests.support.ports import free_port
from tests.support.postfix import open_folder
from tests.support.relay import relaying
from tests.support.sixty import assert_each_has_a_signed_copy, submit
from tests.support.upstream import Recorder, eventually, listening

pytestmark = pytest.mark.interop


def _with_smtputf8() -> Offers:
    return Offers(smtputf8=True)


GUIDE = "exim.md"


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as opened:
        yield opened


def main_lines(inject: int, reinject: int) -> str:
    lines = block(GUIDE, "Smarthost", "exim-main")
    assert "daemon_smtp_ports = 25 : 10026\n" in lines
    return lines.replace("25 : 10026", f"{inject} : {reinject}")


def router(reinject: int) -> str:
    lines = block(GUIDE, "Smarthost", "exim-routers")
    assert "{$received_port}{10026}" in lines
    return lines.replace("{10026}", f"{{{reinject}}}")


def transport(title: str, kind: str, written: str, port: int) -> str:
    lines = block(GUIDE, title, kind)
    assert f"port = {written}\n" in lines
    return lines.replace(f"port = {written}\n", f"port = {port}\n")


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.mark.parametrize(
    ("title", "kind", "written", "lmtp"),
    [("Smarthost", "exim-transports", "2525", False), ("LMTP", "exim-lmtp", "2424", True)],
)
async def test_sixty_recipients_through_exim_relay_exim_get_sixty_signed_copies(
    title: str, kind: str, written: str, lmtp: bool, folder: Path
) -> None:
    """Catalogue H11, S9, X4: all at once, and none left to the queue runner, which does not run
    here.
    """
    inject, reinject = free_port(), free_port()
    last_hop = Recorder()
    async with (
        listening(last_hop) as (_, last_port),
        relaying(downstream_port=reinject, offers=_with_smtputf8, lmtp=lmtp) as relay,
    ):
        lines = transport(title, kind, written, relay.port)
        with exim(
            folder,
            main=main_lines(inject, reinject),
            routers=router(reinject),
            transports=lines,
            last_port=last_port,
        ):
            assert await eventually(lambda: answers(inject) and answers(reinject)), log_of(folder)
            await asyncio.to_thread(submit, inject)
            assert await eventually(lambda: len(last_hop.contents) >= 60), log_of(folder)

        assert_each_has_a_signed_copy(last_hop, relay)


async def test_the_eleventh_mail_over_one_connection_goes_on_at_once_too(folder: Path) -> None:
    """Catalogue X5: the relay keeps its connection to the way back, and by default Exim puts mail
    from the eleventh on aside.
    """
    inject, reinject = free_port(), free_port()
    last_hop = Recorder()
    async with (
        listening(last_hop) as (_, last_port),
        relaying(downstream_port=reinject, offers=_with_smtputf8) as relay,
    ):
        lines = transport("Smarthost", "exim-transports", "2525", relay.port)
        with exim(
            folder,
            main=main_lines(inject, reinject),
            routers=router(reinject),
            transports=lines,
            last_port=last_port,
        ):
            assert await eventually(lambda: answers(inject) and answers(reinject)), log_of(folder)
            for number in range(1, 13):
                await asyncio.to_thread(submit, inject, [f"user{number}@example.net"])
                assert await eventually(lambda: len(last_hop.contents) == number), log_of(folder)  # noqa: B023 - awaited in its turn
