"""What mail software and balancers do to our URLs and around requests, and what of it is
forgiven.
"""

import asyncio

import pytest

from app.core.model import Purpose
from tests.web.running import Site

BODY = b"List-Unsubscribe=One-Click"


def request(token: str, body: bytes = BODY, fields: str = "", *, version: str = "1.1") -> bytes:
    head = (
        f"POST /u?qmoe={token} HTTP/{version}\r\nHost: unsubscribe.example\r\nContent-Type:"
        " application/x-www-form-urlencoded\r\n"
    )
    return f"{head}Content-Length: {len(body)}\r\n{fields}\r\n".encode() + body


@pytest.mark.parametrize(
    "surplus",
    [
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"x",
        b"\0\0\0",
        b"&a=b\r\n",
        b"List-Unsubscribe=One-Click" * 400,
        b"\r",
    ],
)
@pytest.mark.parametrize("fields", ["Connection: close\r\n", ""])
async def test_octets_behind_a_complete_body_never_replace_its_answer(
    site: Site, surplus: bytes, fields: str
) -> None:
    """Catalogue N10: 200, the state has changed, and no second answer follows."""
    async with site.wire() as wire:
        await wire.send(request(site.token(), fields=fields) + surplus)
        reply = await wire.answer()
        rest = b""
        if fields or surplus not in {b"\r\n", b"\r\n\r\n", b"\r"}:
            rest = await wire.rest()
        elif surplus != b"\r":  # which may yet become a line end
            await wire.send(request(site.token("eve@example.com"), fields="Connection: close\r\n"))
            assert 200 == (await wire.answer()).status

    assert 200 == reply.status
    assert await site.left()
    assert b"" == rest


async def test_a_second_request_behind_the_first_is_answered_too(site: Site) -> None:
    """Catalogue N10: RFC 9112 9.3.2."""
    async with site.wire() as wire:
        await wire.send(request(site.token()) + b"\r\n" + request(site.token("eve@example.com")))
        first, second = await wire.answer(), await wire.answer()

    assert (200, 200) == (first.status, second.status)
    assert await site.left("eve@example.com")


async def test_surplus_octets_may_come_later_than_the_answer(site: Site) -> None:
    """Catalogue N10."""
    async with site.wire() as wire:
        await wire.send(request(site.token()))
        first = await wire.answer()
        await wire.send(b"\r\n")
        await asyncio.sleep(0)
        await wire.send(request(site.token("eve@example.com"), fields="Connection: close\r\n"))
        second = await wire.answer()

    assert (200, 200) == (first.status, second.status)


async def test_chunked_and_http_1_0_with_surplus(site: Site) -> None:
    """Catalogue N10."""
    chunked = (
        f"POST /u?qmoe={site.token()} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:"
        " chunked\r\nConnection: close\r\n\r\n".encode()
    )
    async with site.wire() as wire:
        await wire.send(chunked + b"1a\r\n" + BODY + b"\r\n0\r\n\r\n\r\nxx")
        first = await wire.answer()
    async with site.wire() as wire:
        await wire.send(request(site.token("eve@example.com"), version="1.0") + b"\r\n")
        second = await wire.answer()

    assert (200, 200) == (first.status, second.status)


@pytest.mark.parametrize(
    "written",
    [
        "?qmoe=3D{t}", "?qmoe=%3D{t}", "?qmoe=3d{t}", "?a=b&amp;amp;qmoe={t}", "?a=b&amp;qmoe={t}",
        "?qmoe&#x3D;{t}", "?qmoe&#61;{t}", "?qmoe&equals;{t}", "?qmoe={t}&amp;utm_source=x",
        "?qmoe={t}?utm_source=x", "?qmoe={t}%22", "?qmoe={t}]", "?qmoe={t}%3Eclick", "?qmoe={t}#x",
        "?qmoe={t}/more", "?qmoe={t}!x=y", "?qmoe={t}%253E", "?qmoe=%3C{t}%3E", "/{t}?utm=1",
        "/{t}%22", "?QMOE={t}",
    ],
)  # fmt: skip
async def test_what_is_unambiguous_around_a_token_is_forgiven(site: Site, written: str) -> None:
    """Catalogue T11."""
    reply = await site.click(f"/u{written.replace('{t}', site.token())}")

    assert 200 == reply.status
    assert await site.left()


@pytest.mark.parametrize(
    "written", ["?qmoe=x{t}", "?qmoe={t}A", "?qmoe=", "?qmoe=3D", "?qmoe=]{t}"]
)
async def test_what_is_no_token_stays_one_constant_404(site: Site, written: str) -> None:
    """Catalogue E9."""
    reply = await site.click(f"/u{written.replace('{t}', site.token())}")

    assert (404, (await site.click("/u?qmoe=bad")).body) == (reply.status, reply.body)
    assert not await site.left()


async def test_the_links_of_pages_are_forgiven_alike(site: Site) -> None:
    """Catalogue T11."""
    token = site.token(purpose=Purpose.PREFERENCES)

    for written in (f"e=3D{token}", f"a=b&amp;amp;e={token}", f"e={token}]&x=y"):
        assert 200 == (await site.ask("GET", f"/preferences?{written}")).status


@pytest.mark.parametrize(
    ("method", "target"), [("GET", "/"), ("HEAD", "/"), ("OPTIONS", "*"), ("OPTIONS", "/")]
)
async def test_a_balancers_default_checks_find_the_server_alive(
    site: Site, method: str, target: str
) -> None:
    """Catalogue N34: and learn nothing."""
    reply = await site.ask(method, target)

    assert 200 == reply.status
    assert b"" == reply.body.strip()
    assert [] == reply.all("server")
    assert 0 == (await site.state()).sequence


async def test_a_post_to_the_root_is_nothing(site: Site) -> None:
    """Catalogue N34."""
    assert 405 == (await site.click("/")).status
