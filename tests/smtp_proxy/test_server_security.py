"""Who may send: STARTTLS, AUTH, trusted networks."""

import asyncio
import base64
import ipaddress
import smtplib
import ssl

import pytest
import trustme

from app.core.errors import StoreUnavailable
from app.core.model import BrandId
from smtp_proxy.session.accounts import Account, Accounts, hash_password
from smtp_proxy.session.limits import Limits
from tests.support.upstream import Recorder, Upstream, connected, eventually, listening

AUTHORITY = trustme.CA()
ACME = BrandId("acme")
MAIL = b"Subject: x\r\n\r\nhello\r\n.\r\n"
RIGHT = base64.b64encode(b"\0news@acme\0correct horse").decode()
WRONG = base64.b64encode(b"\0news@acme\0battery").decode()


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


async def accounts(user: str, password: bytes) -> BrandId | None:
    return ACME if (user, password) == ("news@acme", b"correct horse") else None


PUBLIC: dict[str, object] = {"trusted_networks": (), "authenticator": accounts}


async def secured(upstream: Upstream) -> None:
    assert (await upstream.say("STARTTLS")).startswith("220 2.0.0")
    await upstream.secure(client_context())
    assert "AUTH PLAIN LOGIN" in await upstream.say("EHLO client.example")


@pytest.mark.parametrize("command", ["MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA"])
async def test_a_stranger_may_not_send(command: str) -> None:
    """Catalogue S4."""
    async with listening(Recorder(), **PUBLIC) as (_, port), connected(port) as upstream:
        answer = await upstream.say(command)

    assert answer.startswith("530 5.7.0")


@pytest.mark.parametrize(
    ("network", "start"),
    [("127.0.0.0/8", "250"), ("127.0.0.2/32", "530"), ("::1/128", "530"), ("::/0", "530")],
)
async def test_trust_is_a_matter_of_the_network(network: str, start: str) -> None:
    """Catalogue S4."""
    networks = (ipaddress.ip_network(network),)

    async with (
        listening(Recorder(), trusted_networks=networks) as (_, port),
        connected(port) as upstream,
    ):
        answer = await upstream.say("MAIL FROM:<a@b>")

    assert answer.startswith(start)


@pytest.mark.parametrize("command", [f"AUTH PLAIN {RIGHT}", "AUTH LOGIN", "AUTH", "AUTH CRAM-MD5"])
async def test_credentials_are_not_heard_in_clear(command: str) -> None:
    """Catalogue S5."""
    async with (
        listening(Recorder(), tls=server_context(), **PUBLIC) as (_, port),
        connected(port, hello="") as upstream,
    ):
        offer = await upstream.say("EHLO client.example")
        answer = await upstream.say(command)
        after = await upstream.say("MAIL FROM:<a@b>")

    assert "AUTH" not in offer
    assert "STARTTLS" in offer
    assert answer.startswith("538 5.7.11")
    assert after.startswith("530 5.7.0")


async def test_what_was_said_in_clear_after_starttls_is_never_obeyed() -> None:
    """Catalogue S3."""
    async with (
        listening(Recorder(), tls=server_context()) as (_, port),
        connected(port) as upstream,
    ):
        await upstream.send(
            b"STARTTLS\r\nEHLO evil.example\r\nMAIL FROM:<evil@b>\r\nRCPT TO:<c@d>\r\n"
        )
        ready = await upstream.reply()
        await upstream.secure(client_context())
        before_hello = await upstream.say("MAIL FROM:<a@b>")
        offer = await upstream.say("EHLO client.example")
        recipient = await upstream.say("RCPT TO:<c@d>")

    assert ready.startswith("220 2.0.0")
    assert before_hello.startswith("503 5.5.1")
    assert "STARTTLS" not in offer
    assert recipient.startswith("503 5.5.1")


async def test_starttls_forgets_hello_and_transaction_and_works_once() -> None:
    """Catalogue S3."""
    async with (
        listening(Recorder(), tls=server_context()) as (_, port),
        connected(port) as upstream,
    ):
        await upstream.say("MAIL FROM:<a@b>")
        await upstream.say("STARTTLS")
        await upstream.secure(client_context())
        answers = [
            (await upstream.say(line))[:9]
            for line in ("RCPT TO:<c@d>", "MAIL FROM:<a@b>", "EHLO x", "RCPT TO:<c@d>", "STARTTLS")
        ]

    assert ["503 5.5.1", "503 5.5.1", "250-relay", "503 5.5.1", "503 5.5.1"] == answers


async def test_a_client_that_speaks_no_tls_after_starttls_is_dropped() -> None:
    """Catalogue S3."""
    async with (
        listening(Recorder(), tls=server_context()) as (server, port),
        connected(port) as upstream,
    ):
        await upstream.say("STARTTLS")
        await upstream.send(b"EHLO x\r\nMAIL FROM:<a@b>\r\n")
        rest = await upstream.rest()

        assert b"250" not in rest
        assert await eventually(lambda: server.connections == 0)


