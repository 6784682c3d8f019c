"""The settings of a brand's pages: whose they are, their colour, their logo."""

from pathlib import Path

import pytest

from app.core.errors import Misconfigured
from app.core.model import PreferenceCentre
from app.settings.load import load
from app.settings.logo import MAX_LOGO_BYTES, read_logo

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
SVG = (
    '<?xml version="1.0"?><!-- a mark --><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9'
    ' 9">{}</svg>'
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems(monkeypatch: pytest.MonkeyPatch, **settings: str) -> str:
    for name, value in settings.items():
        monkeypatch.setenv(f"SIGNOFF_BRANDS__ACME__{name.upper()}", value)
    with pytest.raises(Misconfigured) as caught:
        load()
    return "\n".join(caught.value.problems)


def test_a_brand_has_our_page_unless_it_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    (acme,) = load().brand_records()

    assert (PreferenceCentre.SYSTEM, "", "", None) == (
        acme.preference_centre,
        acme.custom_page_url,
        acme.colour,
        acme.logo,
    )


def test_a_custom_page_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """CleverTap's documents: the page's URL without parameters."""
    monkeypatch.setenv("SIGNOFF_BRANDS__ACME__PREFERENCE_CENTRE", "custom")
    monkeypatch.setenv(
        "SIGNOFF_BRANDS__ACME__CUSTOM_PAGE_URL", "http://www.acme.example/unsubscribe.html"
    )

    (acme,) = load().brand_records()

    assert "http://www.acme.example/unsubscribe.html" == acme.custom_page_url


@pytest.mark.parametrize(
    "url",
    [
        "/preferences.html",
        "www.acme.example/p",
        "ftp://acme.example/p",
        "javascript:alert(1)",
        "https:///p",
        "https://acme.example/p?x=1",
        "https://acme.example/p?",
        "https://acme.example/p#x",
        "https://me:secret@acme.example/p",
        "https://acme.example/a b",
        'https://acme.example/"x',
        "https://acme.example/é",
    ],
)
def test_a_custom_page_to_which_no_token_can_be_added_is_refused(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    assert "custom_page_url" in problems(monkeypatch, custom_page_url=url)


def test_a_custom_page_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "needs custom_page_url" in problems(monkeypatch, preference_centre="custom")


def test_outside_development_a_custom_page_is_https(monkeypatch: pytest.MonkeyPatch) -> None:
    load()  # makes the keys
    monkeypatch.setenv("SIGNOFF_PUBLIC_URL", "https://unsubscribe.example.com")
    monkeypatch.setenv("SIGNOFF_BRANDS__ACME__SENDER_DOMAINS", "acme.example")

    said = problems(
        monkeypatch, preference_centre="custom", custom_page_url="http://www.acme.example/p"
    )

    assert "acme: custom_page_url must be https" in said


@pytest.mark.parametrize(
    "colour", ["red", "#fff", "#12345", "#gggggg", "#1234567", "#fff;}body{display:none"]
)
def test_a_colour_is_six_digits(monkeypatch: pytest.MonkeyPatch, colour: str) -> None:
    assert "write it as #rrggbb" in problems(monkeypatch, colour=colour)


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("a.png", PNG, "image/png"),
        ("a.webp", b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        (
            "a.svg",
            SVG.format('<style>path{fill:red}</style><path d="M0 0h9v9z"/>').encode(),
            "image/svg+xml",
        ),
        (
            "b.svg",
            SVG.format('<g fill="url(#a)" style="fill:url(#a)"><use href="#b"/></g>').encode(),
            "image/svg+xml",
        ),
    ],
)
def test_a_logo_is_read_at_start(
    monkeypatch: pytest.MonkeyPatch, here: Path, name: str, content: bytes, media_type: str
) -> None:
    (here / name).write_bytes(content)
    monkeypatch.setenv("SIGNOFF_BRANDS__ACME__LOGO_FILE", name)

    (acme,) = load().brand_records()

    assert acme.logo is not None
    assert (media_type, content) == (acme.logo.media_type, acme.logo.content)


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<SCRIPT/>",
        '<g onclick="x()"/>',
        "<foreignObject/>",
        '<a href="https://evil.example"/>',
        '<image href="https://evil.example/x.png"/>',
        '<use xmlns:x="http://www.w3.org/1999/xlink" x:href="//evil.example/x.svg#a"/>',
        '<image href="data:text/html,x"/>',
        "<style>@import 'https://evil.example/x.css';</style>",
        "<style>path{fill:url(https://evil.example/x)}</style>",
        '<path style="fill:url( &quot;https://evil.example/x&quot; )"/>',
        '<animate attributeName="href"/>',
        "<unclosed>",
        "<![CDATA[x]]>",
    ],
)
def test_an_svg_that_can_do_more_than_be_seen_is_refused(
    monkeypatch: pytest.MonkeyPatch, here: Path, inside: str
) -> None:
    (here / "logo.svg").write_text(SVG.format(inside))

    assert "logo_file" in problems(monkeypatch, logo_file="logo.svg")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        b"<html/>",
        b"\xff\xfe",
        PNG + b"\0" * MAX_LOGO_BYTES,
        b'<!DOCTYPE svg [<!ENTITY a "x">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>',
    ],
)
def test_a_file_that_is_no_small_picture_is_refused(here: Path, content: bytes) -> None:
    (here / "logo").write_bytes(content)

    with pytest.raises(ValueError, match="logo"):
        read_logo(here / "logo")


def test_a_logo_that_is_not_there_is_a_problem_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cannot be read" in problems(monkeypatch, logo_file="nowhere.png")
