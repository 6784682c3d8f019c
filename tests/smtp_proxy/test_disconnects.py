"""A client that goes away at any octet of its dialogue, in any way: nothing lost, nothing twice,
nothing left behind.
"""

import asyncio
import itertools
import socket
import struct
from collections.abc import Iterator

import pytest

from tests.support.relay import relaying
from tests.support.sink import Sink
from tests.support.upstream import PATIENCE, eventually

AT_ONCE = 16
FILLER = b"Tulips, daffodils and hyacinths, all of them at half their price until Sunday.\r\n" * 2
MAIL = (
    b"From: Acme <news@acme.example>\r\nTo: ann@example.net\r\nSubject: Spring\r\nX-Signoff-Class:"
    b" transactional\r\nMessage-ID: <%d@acme.example>\r\nDate: Tue, 03 Mar 2026 09:00:00"
    b" +0000\r\n\r\n" + FILLER + b"..a line with a dot\r\n" + FILLER
)
END = b".\r\n"
COMMANDS = (
    b"EHLO client.example\r\n",
    b"MAIL FROM:<bounce@acme.example> BODY=8BITMIME\r\n",
    b"RCPT TO:<ann@example.net>\r\n",
    b"DATA\r\n",
)


def steps(number: int) -> tuple[bytes, ...]:
    """Return the dialogue in the parts after each of which the server answers."""
    return (*COMMANDS, MAIL % number + END, b"QUIT\r\n")


def complete_at(number: int) -> int:
    """Return after how many octets the mail is complete."""
    return sum(map(len, steps(number)[:-1]))


async def lines_until_closed(reader: asyncio.StreamReader) -> Iterator[bytes]:
    try:
        said = await asyncio.wait_for(reader.read(), PATIENCE)
    except ConnectionError:
        said = b""
    return iter(said.splitlines())


async def say_and_go(port: int, number: int, octets: int, *, pipelined: bool, reset: bool) -> bool:
    """Send the first octets of the dialogue and go; say whether the 250 to the mail was heard."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard: list[bytes] = []
    try:
        await _say(reader, writer, steps(number), octets, pipelined=pipelined, heard=heard)
        if reset:
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            writer.transport.abort()
        else:
            writer.write_eof()
            heard += await lines_until_closed(reader)
    except ConnectionError:
        pass  # it has answered QUIT, and closed
    finally:
        writer.close()
    return any(line.startswith(b"250 2.0.0 ") for line in heard)


async def _say(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    parts: tuple[bytes, ...],
    octets: int,
    *,
    pipelined: bool,
    heard: list[bytes],
) -> None:
    if pipelined:
        writer.write(b"".join(parts)[:octets])
        await writer.drain()
        return
    await reader.readline()
    for part in parts:
        writer.write(part[:octets])
        await writer.drain()
        if octets < len(part):
            return
        octets -= len(part)
        while True:
            heard.append(await asyncio.wait_for(reader.readline(), PATIENCE))
            if heard[-1][3:4] != b"-":
                break


@pytest.mark.parametrize("pipelined", [True, False], ids=["pipelined", "in turns"])
@pytest.mark.parametrize("reset", [True, False], ids=["reset", "fin"])
async def test_a_client_may_go_at_every_octet_of_the_dialogue(pipelined: bool, reset: bool) -> None:
    """Catalogue X18, X2, S7, X13."""
    sink = Sink()
    total = complete_at(1000) + len(b"QUIT\r\n")
    numbers = itertools.count()
    heard: dict[int, bool] = {}
    cut: dict[int, int] = {}
    positions = iter(range(total + 1))

    async with relaying(sink=sink) as relay:
        tasks_before = len(asyncio.all_tasks())

        async def go() -> None:
            for octets in positions:
                number = 1000 + next(numbers)  # as long as every other
                cut[number] = octets
                heard[number] = await say_and_go(
                    relay.port, number, octets, pipelined=pipelined, reset=reset
                )

        await asyncio.gather(*(go() for _ in range(AT_ONCE)))
        assert await eventually(lambda: relay.server.connections == 0)
        assert relay.server.memory.used == 0
        assert await eventually(
            lambda: len(asyncio.all_tasks()) <= tasks_before + len(sink.clients)
        )
        arrived = [
            received.content.partition(b"Message-ID: <")[2].partition(b"@")[0]
            for received in sink.received
        ]

    ids = [int(number) for number in arrived]
    assert len(cut) == total + 1
    assert len(ids) == len(set(ids)), "a mail came twice"
    assert {number for number in heard if heard[number]} <= set(ids), (
        "a mail that was answered 250 is lost"
    )
    assert set(ids) <= {
        number for number, octets in cut.items() if octets >= complete_at(number)
    }, "half a mail was handed on"
    if not reset:  # a reset may overtake what was sent before it
        assert set(ids) == {
            number for number, octets in cut.items() if octets >= complete_at(number)
        }
