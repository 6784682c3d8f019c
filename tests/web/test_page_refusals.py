"""What the preference pages refuse: links that are not for them, forms that are not theirs, more
than a form can be.
"""

import pytest

from app.core.model import Purpose
from app.http.forms import MAX_BODY_BYTES, MAX_FIELDS
from app.web.languages import LANGUAGES
from tests.web.choosing import Form, key, link, off, opened, pressed, with_groups
from tests.web.running import PRIMARY, Site, codec_of, running

PATHS = ("/preferences", "/unsubscribe")
OTHER = type(PRIMARY)(id=9, secret=b"9" * 32, status=PRIMARY.status)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("tag", LANGUAGES)
async def test_a_link_that_does_not_open_says_so_with_the_hints_in_the_readers_language(
    site: Site, path: str, tag: str
) -> None:
    """As CleverTap's documents say. Catalogue E9, E24."""
    headings = {
        "en": "We could not retrieve your email address",
        "fr": "retrouver votre adresse",
        "es": "su dirección",
        "hi": "ईमेल पता",
    }

    reply = await site.ask("GET", f"{path}?e=bad", fields={"Accept-Language": tag})

    assert 404 == reply.status
    assert headings[tag] in reply.text
    assert tag == reply["content-language"]
    assert 4 == len(Form(reply.text).all("li"))


@pytest.mark.parametrize("path", PATHS)
async def test_every_kind_of_bad_link_gets_one_and_the_same_page(site: Site, path: str) -> None:
    """Catalogue E9, T1."""
    good = site.token(purpose=Purpose.PREFERENCES)
    foreign = site.token(purpose=Purpose.PREFERENCES, codec=codec_of(OTHER))
    bad = [
        "",
        "A" * 3000,
        good[:-1],
        good[:20] + ("A" if good[20] != "A" else "B") + good[21:],
        foreign,
        "%00",
        "<script>",
    ]

    shown = [await site.ask("GET", f"{path}?e={token}") for token in bad]
    posted = [await pressed(site, f"{path}?e={token}", b"page=x") for token in bad]

    assert {404} == {reply.status for reply in shown + posted}
    assert 1 == len({reply.body for reply in shown + posted})
    assert 404 == (await site.ask("GET", path)).status


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "purpose", [Purpose.ONE_CLICK, Purpose.CALLBACK, Purpose.MAILTO, Purpose.PROBE]
)
async def test_a_token_of_another_purpose_opens_no_page_and_saves_nothing(
    site: Site, path: str, purpose: Purpose
) -> None:
    """Catalogue T4: the right of a one-click URL ends at leaving."""
    target = f"{path}?e={site.token(purpose=purpose)}"
    form = await opened(site, link(site, path))

    shown = await site.ask("GET", target)
    posted = await pressed(site, target, form.body(all_mail=False))

    assert (403, 403) == (shown.status, posted.status)
    assert "was not made for this page" in shown.text
    assert 0 == (await site.state()).sequence


async def test_a_preference_link_gives_no_one_click_right(site: Site) -> None:
    """Catalogue T4."""
    token = site.token(purpose=Purpose.PREFERENCES)

    clicked = await site.click(f"/u?qmoe={token}")
    called = await site.click(f"/v1/emailunsubscribe?qmoe={token}")

    assert (404, 403) == (clicked.status, called.status)
    assert 0 == (await site.state()).sequence


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "fields",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Origin": "https://unsubscribe.example.com"},
    ],
)
async def test_a_form_from_another_site_is_refused_and_a_one_click_post_is_not(
    site: Site, path: str, fields: dict[str, str]
) -> None:
    """Catalogue L7."""
    target = link(site, path)
    body = (await opened(site, target)).body(all_mail=False)

    reply = await pressed(site, target, body, **fields)
    before = await off(site)
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    clicked = await site.ask(
        "POST",
        f"/u?qmoe={site.token('eve@example.com')}",
        fields=headers,
        body=b"List-Unsubscribe=One-Click",
    )

    assert 403 == reply.status
    assert "Nothing has been changed" in reply.text
    assert set() == before
    assert 200 == clicked.status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://evil.example", 403),
        ("http://unsubscribe.example.com.evil.example", 403),
        ("https://unsubscribe.example.com", 200),
        # the host that was asked, behind a proxy that ends TLS
        ("http://unsubscribe.example.com", 200),
        ("http://[", 403),  # no URL at all
        ("", 403),
        ("null", 200),  # what browsers write under no-referrer; the page token decides
    ],
)
async def test_without_fetch_metadata_the_origin_decides(
    site: Site, origin: str, status: int
) -> None:
    """Catalogue L7."""
    target = link(site, "/unsubscribe")
    body = (await opened(site, target)).body()

    reply = await site.click(target, body, Origin=origin)

    assert status == reply.status
    assert ({"all"} if status == 200 else set()) == await off(site)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body", [b"", b"page=", b"page=AAAA", b"all=on", b"List-Unsubscribe=One-Click"]
)
async def test_a_form_without_a_page_token_is_no_form_of_ours(
    site: Site, path: str, body: bytes
) -> None:
    """Catalogue L7."""
    reply = await pressed(site, link(site, path), body)

    assert 403 == reply.status
    assert 0 == (await site.state()).sequence