@pytest.mark.parametrize(
    "lines",
    [
        [f"AUTH PLAIN {RIGHT}"],
        ["AUTH PLAIN", RIGHT],
        ["auth plain " + base64.b64encode(b"news@acme\0news@acme\0correct horse").decode()],
        [
            "AUTH LOGIN",
            base64.b64encode(b"news@acme").decode(),
            base64.b64encode(b"correct horse").decode(),
        ],
        [
            "AUTH LOGIN " + base64.b64encode(b"news@acme").decode(),
            base64.b64encode(b"correct horse").decode(),
        ],
    ],
)
async def test_an_account_may_send_after_it_has_logged_in(lines: list[str]) -> None:
    """Catalogue S4, S5, S12."""
    handler = Recorder()

    async with (
        listening(handler, tls=server_context(), **PUBLIC) as (_, port),
        connected(port) as upstream,
    ):
        await secured(upstream)
        *challenges, last = [await upstream.say(line) for line in lines]
        again = await upstream.say(f"AUTH PLAIN {RIGHT}")
        await upstream.mail(MAIL, parameters=" AUTH=<>")

    assert all(challenge.startswith("334 ") for challenge in challenges)
    assert last.startswith("235 2.7.0")
    assert again.startswith("503 5.5.1")
    assert (ACME, "ESMTPSA") == (
        handler.envelopes[0].client.account,
        handler.envelopes[0].client.protocol,
    )


@pytest.mark.parametrize(
    ("lines", "start"),
    [
        ([f"AUTH PLAIN {WRONG}"], "535 5.7.8"),
        (
            ["AUTH PLAIN " + base64.b64encode(b"other\0news@acme\0correct horse").decode()],
            "535 5.7.8",
        ),
        (["AUTH PLAIN " + base64.b64encode(b"\0\xff\0x").decode()], "535 5.7.8"),
        (["AUTH PLAIN ="], "501 5.5.2"),
        (["AUTH PLAIN !!"], "501 5.5.2"),
        (["AUTH PLAIN", "*"], "501 5.7.0"),
        (["AUTH LOGIN", "*"], "501 5.7.0"),
        (["AUTH LOGIN", "", ""], "535 5.7.8"),
        (["AUTH PLAIN", "AA\nAA"], "500 5.5.2"),
        (["AUTH GSSAPI"], "504 5.5.4"),
        (["AUTH"], "504 5.5.4"),
    ],
)
async def test_a_bad_login_gives_no_right(lines: list[str], start: str) -> None:
    """Catalogue S4, S5."""
    async with (
        listening(Recorder(), tls=server_context(), **PUBLIC) as (_, port),
        connected(port) as upstream,
    ):
        await secured(upstream)
        *_, answer = [await upstream.say(line) for line in lines]
        after = await upstream.say("MAIL FROM:<a@b>")

    assert answer.startswith(start)
    assert after.startswith("530 5.7.0")


async def test_guessing_ends_the_connection() -> None:
    """Catalogue S16."""
    async with (
        listening(Recorder(), tls=server_context(), limits=Limits(max_bad_logins=2), **PUBLIC) as (
            _,
            port,
        ),
        connected(port) as upstream,
    ):
        await secured(upstream)
        answers = [
            await upstream.say(f"AUTH PLAIN {WRONG}"),
            await upstream.say(f"AUTH PLAIN {WRONG}"),
            await upstream.reply(),
        ]
        rest = await upstream.rest()

    assert ["535 5.7.8", "535 5.7.8", "421 4.7.0"] == [answer[:9] for answer in answers]
    assert b"" == rest


async def test_a_login_that_cannot_be_checked_is_put_off() -> None:
    async def broken(user: str, password: bytes) -> BrandId | None:
        raise StoreUnavailable("away")

    async with (
        listening(Recorder(), tls=server_context(), trusted_networks=(), authenticator=broken) as (
            _,
            port,
        ),
        connected(port) as upstream,
    ):
        await secured(upstream)
        answer = await upstream.say(f"AUTH PLAIN {RIGHT}")

    assert answer.startswith("454 4.7.0")


async def test_smtplib_logs_in_and_sends_over_tls() -> None:
    """Catalogue S4, S5."""
    handler = Recorder()
    credentials = Accounts(
        {"news@acme": Account(brand=ACME, password_hash=hash_password("correct horse"))}
    )

    def send(port: int) -> None:
        with smtplib.SMTP("localhost", port, local_hostname="client.example") as client:
            client.starttls(context=client_context())
            client.login("news@acme", "correct horse")
            client.sendmail(
                "a@acme.example", ["b@x.example"], b"Subject: x\r\n\r\n" + b"y" * 300_000 + b"\r\n"
            )

    async with listening(
        handler, tls=server_context(), trusted_networks=(), authenticator=credentials
    ) as (_, port):
        await asyncio.to_thread(send, port)

    assert ACME == handler.envelopes[0].client.account
    assert 300_016 == len(handler.contents[0])
