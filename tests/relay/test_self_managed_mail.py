"""Mail of a brand that takes its one-click requests itself, through the whole relay (MoEngage's
documents).
"""

import base64
import re
import urllib.parse
from dataclasses import replace

import dkim
import pytest

from app.core import subject
from app.core.groups import group_key
from app.core.model import GroupId, Management, Purpose
from tests.support.dkim_keys import dns
from tests.support.relay import ACME, PROMOTIONAL, relaying, url_of

OWN = replace(
    ACME,
    management=Management.SELF_MANAGED,
    one_click_url=(
        "https://www.acme.example/unsubscribe?emailAddress={{UserAttribute['Email"
        " (Standard)']|default('email')}}"
    ),
    one_click_email="unsubscribe@acme.example",
    user_identifier="{{UserAttribute['ID']|default('ID')}}",
)
ATTRIBUTES = (
    b'X-Signoff-User-Attributes: {"ID": "c9af5dc5-add2-416d-8894-5cefdda2c460",\r\n "Plan":'
    b" null}\r\n"
)
STAMP = re.compile(
    rb"\nList-Unsubscribe: <(https://[^\s<>,;\"]+)>,\r\n"
    rb" <(mailto:[^\s<>,;\"]+)>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
)


async def test_the_copy_carries_the_brands_links_for_this_recipient_under_our_signature() -> None:
    """Catalogue H2, H3, H20, D1, M8, M9: as in the seed, to the identifier in Base64 before the
    first hyphen.
    """
    async with relaying(OWN, inbox_domain="in.example.com") as relay:
        reply = await relay.relayed(ATTRIBUTES + b"X-Signoff-Groups: news\r\n" + PROMOTIONAL)

    copy = relay.sink.received[0].content
    found = STAMP.search(copy)
    assert found is not None
    url, mailto = found[1].decode(), found[2].decode()
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
    text = urllib.parse.unquote(mailto.partition("?subject=")[2])
    claims = relay.claims(copy, Purpose.CALLBACK)
    assert reply.startswith("250 ")
    assert query.keys() == {"emailAddress", "qmoe"}
    assert query["emailAddress"] == ["ann@example.net"]
    assert (claims.address, claims.campaign, claims.groups) == (
        "ann@example.net",
        "spring-24",
        (group_key(GroupId("news")),),
    )
    assert mailto.startswith("mailto:unsubscribe@acme.example?subject=Unsubscribe%20%7C%20cattr%3A")
    assert (
        base64.b64decode(text.partition("cattr:")[2].partition("-")[0])
        == b"c9af5dc5-add2-416d-8894-5cefdda2c460"
    )
    assert (
        relay.codec.open(subject.decode(text)[1], purpose=Purpose.MAILTO).address
        == "ann@example.net"
    )
    assert b"attributes" not in copy.lower()
    assert dkim.verify(copy, dnsfunc=dns)


async def test_each_recipient_gets_a_url_of_their_own() -> None:
    """Catalogue H11."""
    async with relaying(OWN) as relay:
        await relay.relayed(PROMOTIONAL, "ann@example.net", "bob+x@example.net")

    found = {
        urllib.parse.parse_qs(urllib.parse.urlsplit(url_of(copy.content)).query)["emailAddress"][
            0
        ]: relay.claims(copy.content, Purpose.CALLBACK)
        for copy in relay.sink.received
    }
    assert {address: claims.address for address, claims in found.items()} == {
        "ann@example.net": "ann@example.net",
        "bob+x@example.net": "bob+x@example.net",
    }


async def test_who_has_left_gets_no_mail_of_a_self_managed_brand_either() -> None:
    """Catalogue Q1; MoEngage's documents: users whose request the brand has returned are
    excluded.
    """
    async with relaying(OWN) as relay:
        await relay.leave("ann@example.net")
        await relay.relayed(PROMOTIONAL, "ann@example.net", "bob@example.net")

    assert [copy.recipients for copy in relay.sink.received] == [(b"RCPT TO:<bob@example.net>",)]


async def test_a_mail_sent_again_carries_the_same_links() -> None:
    """Catalogue D17: nothing is stored at sending time."""
    async with relaying(OWN) as relay:
        await relay.relayed(ATTRIBUTES + PROMOTIONAL)
        await relay.relayed(ATTRIBUTES + PROMOTIONAL)

    assert len({STAMP.findall(copy.content)[0] for copy in relay.sink.received}) == 1


@pytest.mark.parametrize(
    "value", ["x\\r\\nBcc: e@e.example", "\\u0000", "a,b;<c>", "\\u2028", "{{7*7}}", "#?&qmoe=1"]
)
async def test_no_attribute_breaks_out_of_the_field(value: str) -> None:
    """Catalogue L2, L4, H7."""
    brand = replace(
        OWN, one_click_url="https://www.acme.example/u?id={{UserAttribute['ID']|default('x')}}"
    )
    async with relaying(brand) as relay:
        reply = await relay.relayed(
            b'X-Signoff-User-Attributes: {"ID": "' + value.encode() + b'"}\r\n' + PROMOTIONAL
        )

    copy = relay.sink.received[0].content
    assert reply.startswith("250 ")
    assert STAMP.search(copy)
    assert b"\nBcc" not in copy
    assert b"49" not in STAMP.findall(copy)[0][0].partition(b"&qmoe=")[0]
    assert dkim.verify(copy, dnsfunc=dns)
