"""Placeholders on their way through the whole relay: replaced for each recipient, signed after
it.
"""

import base64
import re
import threading
from collections.abc import Iterator
from dataclasses import replace

import dkim
import pytest

from app.core.errors import TokenPurposeWrong
from app.core.mail.canonical import BodyMode
from app.core.mail.macros import Placeholder
from app.core.mail.macros_plan import BodyPlan, plan_body
from app.core.mail.macros_text import Pieces, Urls
from app.core.mail.message import parse
from app.core.model import (
    Campaign,
    ExistingSignature,
    GroupId,
    Management,
    Purpose,
    Recipient,
    RecipientDigest,
    StrayPlaceholder,
    SubscriptionGroup,
)
from app.core.page_links import PageLinkMaker
from smtp_proxy.relay.outgoing import OWN_BODIES_BYTES, OwnBodies
from smtp_proxy.relay.policy import Policy
from tests.core.test_page_links import CODEC
from tests.support.dkim_keys import dkim_key, dns
from tests.support.relay import ACME, NOW_MS, PROMOTIONAL, Relay, relaying, url_of, without_trace

URL = re.compile(rb"https://unsubscribe\.example\.com/(unsubscribe|preferences)\?e=([\w-]+)")
HEAD = PROMOTIONAL.partition(b"\r\n\r\n")[0] + b"\r\n"


def mail(body: bytes, fields: bytes = b"") -> bytes:
    return HEAD + fields + b"\r\n" + body


def body_of(copy: bytes) -> bytes:
    return copy.partition(b"\r\n\r\n")[2]


def owners(relay: Relay) -> dict[bytes, str]:
    """Return whose token each copy's body carries, by the recipient of the copy."""
    found = {}
    for copy in relay.sink.received:
        token = URL.search(copy.content)
        assert token is not None
        found[copy.recipients[0]] = relay.codec.open(
            token[2].decode(), purpose=Purpose.PREFERENCES
        ).address
    return found


@pytest.mark.parametrize("mode", BodyMode)
async def test_each_copy_has_its_own_page_link_and_a_signature_over_it(mode: BodyMode) -> None:
    """Catalogue D5, D17, T4, X11: replaced before it is signed."""
    recipients = tuple(f"user{n}@example.net" for n in range(30))
    async with relaying(keys=(dkim_key(mode=mode),)) as relay:
        reply = await relay.relayed(mail(b"Leave:  *|UNSUBSCRIBE|*  \r\n.\r\n\r\n"), *recipients)

        assert reply.startswith("250 ")
        assert {f"RCPT TO:<{address}>".encode(): address for address in recipients} == owners(relay)
        for copy in relay.sink.received:
            assert dkim.verify(copy.content, dnsfunc=dns)
            assert re.fullmatch(
                rb"Leave:  https://unsubscribe\.example\.com/unsubscribe\?e=[\w-]+  \r\n\.\r\n\r\n",
                body_of(copy.content),
            )


async def test_everything_outside_the_placeholder_leaves_as_it_came() -> None:
    """Catalogue H9."""
    sent = mail(
        b"caf=C3=A9 =\r\n*|UNSUB=\r\nSCRIBE|* end\r\n",
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding:"
        b" Quoted-Printable\r\n",
    )
    async with relaying() as relay:
        await relay.relayed(sent)

    rest = re.split(
        rb"List-Unsubscribe-Post: .*\r\n", without_trace(relay.sink.received[0].content)
    )[1]
    head, _, body = rest.partition(b"\r\n\r\n")
    assert (
        head + b"\r\n\r\n"
        == sent.replace(b"X-Signoff-Campaign: spring-24\r\n", b"").partition(b"caf")[0]
    )
    assert body.startswith(b"caf=C3=A9 =\r\nhttps://unsubscribe.example.com/unsubscribe?e=3D")
    assert body.endswith(b" end\r\n")


async def test_a_page_token_is_no_one_click_token_and_stands_in_no_header() -> None:
    """Catalogue T4."""
    async with relaying() as relay:
        await relay.relayed(mail(b"*|UNSUBSCRIBE|*\r\n"))

    copy = relay.sink.received[0].content
    found = URL.search(copy)
    assert found is not None
    assert found[2] not in copy.partition(b"\r\n\r\n")[0]
    assert url_of(copy).encode() not in body_of(copy)
    with pytest.raises(TokenPurposeWrong):
        relay.codec.open(found[2].decode(), purpose=Purpose.ONE_CLICK)


