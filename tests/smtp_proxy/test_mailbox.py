"""The development downstream."""

import asyncio
import threading
from pathlib import Path

import pytest
from aiosmtpd.smtp import Envelope, Session

from app.core.errors import Misconfigured
from app.observe.log import logger
from smtp_proxy.mailbox import MailboxServer, MaildirHandler
from smtp_proxy.maildir import Maildir
from smtp_proxy.session.limits import Limits
from tests.support.upstream import PATIENCE, connected

CONTENT = b"Subject: x\r\n\r\n.dot\r\n\xff 8-bit\r\n"
WIRE = b"Subject: x\r\n\r\n..dot\r\n\xff 8-bit\r\n.\r\n"


async def deliver(
    folder: Path, *, sender: str, recipients: tuple[str, ...], parameters: str = ""
) -> str:
    server = MailboxServer(folder, log=logger("test"))
    _, port = await server.start("127.0.0.1", 0)
    try:
        async with connected(port) as upstream:
            await upstream.begin(sender=sender, recipients=recipients, parameters=parameters)
            await upstream.send(WIRE)
            return await upstream.reply()
    finally:
        await server.stop(1)


async def test_a_mail_is_filed_octet_for_octet_below_its_trace_fields(tmp_path: Path) -> None:
    answer = await deliver(
        tmp_path / "box",
        sender="a@acme.example",
        recipients=("b@x.example",),
        parameters=" BODY=8BITMIME",
    )

    (file,) = (tmp_path / "box/new").iterdir()
    assert answer.startswith("250 2.0.0 Filed as ")
    assert (
        b"Return-Path: <a@acme.example>\r\nDelivered-To: b@x.example\r\n" + CONTENT
        == file.read_bytes()
    )
    assert [] == list((tmp_path / "box/tmp").iterdir())


async def test_it_takes_what_the_relay_takes_by_default_and_the_fields_that_the_relay_adds(
    tmp_path: Path,
) -> None:
    """Catalogue S7: a mail of just the limit does not fail at the hop behind it."""
    server = MailboxServer(tmp_path, log=logger("test"))
    _, port = await server.start("127.0.0.1", 0)
    try:
        async with connected(port) as upstream:
            answer = await upstream.say(
                f"MAIL FROM:<a@acme.example> SIZE={Limits().max_message_bytes + 2000}"
            )
    finally:
        await server.stop(1)

    assert answer.startswith("250 ")


async def test_each_recipient_has_a_file_and_a_bounce_has_no_return_path(tmp_path: Path) -> None:
    """Catalogue S6."""
    await deliver(
        tmp_path, sender="", recipients=("b@x.example", "用户@例え.jp"), parameters=" SMTPUTF8"
    )

    found = sorted(file.read_bytes().split(b"\r\n")[:2] for file in (tmp_path / "new").iterdir())
    assert [
        [b"Return-Path: <>", b"Delivered-To: b@x.example"],
        [b"Return-Path: <>", "Delivered-To: 用户@例え.jp".encode()],
    ] == found


async def test_a_folder_that_cannot_be_written_puts_the_mail_off(tmp_path: Path) -> None:
    """Catalogue D9."""
    box = tmp_path / "box"
    server = MailboxServer(box, log=logger("test"))
    (box / "tmp").rmdir()
    _, port = await server.start("127.0.0.1", 0)
    try:
        async with connected(port) as upstream:
            await upstream.begin()
            await upstream.send(WIRE)
            answer = await upstream.reply()
    finally:
        await server.stop(1)

    assert answer.startswith("451 4.3.0")


async def test_a_line_of_any_length_and_a_pipelined_group_are_taken(tmp_path: Path) -> None:
    """The relay passes long lines on, and pipelines."""
    content = b"Subject: x\r\n\r\n" + b"y" * 200_000 + b"\r\n"
    server = MailboxServer(tmp_path, log=logger("test"))
    _, port = await server.start("127.0.0.1", 0)
    try:
        async with connected(port, hello="") as upstream:
            assert "PIPELINING" in await upstream.say("EHLO client.example")
            await upstream.send(
                b"MAIL FROM:<>\r\nRCPT TO:<b@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n"
            )
            assert ["250", "250", "250", "354"] == [(await upstream.reply())[:3] for _ in range(4)]
            await upstream.send(content + b".\r\n")
            assert (await upstream.reply()).startswith("250 2.0.0 Filed as ")
    finally:
        await server.stop(1)

    (file,) = (tmp_path / "new").iterdir()
    assert b"Return-Path: <>\r\nDelivered-To: b@x.example\r\n" + content == file.read_bytes()


async def test_a_stop_files_and_answers_what_is_under_way(tmp_path: Path) -> None:
    class Slow(Maildir):
        def file(self, *, sender: str, recipient: str, content: bytes | bytearray) -> Path:
            begun.set()
            assert go_on.wait(PATIENCE)
            return super().file(sender=sender, recipient=recipient, content=content)

    begun, go_on = threading.Event(), threading.Event()
    server = MailboxServer(tmp_path, log=logger("test"))
    server._files._maildir = Slow(tmp_path)
    _, port = await server.start("127.0.0.1", 0)
    async with connected(port) as upstream:
        await upstream.begin()
        await upstream.send(WIRE)
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        stopping = asyncio.create_task(server.stop(PATIENCE))
        await asyncio.sleep(0)
        go_on.set()

        assert (await upstream.reply()).startswith("250 2.0.0 Filed as ")
        await stopping
        assert b"" == await upstream.rest()


async def test_mail_from_another_machine_is_refused(tmp_path: Path) -> None:
    handler = MaildirHandler(Maildir(tmp_path), log=logger("test"))
    session, envelope = Session(asyncio.get_running_loop()), Envelope()
    session.peer = ("203.0.113.9", 40_000)  # type: ignore[assignment] # aiosmtpd annotates a string and keeps an address

    answer = await handler.handle_MAIL(None, session, envelope, "a@acme.example", [])  # type: ignore[arg-type] # not asked

    assert ("530 5.7.0 Authentication required", None) == (answer, envelope.mail_from)


async def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    first, second = (MailboxServer(tmp_path, log=logger("test")) for _ in range(2))
    _, port = await first.start("127.0.0.1", 0)
    try:
        with pytest.raises(Misconfigured, match=f"127.0.0.1:{port}: cannot listen there"):
            await second.start("127.0.0.1", port)
    finally:
        await first.stop(1)
