"""The development downstream."""

from pathlib import Path

from app.observe.log import logger
from smtp_proxy.mailbox import mailbox_server
from smtp_proxy.session.limits import Limits
from tests.support.upstream import connected

CONTENT = b"Subject: x\r\n\r\n.dot\r\n\xff 8-bit\r\n"
WIRE = b"Subject: x\r\n\r\n..dot\r\n\xff 8-bit\r\n.\r\n"


async def deliver(folder: Path, *, sender: str, recipients: tuple[str, ...], parameters: str = "") -> str:
    server = mailbox_server(folder, log=logger("test"))
    _, port = await server.start("127.0.0.1", 0)
    try:
        async with connected(port) as upstream:
            await upstream.begin(sender=sender, recipients=recipients, parameters=parameters)
            await upstream.send(WIRE)
            return await upstream.reply()
    finally:
        await server.stop(1)


async def test_a_mail_is_filed_octet_for_octet_below_its_trace_fields(tmp_path: Path) -> None:
    answer = await deliver(tmp_path / "box", sender="a@acme.example", recipients=("b@x.example",), parameters=" BODY=8BITMIME")

    (file,) = (tmp_path / "box/new").iterdir()
    assert answer.startswith("250 2.0.0 Filed as ")
    assert b"Return-Path: <a@acme.example>\r\nDelivered-To: b@x.example\r\n" + CONTENT == file.read_bytes()
    assert [] == list((tmp_path / "box/tmp").iterdir())


async def test_it_takes_what_the_relay_takes_by_default_and_the_fields_that_the_relay_adds(tmp_path: Path) -> None:
    """Catalogue S7: a mail of just the limit does not fail at the hop behind it."""
    server = mailbox_server(tmp_path, log=logger("test"))
    _, port = await server.start("127.0.0.1", 0)
    try:
        async with connected(port) as upstream:
            answer = await upstream.say(f"MAIL FROM:<a@acme.example> SIZE={Limits().max_message_bytes + 2000}")
    finally:
        await server.stop(1)

    assert answer.startswith("250 ")


async def test_each_recipient_has_a_file_and_a_bounce_has_no_return_path(tmp_path: Path) -> None:
    """Catalogue S6."""
    await deliver(tmp_path, sender="", recipients=("b@x.example", "用户@例え.jp"), parameters=" SMTPUTF8")

    found = sorted(file.read_bytes().split(b"\r\n")[:2] for file in (tmp_path / "new").iterdir())
    assert [
        [b"Return-Path: <>", b"Delivered-To: b@x.example"],
        [b"Return-Path: <>", "Delivered-To: 用户@例え.jp".encode()],
    ] == found


async def test_a_folder_that_cannot_be_written_puts_the_mail_off(tmp_path: Path) -> None:
    """Catalogue D9."""
    box = tmp_path / "box"
    server = mailbox_server(box, log=logger("test"))
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