@pytest.mark.parametrize(
    ("archived", "page"), [(None, b"unsubscribe"), (True, b"unsubscribe"), (False, b"preferences")]
)
async def test_preferences_are_managed_only_where_there_are_groups(
    archived: bool | None, page: bytes
) -> None:
    async with relaying() as relay:
        if archived is not None:
            group = SubscriptionGroup(id=GroupId("news"), name="News", archived=archived)
            await relay.groups.add(ACME.number, group, most_active=50)
        await relay.relayed(mail(b"*|CT_MANAGE_PREFERENCES|*\r\n"))

    found = URL.search(relay.sink.received[0].content)
    assert found is not None
    assert page == found[1]


async def test_a_test_send_carries_page_tokens_that_are_marked_so() -> None:
    """Catalogue H12."""
    async with relaying() as relay:
        await relay.relayed(mail(b"%unsubscribe_url%\r\n", b"X-Signoff-Test: yes\r\n"))

        found = URL.search(relay.sink.received[0].content)
        assert found is not None
        assert relay.codec.open(found[2].decode(), purpose=Purpose.PREFERENCES).test


async def test_a_brand_without_links_of_its_own_still_has_its_placeholders_replaced() -> None:
    async with relaying(replace(ACME, management=Management.NONE)) as relay:
        await relay.relayed(mail(b"*|UNSUBSCRIBE|*\r\n"))

    copy = relay.sink.received[0].content
    assert URL.search(copy)
    assert dkim.verify(copy, dnsfunc=dns)


async def test_without_a_key_the_bare_policy_replaces_too() -> None:
    async with relaying(
        keys=(), policy=Policy(hostname="relay.example", pass_unsigned=True)
    ) as relay:
        await relay.relayed(mail(b"*|UNSUBSCRIBE|*\r\n"))

    assert URL.search(relay.sink.received[0].content)


async def test_a_transactional_mail_keeps_its_bytes_where_the_brand_wants_a_warning() -> None:
    """Catalogue H9, H10, N6."""
    reset = mail(b"reset: *|UNSUBSCRIBE|* {{amazonSESUnsubscribeUrl}}\r\n").replace(
        b"X-Signoff-Campaign: spring-24\r\n", b""
    )
    async with relaying(replace(ACME, stray_placeholder=StrayPlaceholder.WARN)) as relay:
        reply = await relay.relayed(reset)

    assert reply.startswith("250 ")
    assert reset == without_trace(relay.sink.received[0].content)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"*|UNSUBSCRIBE|*" * 10, b""),
        (b"*|UNSUBSCRIBE|*", b"Content-Type: text/plain; charset=x-martian\r\n"),
        (base64.b64encode(b"*|UNSUBSCRIBE|*") + b"!", b"Content-Transfer-Encoding: base64\r\n"),
        (b"*|UNSUBSCRIBE|*", b"Content-Type: multipart/alternative\r\n"),
    ],
)
async def test_a_placeholder_that_cannot_be_replaced_is_refused_and_nobody_gets_it(
    body: bytes, fields: bytes
) -> None:
    """Catalogue X11."""
    async with relaying() as relay:
        reply = await relay.relayed(mail(body + b"\r\n", fields), "a@example.net", "b@example.net")

    assert reply.startswith("554 5.6.0 A placeholder cannot be filled in (docs/placeholders.md): ")
    assert relay.sink.received == []


async def test_a_signed_mail_is_relayed_with_its_placeholder_as_signed() -> None:
    """Catalogue X10: fields only."""
    signed = (
        b"--b\r\n\r\n*|UNSUBSCRIBE|*\r\n--b\r\nContent-Type:"
        b" application/pgp-signature\r\n\r\n-----\r\n--b--\r\n"
    )
    async with relaying() as relay:
        reply = await relay.relayed(
            mail(signed, b'Content-Type: multipart/signed; boundary="b"\r\n')
        )

    copy = relay.sink.received[0].content
    assert reply.startswith("250 ")
    assert signed == body_of(copy)
    assert b"\nList-Unsubscribe: <https://" in copy
    assert dkim.verify(copy, dnsfunc=dns)


