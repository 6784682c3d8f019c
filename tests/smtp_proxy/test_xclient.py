"""XCLIENT and XFORWARD: a listed proxy states its client, and nobody else does."""

import base64
import ipaddress
import ssl

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from app.core.model import BrandId
from smtp_proxy.replies import Reply
from smtp_proxy.session.limits import Limits
from smtp_proxy.session.submission import Client
from smtp_proxy.session.xclient import XCLIENT, XFORWARD, read_attributes, written
from tests.support.upstream import Recorder, connected, eventually, listening

LISTED: dict[str, object] = {"xclient_networks": (ipaddress.ip_network("127.0.0.0/8"),)}
MAIL = b"Subject: x\r\n\r\nhello\r\n.\r\n"
STATED = "XCLIENT NAME=mail.example ADDR=203.0.113.9 PORT=40000 PROTO=ESMTP HELO=there.example"


async def test_only_listed_peers_are_offered_both_and_heard() -> None:
    """Catalogue S20."""
    async with listening(Recorder(), **LISTED) as (_, port), connected(port, hello="") as upstream:
        offer = await upstream.say("EHLO proxy.example")
    async with listening(Recorder()) as (_, port), connected(port, hello="") as stranger:
        nothing = await stranger.say("EHLO proxy.example")
        refused = [await stranger.say(STATED), await stranger.say("XFORWARD ADDR=203.0.113.9")]

    assert (
        "250-XCLIENT NAME ADDR PORT PROTO HELO\n250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"
        in offer
    )
    assert "XCLIENT" not in nothing
    assert "XFORWARD" not in nothing
    assert [answer[:9] for answer in refused] == ["550 5.7.0", "550 5.7.0"]


async def test_the_session_goes_on_as_that_of_the_stated_client() -> None:
    """Catalogue S20."""
    handler = Recorder()
    networks = (ipaddress.ip_network("203.0.113.0/24"),)

    async with (
        listening(handler, trusted_networks=networks, **LISTED) as (_, port),
        connected(port) as upstream,
    ):
        before = await upstream.say("MAIL FROM:<a@acme.example>")
        greeting = await upstream.say(STATED)
        without_hello = await upstream.mail(MAIL)  # HELO and PROTO were stated
        await upstream.say("EHLO said.example")
        await upstream.mail(MAIL)

    client = Client(
        address="203.0.113.9",
        name="mail.example",
        helo="there.example",
        protocol="ESMTP",
        account=None,
    )
    assert before.startswith("530 5.7.0")
    assert greeting == "220 relay.example ESMTP"
    assert without_hello.startswith("250 2.0.0")
    assert handler.envelopes[0].client == client
    assert handler.envelopes[1].client.helo == "said.example"


@pytest.mark.parametrize(
    "stated",
    ["ADDR=203.0.113.9", "ADDR=[UNAVAILABLE]", "ADDR=[tempunavail]", "ADDR=IPv6:2001:db8::9"],
)
async def test_trust_is_lost_with_the_address_that_had_it(stated: str) -> None:
    """Catalogue S20, S4: the proxy is on loopback, which is trusted."""
    async with listening(Recorder(), **LISTED) as (_, port), connected(port) as upstream:
        before = await upstream.say("MAIL FROM:<a@acme.example>")
        await upstream.say("RSET")
        greeting = await upstream.say(f"XCLIENT {stated}")
        await upstream.say("EHLO client.example")
        after = await upstream.say("MAIL FROM:<a@acme.example>")

    assert before.startswith("250 2.1.0")
    assert greeting.startswith("220 ")
    assert after.startswith("530 5.7.0")


async def test_a_statement_may_be_split_and_ends_with_the_clients_own_hello() -> None:
    """Catalogue S20: a client that is handed the connection must not state an address of its
    choice.
    """
    async with listening(Recorder(), **LISTED) as (_, port), connected(port) as upstream:
        first = await upstream.say("XCLIENT NAME=mail.example")
        second = await upstream.say("XCLIENT ADDR=203.0.113.9")
        third = await upstream.say("XCLIENT HELO=there.example PROTO=SMTP")
        offer = await upstream.say("EHLO evil.example")
        fourth = await upstream.say("XCLIENT ADDR=127.0.0.1")
        mail = await upstream.say("MAIL FROM:<a@acme.example>")

    assert [answer[:3] for answer in (first, second, third)] == ["220"] * 3
    assert "XCLIENT" not in offer
    assert fourth.startswith("550 5.7.0")
    assert mail.startswith("530 5.7.0")


async def test_nothing_that_was_said_before_counts() -> None:
    """Catalogue S20."""
    async with listening(Recorder(), **LISTED) as (_, port), connected(port) as upstream:
        await upstream.say("MAIL FROM:<a@acme.example>")
        within = await upstream.say("XCLIENT ADDR=127.0.0.5")
        await upstream.say("RSET")
        await upstream.say("XCLIENT ADDR=127.0.0.5")
        answer = await upstream.say("MAIL FROM:<a@acme.example>")

    assert within.startswith("503 5.5.1")
    assert answer.startswith("503 5.5.1")  # no hello yet


