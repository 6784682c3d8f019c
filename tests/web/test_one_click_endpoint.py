"""The one-click URL over real connections: what acts, what does not, and what every answer looks
like.

The cases W1 to W14 are the vectors of docs/requirements.md.
"""

import asyncio

import pytest

from app.core.groups import group_key
from app.core.keyring import KeyStatus, MasterKey
from app.core.model import GroupId, Purpose
from app.http.requests import MAX_BODY_BYTES, MAX_DRAINED_BYTES
from tests.web.running import ACME, KEYS, Site, codec_of, running

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BOUNDARY = "-FormBoundaryjWmhtjORrn"
PART = (
    f"--{BOUNDARY}\r\nContent-Disposition: form-data;"
    f' name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--{BOUNDARY}--'
)
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
CLICK = b"List-Unsubscribe=One-Click"

VECTORS = {
    "W1 urlencoded": (FORM, CLICK),
    "W2 multipart": (MULTIPART, f"{PART}\r\n".encode()),
    "W3 multipart without the last line end": (MULTIPART, PART.encode()),
    "W4 multipart with bare line feeds": (MULTIPART, PART.replace("\r\n", "\n").encode()),
    "W5 multipart without its boundary": ({"Content-Type": "multipart/form-data"}, PART.encode()),
    "W6 multipart announced, urlencoded sent": (MULTIPART, CLICK),
    "W7 no body and no length": ({}, None),
    "W8 no content type": ({}, CLICK),
    "W9 plain text": ({"Content-Type": "text/plain"}, CLICK),
    "W10 json": ({"Content-Type": "application/json"}, b'{"List-Unsubscribe":"One-Click"}'),
    "W14 other case and a line end": (
        {"Content-Type": "Application/X-WWW-Form-Urlencoded; charset=UTF-8"},
        b"list-unsubscribe=one-click%0D%0A",
    ),
}
RAW = {
    "W11 chunked": (
        b"POST {} HTTP/1.1\r\nHost: u\r\nTransfer-Encoding:"
        b" chunked\r\n\r\n1a\r\nList-Unsubscribe=One-Click\r\n0\r\n\r\n"
    ),
    "W12 HTTP/1.0 without a host": (
        b"POST {} HTTP/1.0\r\nContent-Length: 26\r\n\r\nList-Unsubscribe=One-Click"
    ),
}


@pytest.mark.parametrize("vector", VECTORS)
async def test_any_body_on_a_valid_token_unsubscribes(site: Site, vector: str) -> None:
    """Catalogue E1, E2, E3."""
    fields, body = VECTORS[vector]

    reply = await site.ask("POST", f"/u?qmoe={site.token()}", fields=fields, body=body)

    assert 200 == reply.status
    assert "text/plain; charset=utf-8" == reply["content-type"]
    assert await site.left()


@pytest.mark.parametrize("vector", RAW)
async def test_any_framing_of_the_body_unsubscribes(site: Site, vector: str) -> None:
    """Catalogue E3."""
    request = RAW[vector].replace(b"{}", f"/u?qmoe={site.token()}".encode())

    async with site.wire() as wire:
        await wire.send(request)
        reply = await wire.answer()

    assert 200 == reply.status
    assert await site.left()