async def test_a_page_token_of_another_link_is_refused(site: Site) -> None:
    """Catalogue L7."""
    eve = await opened(site, link(site, "/preferences", "eve@example.com"))

    reply = await pressed(site, link(site, "/preferences"), eve.body(all_mail=False))

    assert 403 == reply.status
    assert set() == await off(site)


async def test_a_body_beyond_the_cap_is_refused(site: Site) -> None:
    """Catalogue L10, E11."""
    target = link(site, "/preferences")
    body = (await opened(site, target)).body(all_mail=False)

    fits = body + b"&x=" + b"y" * (MAX_BODY_BYTES - len(body) - 3)
    large = await pressed(site, target, fits + b"y")
    before = await off(site)
    taken = await pressed(site, target, fits)

    assert (413, 200) == (large.status, taken.status)
    assert "too large" in large.text
    assert set() == before


async def test_more_fields_than_a_form_has_are_refused(site: Site) -> None:
    """Catalogue L10."""
    target = link(site, "/preferences")
    body = (await opened(site, target)).body()

    reply = await pressed(site, target, body + b"&x=1" * MAX_FIELDS)

    assert 400 == reply.status


async def test_a_million_semicolons_cost_nothing(site: Site) -> None:
    """Catalogue L10: a parser that takes them for separators needs quadratic time."""
    target = link(site, "/preferences")

    within = await pressed(site, target, b"a;" * 4_000)
    beyond = await pressed(site, target, b"a;" * 1_000_000)

    assert (403, 413) == (within.status, beyond.status)


@pytest.mark.parametrize(
    "media_type", ["multipart/form-data; boundary=x", "application/json", "text/plain"]
)
async def test_only_one_kind_of_form_is_read(site: Site, media_type: str) -> None:
    """Catalogue L10."""
    target = link(site, "/preferences")
    body = (await opened(site, target)).body(all_mail=False)

    reply = await pressed(site, target, body, Content_Type=media_type)

    assert 400 == reply.status
    assert set() == await off(site)


@pytest.mark.parametrize("body", [b"page=%ff%fe", b"\xff\xfe", b"page=\xc3\xa9"])
async def test_bytes_that_are_no_text_are_refused(site: Site, body: bytes) -> None:
    reply = await pressed(site, link(site, "/preferences"), body)

    assert 400 == reply.status


async def test_guessing_links_is_throttled_and_good_links_never_are() -> None:
    """Catalogue E10."""
    async with running(bad_tokens_per_minute=3) as site:
        guesses = [(await site.ask("GET", "/preferences?e=bad")).status for _ in range(5)]
        good = await site.ask("GET", link(site, "/preferences"))

    assert [404, 404, 404, 429, 429] == guesses
    assert 200 == good.status


async def test_a_link_as_mail_software_mangles_it_still_opens(site: Site) -> None:
    """Catalogue T11."""
    await with_groups(site, "News")
    target = link(site, "/preferences") + "%3E&wzrk_ex=0&utm_source=mail"
    page = await opened(site, target)

    reply = await pressed(site, target, page.body(off=["news"]))

    assert 200 == reply.status
    assert {key("news")} == await off(site)
    (back,) = Form(reply.text).links
    assert 200 == (await site.ask("GET", back)).status


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_keeps_the_link_private(site: Site, path: str) -> None:
    """Catalogue E16, E24."""
    target = link(site, path)
    shown = await site.ask("GET", target)
    replies = [
        shown,
        await pressed(site, target, Form(shown.text).body()),
        await site.ask("GET", f"{path}?e=bad"),
    ]

    for reply in replies:
        assert "no-store" == reply["cache-control"]
        assert "no-referrer" == reply["referrer-policy"]
        assert "DENY" == reply["x-frame-options"]
        assert "Accept-Language" == reply["vary"]
        assert "frame-ancestors 'none'" in reply["content-security-policy"]
        assert [] == reply.all("set-cookie") + reply.all("location")


async def test_an_unexpected_error_is_a_page_for_whoever_pressed_a_button(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ValueError("a secret detail")

    target = link(site, "/unsubscribe")
    body = (await opened(site, target)).body()
    monkeypatch.setattr(site.store, "preferences", broken)

    reply = await pressed(site, target, body, Accept="text/html", Accept_Language="fr")

    assert 500 == reply.status
    assert "Une erreur s’est produite" in reply.text
    assert "secret" not in reply.text