async def test_a_stated_login_grants_no_account() -> None:
    """Catalogue S20, S4."""
    authority = trustme.CA()
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(serving)
    authority.configure_trust(trusting)

    async def accounts(user: str, password: bytes) -> BrandId | None:
        return BrandId("acme") if (user, password) == ("news", b"secret") else None

    terms = {"tls": serving, "trusted_networks": (), "authenticator": accounts, **LISTED}
    async with listening(Recorder(), **terms) as (_, port), connected(port) as upstream:
        await upstream.say("STARTTLS")
        await upstream.secure(trusting)
        await upstream.say("EHLO proxy.example")
        await upstream.say("AUTH PLAIN " + base64.b64encode(b"\0news\0secret").decode())
        greeting = await upstream.say("XCLIENT ADDR=203.0.113.9 LOGIN=news")
        await upstream.say("EHLO client.example")
        answer = await upstream.say("MAIL FROM:<a@acme.example>")

    assert greeting.startswith("220 ")
    assert answer.startswith("530 5.7.0")


async def test_the_stated_address_is_the_one_that_is_counted() -> None:
    """Catalogue S20, S16."""
    limits = Limits(max_connections_per_address=1)

    async with (
        listening(Recorder(), limits=limits, **LISTED) as (server, port),
        connected(port) as first,
    ):
        await first.say("XCLIENT ADDR=203.0.113.9")
        async with connected(port) as second:  # there is room again for the proxy itself
            answer = await second.say("XCLIENT ADDR=203.0.113.9")
            assert await second.rest() == b""

        assert answer.startswith("421 4.7.0")
        assert await eventually(lambda: server.connections == 1)


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "ADDR",
        "ADDR=",
        "ADDR=nowhere",
        "ADDR=203.0.113.999",
        "ADDR=IPV6:203.0.113.9",
        "SHOE=44",
        "PORT=99999",
        "PROTO=LMTP",
        "NAME=a+0D+0Ab",
        "NAME=+FF",
        "NAME=+4",
        "NAME=a=b",
        "HELO=" + "x" * 256,
        "IDENT=x",
    ],
)
async def test_what_is_no_attribute_is_refused_and_changes_nothing(arguments: str) -> None:
    """Catalogue S20."""
    async with listening(Recorder(), **LISTED) as (_, port), connected(port) as upstream:
        refused = await upstream.say(f"XCLIENT {arguments}".rstrip())
        after = await upstream.say("MAIL FROM:<a@acme.example>")

    assert refused.startswith("501 5.5.4")
    assert after.startswith("250 2.1.0")


async def test_what_is_forwarded_goes_with_one_transaction() -> None:
    """Catalogue S20."""
    handler = Recorder()

    async with listening(handler, **LISTED) as (_, port), connected(port) as upstream:
        answers = [
            await upstream.say("XFORWARD NAME=spike.example ADDR=IPV6:2001:db8::9 PORT=40000"),
            await upstream.say(
                "xforward proto=esmtp helo=[unavailable] ident=4f+2B2 source=remote"
            ),
        ]
        await upstream.mail(MAIL)
        await upstream.mail(MAIL)
        await upstream.say("XFORWARD ADDR=203.0.113.9")
        await upstream.say("RSET")
        await upstream.mail(MAIL)
        await upstream.say("MAIL FROM:<a@acme.example>")
        within = await upstream.say("XFORWARD ADDR=203.0.113.9")

    assert answers == ["250 2.0.0 OK"] * 2
    assert [envelope.forwarded for envelope in handler.envelopes] == [
        (
            (b"NAME", b"spike.example"),
            (b"ADDR", b"IPV6:2001:db8::9"),
            (b"PORT", b"40000"),
            (b"PROTO", b"ESMTP"),
            (b"HELO", b"[UNAVAILABLE]"),
            (b"IDENT", b"4f+2B2"),
            (b"SOURCE", b"REMOTE"),
        ),
        (),
        (),
    ]
    assert {envelope.client.address for envelope in handler.envelopes} == {"127.0.0.1"}
    assert within.startswith("503 5.5.1")


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20
)


@given(st.dictionaries(st.sampled_from([b"NAME", b"HELO", b"IDENT"]), WORDS, min_size=1))
def test_attributes_survive_being_written_and_read(attributes: dict[bytes, str | None]) -> None:
    """Catalogue S20."""
    line = b" ".join(name + b"=" + value for name, value in written(attributes))

    assert read_attributes(line, XFORWARD) == attributes


@given(st.binary(max_size=80))
def test_whatever_is_stated_is_read_or_refused(argument: bytes) -> None:
    """Catalogue S20."""
    for known in (XCLIENT, XFORWARD):
        found = read_attributes(argument, known)
        assert isinstance(found, Reply) or found