async def test_a_client_that_expects_100_continue_is_told_to_continue(site: Site) -> None:
    """Catalogue E3 (vector W13)."""
    async with site.wire() as wire:
        await wire.send(
            f"POST /u?qmoe={site.token()} HTTP/1.1\r\nHost: u.example\r\nContent-Length:"
            " 26\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        interim = await wire.answer()
        before = await site.left()
        await wire.send(CLICK)
        reply = await wire.answer()

    assert (100, 200) == (interim.status, reply.status)
    assert not before
    assert await site.left()


@pytest.mark.parametrize(
    "target", ["/u?qmoe={}", "/u/?qmoe={}", "//u?qmoe={}", "/u/{}", "/u/{}/", "//u/{}", "/u?utm_source=x&qmoe={}&utm=1",
     "/u?QMOE={}",
               "/u?utm=1&amp;qmoe={}", "/u?qmoe%3D{}", "/u?qmoe={}%3E", "/u?qmoe=%20{}.", "http://unsubscribe.example.com/u?qmoe={}",
               "HTTPS://unsubscribe.example.com/u?qmoe={}", "http://[broken/u?qmoe={}"]
)  # fmt: skip
async def test_every_spelling_of_the_url_unsubscribes_without_a_redirect(
    site: Site, target: str
) -> None:
    """Catalogue E5, T11."""
    reply = await site.click(target.format(site.token()))

    assert 200 == reply.status
    assert [] == reply.all("location")
    assert await site.left()


async def test_a_post_needs_no_cookie_no_origin_and_no_known_client(site: Site) -> None:
    """Catalogue E6, E22, L7."""
    reply = await site.click(
        f"/u?qmoe={site.token()}",
        Origin="https://evil.example",
        Sec_Fetch_Site="cross-site",
        User_Agent="\x7f nobody knows this",
        Cookie="session=x",
    )

    assert 200 == reply.status
    assert [] == reply.all("set-cookie")
    assert await site.left()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
async def test_no_other_method_changes_anything(site: Site, method: str) -> None:
    """Catalogue E4, E5."""
    for _ in range(20):
        reply = await site.ask(
            method, f"/u?qmoe={site.token()}", fields={"Sec-Purpose": "prefetch"}
        )
        assert [] == reply.all("location")

    assert not await site.left()
    assert reply.status == (200 if method in {"GET", "HEAD"} else 405)


async def test_a_prefetch_gets_the_page_and_changes_nothing(site: Site) -> None:
    """Catalogue E25, E21."""
    reply = await site.ask(
        "GET",
        f"/u?qmoe={site.token()}",
        fields={"Sec-Purpose": "prefetch", "User-Agent": "Barracuda Sentinel"},
    )
    afterwards = await site.left()
    click = await site.click(f"/u?qmoe={site.token()}", User_Agent="Barracuda Sentinel")

    assert (200, 200) == (reply.status, click.status)
    assert not afterwards
    assert await site.left()


async def test_an_unknown_method_hears_which_ones_there_are(site: Site) -> None:
    """Catalogue E13."""
    reply = await site.ask("PUT", f"/u?qmoe={site.token()}")

    assert 405 == reply.status
    assert "GET, HEAD, POST" == reply["allow"]


async def test_second_click_changes_nothing(site: Site) -> None:
    """Catalogue E7."""
    replies = await asyncio.gather(*(site.click(f"/u?qmoe={site.token()}") for _ in range(100)))

    assert {200} == {reply.status for reply in replies}
    assert 1 == (await site.state()).sequence
    assert 1 == len(
        await site.store.history(ACME, site.codec.digest("bob@example.com", brand=ACME))
    )


async def test_the_answer_is_503_until_something_is_durable(site: Site) -> None:
    """Catalogue E8."""
    site.store.down = True

    while_down = await site.click(f"/u?qmoe={site.token()}")
    site.store.down = False
    left_while_down = await site.left()
    after = await site.click(f"/u?qmoe={site.token()}")

    assert 503 == while_down.status
    assert while_down["retry-after"].isdigit()
    assert not left_while_down
    assert 200 == after.status
    assert await site.left()


async def test_every_bad_token_gets_the_same_answer(site: Site) -> None:
    """Catalogue E9."""
    foreign = codec_of(MasterKey(id=3, secret=b"x" * 32, status=KeyStatus.PRIMARY))
    unknown_key = codec_of(MasterKey(id=77, secret=b"y" * 32, status=KeyStatus.PRIMARY))
    good = site.token()
    garbage = [
        "", "x", "%00%ff", "A" * 5000, good[:-1], good[::-1],
        good[:20] + ("A" if good[20] != "A" else "B") + good[21:], "<script>",
        site.token(codec=foreign), site.token(codec=unknown_key),
        site.token(purpose=Purpose.CALLBACK), site.token(purpose=Purpose.MAILTO),
    ]  # fmt: skip

    replies = [await site.click(f"/u?qmoe={token}") for token in garbage]

    assert {404} == {reply.status for reply in replies}
    assert 1 == len(
        {
            (reply.body, tuple(field for field in reply.fields if field[0] != "date"))
            for reply in replies
        }
    )


async def test_a_token_whose_recipient_nobody_knows_is_good(site: Site) -> None:
    """Catalogue E9."""
    reply = await site.click(f"/u?qmoe={site.token('never.seen@example.org')}")

    assert 200 == reply.status
    assert await site.left("never.seen@example.org")


async def test_valid_tokens_are_never_throttled_and_bad_ones_are() -> None:
    """Catalogue E10."""
    async with running(bad_tokens_per_minute=5) as site:
        bad = [(await site.click("/u?qmoe=bad")).status for _ in range(8)]
        page = await site.ask("GET", "/u?qmoe=bad")
        async with site.wire() as wire:
            good = []
            for number in range(500):
                target = f"/u?qmoe={site.token(f'r{number}@example.com')}"
                await wire.send(
                    f"POST {target} HTTP/1.1\r\nHost: u\r\nContent-Length: 0\r\n\r\n".encode()
                )
                good.append((await wire.answer()).status)

    assert [404] * 5 + [429] * 3 == bad
    assert 429 == page.status
    assert [200] * 500 == good


async def test_a_long_body_unsubscribes_and_the_connection_goes_on(site: Site) -> None:
    """Catalogue E11."""
    body = b"x" * (1024 * 1024)

    async with site.wire() as wire:
        for _ in range(2):
            await wire.send(
                f"POST /u?qmoe={site.token()} HTTP/1.1\r\nHost: u\r\nContent-Length:"
                f" {len(body)}\r\n\r\n".encode()
                + body
            )
            reply = await wire.answer()
            assert 200 == reply.status

    assert len(body) > MAX_BODY_BYTES
    assert await site.left()


async def test_an_endless_body_unsubscribes_and_ends_the_connection(site: Site) -> None:
    """Catalogue E11."""
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

    async with site.wire() as wire:
        await wire.send(
            f"POST /u?qmoe={site.token()} HTTP/1.1\r\nHost: u\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        for _ in range(MAX_DRAINED_BYTES // 0x10000 + 2):
            await wire.send(chunk)
        reply = await wire.answer()

    assert 200 == reply.status
    assert "close" == reply["connection"]
    assert await site.left()


async def test_semicolons_by_the_million_cost_nothing_since_nobody_parses_them(site: Site) -> None:
    """Catalogue E11, L10."""
    reply = await site.click(f"/u?qmoe={site.token()}", b"a;" * 500_000)

    assert 200 == reply.status


async def test_an_old_key_opens_and_an_old_token_leaves_again(site: Site) -> None:
    """Catalogue T8, T3."""
    old = codec_of(MasterKey(id=1, secret=KEYS[0].secret, status=KeyStatus.PRIMARY))
    token = site.token(codec=old)

    first = await site.click(f"/u?qmoe={token}")
    again = await site.click(f"/u?qmoe={token}")

    assert (200, 200) == (first.status, again.status)
    assert await site.left()


async def test_a_test_token_is_acknowledged_and_saves_nothing(site: Site) -> None:
    """Catalogue H12."""
    reply = await site.click(f"/u?qmoe={site.token(test=True)}")

    assert 200 == reply.status
    assert not await site.left()
    assert 0 == (await site.state()).sequence


async def test_a_token_of_one_list_leaves_that_list_only(site: Site) -> None:
    """Catalogue Q5, T4."""
    news, offers = group_key(GroupId("news")), group_key(GroupId("offers"))
    await site.click(f"/u?qmoe={site.token(groups=('news',))}")

    state = await site.state()

    assert state.everything.subscribed
    assert not state.groups[news].subscribed
    assert offers not in state.groups
