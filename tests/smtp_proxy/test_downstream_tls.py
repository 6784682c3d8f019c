"""TLS policy and credentials against a peer with real certificates (catalogue C4)."""

import base64
import ssl

import pytest
import trustme

from smtp_proxy.replies import Deferred, Delivered, Reply
from tests.support.outgoing import A_COPY, HEAD, IMPATIENT, copy_of, downstream_to
from tests.support.sink import PLAIN_EXTENSIONS, Drop, Say, Silence, Sink

NO_TLS = Deferred(reply=Reply(451, "4.7.5", "No trusted TLS connection to downstream"))
NOT_AUTHENTICATED = Deferred(reply=Reply(451, "4.7.0", "Downstream authentication failed"))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def serving(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def stranger() -> ssl.SSLContext:
    """A server certificate that nobody vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def verifying(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def _plain(user: str, password: str) -> bytes:
    return b"AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode())


async def test_required_tls_is_verified_and_used(
    serving: ssl.SSLContext, verifying: ssl.SSLContext
) -> None:
    """Catalogue C4."""
    async with (
        Sink(starttls=serving) as sink,
        downstream_to(sink, query="?tls=require", verifying=verifying) as downstream,
    ):
        outcome = await downstream.send(A_COPY)

        assert isinstance(outcome, Delivered)
        assert [b"EHLO relay.example", b"STARTTLS", b"EHLO relay.example"] == sink.commands[:3]


async def test_several_large_copies_cross_tls_unchanged(
    serving: ssl.SSLContext, verifying: ssl.SSLContext
) -> None:
    """Catalogue C1, C4."""
    body = b".line\r\n" * 300_000
    async with (
        Sink(starttls=serving) as sink,
        downstream_to(sink, query="?tls=require", verifying=verifying) as downstream,
    ):
        outcomes = [await downstream.send(copy_of(body)) for _ in range(2)]

        assert all(isinstance(outcome, Delivered) for outcome in outcomes)
        assert [HEAD + body] * 2 == [received.content for received in sink.received]


async def test_required_tls_that_is_not_offered_defers() -> None:
    """Catalogue C4, X6."""
    async with Sink() as sink, downstream_to(sink, query="?tls=require") as downstream:
        outcome = await downstream.send(A_COPY)

        assert NO_TLS == outcome
        assert [b"EHLO relay.example"] == sink.commands


async def test_an_unknown_certificate_defers_when_tls_is_required(
    stranger: ssl.SSLContext, verifying: ssl.SSLContext
) -> None:
    """Catalogue C4."""
    async with (
        Sink(starttls=stranger) as sink,
        downstream_to(sink, query="?tls=require", verifying=verifying) as downstream,
    ):
        outcome = await downstream.send(A_COPY)

        assert NO_TLS == outcome
        assert [] == sink.received


async def test_the_host_name_is_verified(authority: trustme.CA, verifying: ssl.SSLContext) -> None:
    """Catalogue C4."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(context)
    async with (
        Sink(starttls=context) as sink,
        downstream_to(sink, query="?tls=require", verifying=verifying) as downstream,
    ):
        outcome = await downstream.send(A_COPY)

        assert NO_TLS == outcome


@pytest.mark.parametrize(
    "action", [Say(b"454 4.7.0 not now\r\n"), Say(b"554 no\r\n"), Say(b"hm\r\n"), Drop(), Silence()]
)
async def test_a_starttls_that_does_not_come_about_defers(
    action: Say | Drop | Silence, serving: ssl.SSLContext
) -> None:
    """Catalogue C4, X6."""
    async with (
        Sink(starttls=serving) as sink,
        downstream_to(sink, query="?tls=require", timeouts=IMPATIENT) as downstream,
    ):
        sink.on("STARTTLS", action)

        outcome = await downstream.send(A_COPY)

        assert NO_TLS == outcome


@pytest.mark.parametrize("slipped", [b"250 2.0.0 injected\r\n", b"250", b"\x16"])
async def test_bytes_behind_the_starttls_reply_end_the_session(
    slipped: bytes, serving: ssl.SSLContext, verifying: ssl.SSLContext
) -> None:
    """Catalogue C4, S3: clear text must not be read as if it came over TLS."""
    async with (
        Sink(starttls=serving) as sink,
        downstream_to(sink, query="?tls=require", verifying=verifying) as downstream,
    ):
        sink.on("STARTTLS", Say(b"220 2.0.0 go\r\n" + slipped))

        outcome = await downstream.send(A_COPY)

        assert NO_TLS == outcome
        assert [b"EHLO relay.example", b"STARTTLS"] == sink.commands


async def test_what_was_offered_in_clear_is_forgotten(
    serving: ssl.SSLContext, verifying: ssl.SSLContext
) -> None:
    """Catalogue C3, C4: RFC 3207 4.2."""
    async with (
        Sink(
            starttls=serving,
            extensions=("PIPELINING", "SMTPUTF8", "SIZE 20"),
            tls_extensions=("8BITMIME",),
        ) as sink,
        downstream_to(sink, query="?tls=require", verifying=verifying) as downstream,
    ):
        await downstream.probe()

        offered = downstream.capabilities
        assert (None, False, True, False) == (
            offered.size,
            offered.pipelining,
            offered.eightbit,
            offered.smtputf8,
        )


async def test_opportunistic_tls_takes_any_certificate(stranger: ssl.SSLContext) -> None:
    """Catalogue C4."""
    async with Sink(starttls=stranger) as sink, downstream_to(sink) as downstream:
        outcome = await downstream.send(A_COPY)

        assert isinstance(outcome, Delivered)
        assert b"STARTTLS" == sink.commands[1]


async def test_opportunistic_tls_falls_back_to_clear_text() -> None:
    """Catalogue C4: a handshake that fails is tried again without, on a new connection."""
    broken = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # without a certificate no handshake succeeds
    async with Sink(starttls=broken) as sink, downstream_to(sink, query="?tls=may") as downstream:
        outcome = await downstream.send(A_COPY)

        assert isinstance(outcome, Delivered)
        assert 2 == len(sink.clients)
        assert b"STARTTLS" not in sink.clients[1].commands


async def test_no_tls_means_none(serving: ssl.SSLContext) -> None:
    """Catalogue C4."""
    async with Sink(starttls=serving) as sink, downstream_to(sink, query="?tls=none") as downstream:
        outcome = await downstream.send(A_COPY)

        assert isinstance(outcome, Delivered)
        assert b"STARTTLS" not in sink.commands


async def test_implicit_tls_is_verified_and_used(
    serving: ssl.SSLContext, verifying: ssl.SSLContext
) -> None:
    """Catalogue C4."""
    async with (
        Sink(implicit_tls=serving) as sink,
        downstream_to(sink, scheme="smtps", verifying=verifying) as downstream,
    ):
        outcome = await downstream.send(A_COPY)

        assert isinstance(outcome, Delivered)


async def test_implicit_tls_with_an_unknown_certificate_defers(
    stranger: ssl.SSLContext, verifying: ssl.SSLContext
) -> None:
    """Catalogue C4."""
    async with (
        Sink(implicit_tls=stranger) as sink,
        downstream_to(sink, scheme="smtps", verifying=verifying) as downstream,
    ):
        outcome = await downstream.send(A_COPY)

        assert NO_TLS == outcome


@pytest.mark.parametrize("query", ["", "?tls=may", "?tls=require"])
async def test_credentials_never_leave_in_clear_text(query: str) -> None:
    """Catalogue C4: a peer without STARTTLS gets 451 and no AUTH line."""
    async with (
        Sink(extensions=(*PLAIN_EXTENSIONS, "AUTH PLAIN LOGIN")) as sink,
        downstream_to(sink, query=query, user="acme", password="secret") as downstream,
    ):
        outcome = await downstream.send(A_COPY)

        assert NO_TLS == outcome
        assert [b"EHLO relay.example"] == sink.commands


async def test_credentials_never_go_to_a_stranger(
    stranger: ssl.SSLContext, verifying: ssl.SSLContext
) -> None:
    """Catalogue C4: tls=may would take any certificate, but not for a password."""
    async with (
        Sink(starttls=stranger, extensions=("AUTH PLAIN",)) as sink,
        downstream_to(
            sink, query="?tls=may", user="acme", password="secret", verifying=verifying
        ) as downstream,
    ):
        outcome = await downstream.send(A_COPY)

        assert NO_TLS == outcome
        assert [] == [line for line in sink.commands if line.startswith(b"AUTH")]


@pytest.mark.parametrize(
    ("offered", "said"),
    [
        ("AUTH LOGIN PLAIN", [_plain("acme", "sécret")]),
        (
            "auth login",
            [b"AUTH LOGIN", base64.b64encode(b"acme"), base64.b64encode("sécret".encode())],
        ),
    ],
)
async def test_authentication_by_what_is_offered(
    offered: str, said: list[bytes], serving: ssl.SSLContext, verifying: ssl.SSLContext
) -> None:
    """Catalogue C4: RFC 4616, and LOGIN for peers that know no better."""
    async with (
        Sink(starttls=serving, extensions=("PIPELINING", offered)) as sink,
        downstream_to(sink, user="acme", password="sécret", verifying=verifying) as downstream,
    ):
        outcome = await downstream.send(A_COPY)

        assert isinstance(outcome, Delivered)
        assert said == sink.commands[3 : 3 + len(said)]


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (Say(b"535 5.7.8 wrong\r\n"), "Downstream declined our login: 535 5.7.8 wrong"),
        (Say(b"454 4.7.0 later\r\n"), "Downstream declined our login: 454 4.7.0 later"),
        (Say(b"334 \r\n"), "Downstream declined our login: 334 3.0.0 No text was given"),
        (Say(b"?\r\n"), "Downstream authentication failed"),
        (Drop(), "Downstream authentication failed"),
        (Silence(), "Downstream authentication failed"),
    ],
)
async def test_refused_credentials_defer(
    action: Say | Drop | Silence, text: str, serving: ssl.SSLContext, verifying: ssl.SSLContext
) -> None:
    """Catalogue X6: never 535 to the upstream, but as text."""
    async with (
        Sink(starttls=serving, extensions=("AUTH PLAIN",)) as sink,
        downstream_to(
            sink, user="acme", password="secret", verifying=verifying, timeouts=IMPATIENT
        ) as downstream,
    ):
        sink.on("AUTH", action)

        outcome = await downstream.send(A_COPY)

        assert Deferred(reply=Reply(451, "4.7.0", text)) == outcome
        assert [] == sink.received


async def test_a_peer_without_authentication_defers(
    serving: ssl.SSLContext, verifying: ssl.SSLContext
) -> None:
    """Catalogue X6, C4."""
    async with (
        Sink(starttls=serving, extensions=("AUTH CRAM-MD5",)) as sink,
        downstream_to(sink, user="acme", password="secret", verifying=verifying) as downstream,
    ):
        outcome = await downstream.send(A_COPY)

        assert NOT_AUTHENTICATED == outcome
