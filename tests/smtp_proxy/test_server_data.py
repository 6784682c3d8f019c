"""What ends a message, what is in it, how large it may be, and what happens when the client
goes.
"""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.limits import Limits
from smtp_proxy.session.submission import Envelope
from tests.support.upstream import PATIENCE, Recorder, connected, eventually, listening

END = b".\r\n"
SMUGGLED = b"MAIL FROM:<evil@b>\r\nRCPT TO:<victim@d>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n"
NOT_AN_END = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\r.\n",
    b"\n.\r",
    b"\r\r\n.\r\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\r\n.\r\0\n",
    b"\n\n.\r\n",
    b"\r\n.\r\r\n",
    b"\n.\n\r\n",
]


@pytest.mark.parametrize("vector", NOT_AN_END)
async def test_nothing_but_crlf_dot_crlf_ends_a_message_and_what_looks_like_it_is_refused(
    vector: bytes,
) -> None:
    """Catalogue S1."""
    handler = Recorder()

    async with listening(handler) as (_, port), connected(port) as upstream:
        await upstream.begin()
        await upstream.send(b"Subject: x\r\n\r\nbody" + vector + SMUGGLED + END)
        answer = await upstream.reply()
        after = await upstream.rest()

    assert answer.startswith("550 5.6.0")
    assert after.startswith(b"421 4.7.0 ")
    assert after.count(b"\r\n") == 1
    assert [] == handler.envelopes


@pytest.mark.parametrize("policy", ["reject", "normalise"])
async def test_a_bare_cr_before_the_true_end_lets_nothing_behind_it_through(policy: str) -> None:
    """Catalogue S1: `\\r\\r\\n.\\r\\n` does end the data, and a peer that read it otherwise must
    not smuggle a mail by it.
    """
    handler = Recorder()

    async with listening(handler, line_endings=policy) as (_, port), connected(port) as upstream:
        await upstream.begin()
        await upstream.send(b"Subject: x\r\n\r\nbody\r\r\n.\r\n" + SMUGGLED + END)
        answers = await upstream.rest()

    assert answers.startswith(b"550 5.6.0 ")
    assert answers.count(b"\r\n") == 2
    assert [] == handler.envelopes


@pytest.mark.parametrize("vector", NOT_AN_END)
async def test_a_normalised_message_is_still_one_message(vector: bytes) -> None:
    """Catalogue S1."""
    handler = Recorder()

    async with (
        listening(handler, line_endings="normalise") as (_, port),
        connected(port) as upstream,
    ):
        answer = await upstream.mail(b"Subject: x\r\n\r\nbody" + vector + SMUGGLED + END)
        after = await upstream.say("NOOP")

    assert answer.startswith("250 2.0.0")
    assert "250 2.0.0 OK" == after
    (content,) = handler.contents
    assert b"Subject: smuggled\r\n" in content
    assert content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r")


@pytest.mark.parametrize(
    ("sent", "content"),
    [
        (b"", b""),
        (b"..\r\n..x\r\n", b".\r\n.x\r\n"),
        (b"\r\n", b"\r\n"),
        (b"no end\r\n", b"no end\r\n"),
    ],
)
async def test_dots_are_unstuffed_and_an_empty_message_is_one(sent: bytes, content: bytes) -> None:
    handler = Recorder()

    async with listening(handler) as (_, port), connected(port) as upstream:
        await upstream.mail(sent + END)

    assert [content] == handler.contents


async def test_the_end_mark_may_come_one_octet_at_a_time() -> None:
    """Catalogue S1."""
    handler = Recorder()

    async with listening(handler) as (_, port), connected(port) as upstream:
        await upstream.begin()
        for octet in b"a\r\n..b\r\n.\r\nNOOP\r\n":
            await upstream.send(bytes([octet]))
            await asyncio.sleep(0.001)
        answers = [await upstream.reply(), await upstream.reply()]

    assert ["250 2.0.0 Message accepted", "250 2.0.0 OK"] == answers
    assert [b"a\r\n.b\r\n"] == handler.contents