@pytest.mark.parametrize(
    ("existing", "left"), [(ExistingSignature.KEEP, 2), (ExistingSignature.STRIP, 1)]
)
async def test_a_signature_that_the_new_body_breaks_goes_by_the_brands_policy(
    existing: ExistingSignature, left: int
) -> None:
    """Catalogue D10: every signature covers the body."""
    theirs = (
        b"DKIM-Signature: v=1; a=rsa-sha256; d=acme.example; s=old; h=from:to; bh=AAAA; b=AAAA\r\n"
    )
    async with relaying(replace(ACME, existing_signature=existing)) as relay:
        await relay.relayed(theirs + mail(b"*|UNSUBSCRIBE|*\r\n"))
        await relay.relayed(theirs + mail(b"no placeholder\r\n"))

    assert [left, 2] == [
        copy.content.count(b"\nDKIM-Signature:") + copy.content.startswith(b"DKIM")
        for copy in relay.sink.received
    ]


async def test_a_large_body_is_filled_in_for_every_recipient() -> None:
    """Catalogue D8: searched and hashed beside the event loop."""
    lines = (
        b"0123456789 *|UNSUBSCRIBE|*\r\n" + "€ and so on, as long as it is\r\n".encode() * 60_000
    )
    recipients = tuple(f"user{n}@example.net" for n in range(12))
    async with relaying() as relay:
        await relay.relayed(mail(lines, b"Content-Transfer-Encoding: 8bit\r\n"), *recipients)

        assert {f"RCPT TO:<{address}>".encode(): address for address in recipients} == owners(relay)
        assert all(dkim.verify(copy.content, dnsfunc=dns) for copy in relay.sink.received[:2])
        assert all(body_of(copy.content).endswith(lines[30:]) for copy in relay.sink.received)


@pytest.mark.parametrize(
    ("size", "at_once"),
    [(0, 20), (100_000, 20), (OWN_BODIES_BYTES // 5, 5), (OWN_BODIES_BYTES * 2, 1)],
)
def test_the_larger_the_body_the_fewer_copies_are_under_way(size: int, at_once: int) -> None:
    """Catalogue S7, X13: bodies of their own take memory."""
    message = parse(
        mail(b"*|UNSUBSCRIBE|*".rjust(size), b"Content-Transfer-Encoding: quoted-printable\r\n")
    )
    plan = plan_body(message, url_chars=100)
    links = PageLinkMaker(codec=CODEC, public_url="https://u.example.com")

    assert plan is not None
    pages = links.for_message(ACME, Campaign(), at_ms=NOW_MS, has_groups=False)
    assert at_once == OwnBodies(plan=plan, pages=pages).at_once(20)


class Noting:
    """A text that notes in which thread it is filled in."""

    pieces = Pieces(
        constant=(memoryview(b""), memoryview(b"")),
        placeholders=(Placeholder.UNSUBSCRIBE,),
        html=False,
        codec="ascii",
    )

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    def fill(self, urls: Urls) -> Iterator[bytes | memoryview]:
        self.threads.append(threading.current_thread())
        return self.pieces.filled(urls)


@pytest.mark.parametrize(("size", "beside"), [(10_000, False), (1_000_000, True)])
async def test_a_large_body_is_filled_in_beside_the_event_loop(size: int, beside: bool) -> None:
    """Catalogue D8: 24 MB of Base64 take half a second, in which no other session would be
    heard.
    """
    text = Noting()
    plan = BodyPlan(body=memoryview(bytes(size)), texts=((0, 15, text),), most_octets=size + 1000)
    pages = PageLinkMaker(codec=CODEC, public_url="https://u.example.com").for_message(
        ACME, Campaign(), at_ms=NOW_MS, has_groups=False
    )

    body = await OwnBodies(plan=plan, pages=pages).for_copy(
        Recipient(address="ann@example.net", digest=RecipientDigest(b"0123456789"))
    )

    assert bytes(body.view).startswith(b"https://u.example.com/unsubscribe?e=")
    assert [beside] == [thread is not threading.main_thread() for thread in text.threads]
