"""The same session on uvloop, which the relay runs on: its transports differ from asyncio's."""

import base64
import ssl

import trustme
import uvloop

from app.core.model import BrandId
from smtp_proxy.session.limits import Limits
from tests.support.upstream import Recorder, connected, eventually, listening

END = b".\r\n"


def test_tls_login_and_a_large_mail_on_uvloop() -> None:
    """Catalogue S3, S5."""
    authority = trustme.CA()
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(serving)
    authority.configure_trust(trusting)
    handler = Recorder()
    content = (b"x" * 98 + b"\r\n") * 20_000

    async def account(user: str, password: bytes) -> BrandId | None:
        return BrandId("acme") if password == b"secret" else None

    async def send() -> list[str]:
        async with (
            listening(handler, tls=serving, trusted_networks=(), authenticator=account) as (
                _,
                port,
            ),
            connected(port) as upstream,
        ):
            await upstream.send(b"STARTTLS\r\nEHLO evil.example\r\n")
            answers = [await upstream.reply()]
            await upstream.secure(trusting)
            answers += [
                await upstream.say("MAIL FROM:<a@b>"),
                await upstream.say("EHLO client.example"),
            ]
            answers += [
                await upstream.say("AUTH PLAIN " + base64.b64encode(b"\0news\0secret").decode())
            ]
            answers += [await upstream.mail(content + END), await upstream.say("QUIT")]
            return answers

    answers = uvloop.run(send())

    assert ["220", "530", "250", "235", "250", "221"] == [answer[:3] for answer in answers]
    assert [content] == handler.contents


def test_a_burst_a_timeout_and_a_lost_client_on_uvloop() -> None:
    """Catalogue S14, S16, X18."""
    handler = Recorder()
    mail = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n" + END

    async def talk() -> tuple[list[str], bytes, bool]:
        async with listening(handler, limits=Limits(idle_seconds=1)) as (server, port):
            async with connected(port) as upstream, connected(port) as lost:
                await lost.begin()
                await lost.send(b"half a mess")
                lost.drop()
                await upstream.send(mail + b"NOOP\r\n" * 30_000)
                codes = [(await upstream.reply())[:3] for _ in range(30_004)]
                rest = await upstream.rest()
            return codes, rest, await eventually(lambda: server.connections == 0)

    codes, rest, is_empty = uvloop.run(talk())

    assert ["250", "250", "354", "250"] == codes[:4]
    assert {"250"} == set(codes[4:])
    assert rest.startswith(b"421 4.4.2")
    assert is_empty
    assert [b"x\r\n"] == handler.contents