@pytest.mark.parametrize(
    ("policy", "start", "arrived"), [("accept", "250 2.0.0", 1), ("reject", "550 5.6.0", 0)]
)
async def test_long_lines_follow_the_policy(policy: str, start: str, arrived: int) -> None:
    """Catalogue S8."""
    handler = Recorder()

    async with listening(handler, long_lines=policy) as (_, port), connected(port) as upstream:
        answer = await upstream.mail(b"Subject: x\r\n\r\n" + b"<p>" + b"y" * 5000 + b"\r\n" + END)

    assert answer.startswith(start)
    assert arrived == len(handler.contents)


LIMITS = Limits(max_message_bytes=100_000, max_in_flight_bytes=150_000)


async def test_a_declared_size_beyond_the_limit_is_refused_at_once() -> None:
    """Catalogue S7."""
    async with listening(Recorder(), limits=LIMITS) as (_, port), connected(port) as upstream:
        answer = await upstream.say("MAIL FROM:<a@b> SIZE=100001")

    assert answer.startswith("552 5.3.4")


async def test_a_message_that_grows_beyond_the_limit_is_read_to_its_end_and_refused() -> None:
    """Catalogue S7."""
    handler = Recorder()

    async with listening(handler, limits=LIMITS) as (server, port), connected(port) as upstream:
        answer = await upstream.mail(b"y" * 70 + b"\r\n" + (b"x" * 70 + b"\r\n") * 30_000 + END)
        after = await upstream.mail(b"small\r\n" + END)

        assert answer.startswith("552 5.3.4")
        assert after.startswith("250 2.0.0")
        assert LIMITS.max_in_flight_bytes >= server.memory.peak
        assert 0 == server.memory.used
    assert [b"small\r\n"] == handler.contents


async def test_mail_beyond_the_memory_is_put_off_while_other_mail_is_in_flight() -> None:
    """Catalogue S7, X13."""
    release = asyncio.Event()

    async def slow(_: Envelope) -> Reply:
        await release.wait()
        return replies.ACCEPTED

    handler = Recorder(slow)
    large = b"x" * 89_998 + b"\r\n"

    async with (
        listening(handler, limits=LIMITS) as (server, port),
        connected(port) as first,
        connected(port) as second,
    ):
        await first.begin()
        await first.send(large + END)
        assert await eventually(lambda: bool(handler.envelopes))
        declared = await second.say("MAIL FROM:<a@b> SIZE=90000")
        undeclared = await second.mail(large + END)
        release.set()
        accepted = await first.reply()
        again = await second.mail(large + END)

        assert declared.startswith("452 4.3.1")
        assert undeclared.startswith("452 4.3.1")
        assert accepted.startswith("250")
        assert again.startswith("250")
        assert 0 == server.memory.used


async def test_a_declared_size_reserves_nothing_until_the_content_comes() -> None:
    """Catalogue S7, N16."""
    async with listening(Recorder(), limits=LIMITS) as (server, port), connected(port) as third:
        async with connected(port) as first, connected(port) as second:
            for silent in (first, second):
                await silent.begin(parameters=" SIZE=90000")
            held = server.memory.used
            answer = await third.mail(b"x" * 89_998 + b"\r\n" + END)

        assert 0 == held
        assert answer.startswith("250 2.0.0")
        assert await eventually(lambda: server.memory.used == 0)


async def test_many_large_messages_at_once_stay_within_the_memory() -> None:
    """Catalogue S7, X13."""
    limits = Limits(max_message_bytes=1_000_000, max_in_flight_bytes=10_000_000)
    content = (b"x" * 98 + b"\r\n") * 9_900 + END

    async def send(port: int, *, parameters: str) -> str:
        async with connected(port) as upstream:
            for line in (f"MAIL FROM:<a@b>{parameters}", "RCPT TO:<c@d>", "DATA"):
                answer = await upstream.say(line)
                if answer[0] not in "23":
                    return answer
            await upstream.send(content)
            return await upstream.reply()

    async def hold(_: Envelope) -> Reply:
        await asyncio.sleep(0.05)
        return replies.ACCEPTED

    async with listening(Recorder(hold), limits=limits) as (server, port):
        sizes = ["", f" SIZE={len(content)}"] * 50
        answers = await asyncio.wait_for(
            asyncio.gather(*(send(port, parameters=size) for size in sizes)), PATIENCE
        )

        assert {"250 2.0.0", "452 4.3.1"} == {answer[:9] for answer in answers}
        assert limits.max_in_flight_bytes >= server.memory.peak
        assert 0 == server.memory.used


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_the_process_grows_by_the_memory_for_mail_and_little_more() -> None:
    """Catalogue S7."""
    limits = Limits(max_message_bytes=3_000_000, max_in_flight_bytes=30_000_000)
    content = (b"x" * 98 + b"\r\n") * 20_000 + END
    peak = 0

    async def send(port: int) -> bytes:
        loop = asyncio.get_running_loop()
        with socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", port))
            # Sent from the one object, so that the test itself holds nothing for each client.
            await loop.sock_sendall(
                client, b"HELO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
            )
            await loop.sock_sendall(client, content)
            await loop.sock_sendall(client, b"QUIT\r\n")
            said = b""
            while b"221 " not in said:
                said += await loop.sock_recv(client, 4096)
            return said

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, resident_bytes())
            await asyncio.sleep(0.002)

    async def hold(_: Envelope, content: bytearray) -> Reply:
        await asyncio.sleep(0.1)
        return replies.ACCEPTED if content else replies.LOCAL_ERROR

    async with listening(hold, limits=limits) as (_, port):
        before = resident_bytes()
        watching = asyncio.create_task(watch())
        said = await asyncio.wait_for(asyncio.gather(*(send(port) for _ in range(100))), PATIENCE)
        watching.cancel()

    assert any(b"452 4.3.1" in answer for answer in said)
    assert 2 * limits.max_in_flight_bytes > peak - before  # without a bound it would be 200 MB


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"Subject: x\r\n\r\nhalf a mes",
        b"Subject: x\r\n\r\nwhole but for the mark\r\n",
        b"x\r\n.\r",
    ],
)
@pytest.mark.parametrize("way", ["reset", "eof"])
async def test_a_client_that_goes_before_the_end_mark_has_sent_nothing(
    part: bytes, way: str
) -> None:
    """Catalogue X18."""
    handler = Recorder()

    async with listening(handler) as (server, port), connected(port) as upstream:
        await upstream.begin()
        await upstream.send(part)
        upstream.drop() if way == "reset" else upstream.writer.write_eof()

        assert await eventually(lambda: server.connections == 0)
        assert 0 == server.memory.used
    assert [] == handler.envelopes


async def test_a_message_goes_on_when_the_client_leaves_before_the_answer() -> None:
    """Catalogue X18, X2."""
    release, finished = asyncio.Event(), []

    async def slow(envelope: Envelope) -> Reply:
        await release.wait()
        finished.append(envelope.id)
        return replies.ACCEPTED

    handler = Recorder(slow)

    async with listening(handler) as (server, port), connected(port) as upstream:
        await upstream.begin()
        await upstream.send(b"x\r\n" + END)
        assert await eventually(lambda: bool(handler.envelopes))
        upstream.drop()
        await asyncio.sleep(0.01)
        release.set()

        assert await eventually(lambda: server.connections == 0)
        assert 0 == server.memory.used
    assert [handler.envelopes[0].id] == finished


@pytest.mark.parametrize("way", ["reset", "fin"])
async def test_whoever_handles_a_message_sees_that_its_client_has_gone(way: str) -> None:
    """Catalogue X14: the client comes again, since it has heard nothing."""
    seen: list[bool] = []

    async def handler(envelope: Envelope) -> Reply:
        seen.append(envelope.listens())
        seen.append(not await eventually(lambda: not envelope.listens()))
        return replies.ACCEPTED

    async with listening(Recorder(handler)) as (server, port), connected(port) as upstream:
        await upstream.begin()
        await upstream.send(b"Subject: x\r\n\r\nx\r\n" + END)
        assert await eventually(lambda: len(seen) == 1)
        if way == "fin":
            upstream.writer.write_eof()
        else:
            upstream.drop()
        assert await eventually(lambda: server.connections == 0)

    assert [True, False] == seen


async def test_a_client_that_sends_no_more_still_reads_the_answer() -> None:
    async with listening(Recorder()) as (_, port), connected(port) as upstream:
        await upstream.begin()
        await upstream.send(b"x\r\n" + END + b"QUIT\r\n")
        upstream.writer.write_eof()
        rest = await upstream.rest()

    assert b"250 2.0.0 Message accepted\r\n221 2.0.0 Goodbye\r\n" == rest
