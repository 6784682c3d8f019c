"""The pages: one button, the reader's language, nothing from elsewhere."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
from prometheus_client import REGISTRY

from app.core.errors import Misconfigured
from app.core.model import BrandNumber
from app.web import languages
from app.web.languages import LANGUAGES, Language, Languages
from tests.web.running import Site

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


async def page(site: Site, token: str, language: str = "") -> Page:
    return Page(
        (
            await site.ask("GET", f"/u?qmoe={token}", fields={"Accept-Language": language, **HTML})
        ).text
    )


async def test_the_page_has_one_button_and_no_script(site: Site) -> None:
    """Catalogue E17, E4."""
    shown = await page(site, site.token())

    assert 1 == len(shown.all("button"))
    assert 1 == len(shown.all("form"))
    assert [] == shown.all("script")
    assert [] == [
        name for _, attributes in shown.tags for name in attributes if name.startswith("on")
    ]
    assert [] == [attributes for _, attributes in shown.tags if attributes.get("http-equiv")]


async def test_the_page_asks_nothing_of_anyone_else(site: Site) -> None:
    """Catalogue E16, E17."""
    shown = await page(site, site.token())
    addresses = [
        attributes[name]
        for _, attributes in shown.tags
        for name in ("src", "href", "action")
        if name in attributes
    ]

    assert all(address.startswith("/") and not address.startswith("//") for address in addresses)
    for address in addresses:
        assert 200 == (await site.ask("GET", address)).status


async def test_the_style_is_the_one_that_the_policy_names(site: Site) -> None:
    """Catalogue E16."""
    reply = await site.ask("GET", f"/u?qmoe={site.token()}")
    (style,) = re.findall(r"<style>(.*?)</style>", reply.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert f"style-src 'sha256-{digest}'" in reply["content-security-policy"]
    assert "form-action 'self'" in reply["content-security-policy"]
    assert "style=" not in reply.text


async def test_pressing_the_button_unsubscribes_and_says_so_on_the_same_url(site: Site) -> None:
    """Catalogue E17, E4."""
    token = site.token()
    shown = await page(site, token)
    fields = {item["name"]: item["value"] for item in shown.all("input")}
    assert "post" == shown.all("form")[0]["method"]

    reply = await site.click(
        f"/u?qmoe={token}", urlencode(fields).encode(), Accept_Language="es-MX,es;q=0.9,en;q=0.5"
    )

    assert 200 == reply.status
    assert "text/html; charset=utf-8" == reply["content-type"]
    assert "es" == reply["content-language"]
    assert "Se ha dado de baja" in reply.text
    state = await site.state()
    assert not state.everything.subscribed
    assert state.everything.source is not None
    assert "landing_page" == state.everything.source.label


async def test_a_button_that_cannot_be_served_says_so_and_offers_another_try(site: Site) -> None:
    """Catalogue E8, E17."""
    site.store.down = True

    reply = await site.click(f"/u?qmoe={site.token()}", b"List-Unsubscribe=One-Click&via=page")

    assert 503 == reply.status
    assert reply["retry-after"].isdigit()
    assert 1 == len(Page(reply.text).all("button"))


async def test_the_page_shows_the_brand_and_only_a_masked_address(site: Site) -> None:
    """Catalogue E17, H19."""
    reply = await site.ask("GET", f"/u?qmoe={site.token('robert.smith@example.com')}")

    assert "Acme &amp; Söhne" in reply.text
    assert "r•••@example.com" in reply.text
    assert "robert" not in reply.text


async def test_a_brand_that_has_left_still_has_a_page(site: Site) -> None:
    """Catalogue E9."""
    shown = await page(site, site.token(brand=BrandNumber(999)))

    assert 1 == len(shown.all("button"))
    assert "Unsubscribe from this sender?" in shown.text


async def test_a_test_link_says_that_nothing_is_saved(site: Site) -> None:
    """Catalogue H12."""
    shown = await page(site, site.token(test=True))

    assert "nothing is saved" in shown.text


@pytest.mark.parametrize(
    ("accepted", "tag"),
    [("", "en"), ("fr-CA", "fr"), ("de, es;q=0.5, hi;q=0.8", "hi"),
     ("fr;q=0, es;q=0.1", "es"), ("*", "en"), ("ja,ko", "en"), ("EN-us", "en"),
     ("fr;q=0.5, *", "en"), ("en;q=0, *", "fr"), ("es, *;q=0.5", "es"),
     ("es;q=nan,fr;q=0.2", "fr"), (";;;,,q=", "en"), ("hi-IN,hi;q=0.9,en;q=0.8", "hi"), ("x" * 5000 + ",fr", "en")],
)  # fmt: skip
async def test_the_page_speaks_the_language_that_the_reader_likes_best(
    site: Site, accepted: str, tag: str
) -> None:
    """Catalogue E24."""
    reply = await site.ask("GET", f"/u?qmoe={site.token()}", fields={"Accept-Language": accepted})

    (html,) = Page(reply.text).all("html")
    assert {"lang": tag, "dir": "ltr"} == html
    assert tag == reply["content-language"]
    assert "Accept-Language" == reply["vary"]


def test_every_language_has_every_message_with_the_same_values() -> None:
    """Catalogue E24."""
    catalogues = {language.tag: language for language in Languages()}
    english = catalogues["en"]

    for language in catalogues.values():
        assert english.keys == language.keys
        for key in english.keys:
            assert english.forms(key) == language.forms(key), key
            for number in (1, 2):
                assert blanks(english, key, number) == blanks(language, key, number), key
    assert set(LANGUAGES) == set(catalogues)


def blanks(language: Language, key: str, number: int) -> list[str]:
    """Return which values stand in a message, in any order."""
    values = {"brand": "\x01", "address": "\x02"}
    text = (
        language.counted(key, number, **values)
        if language.forms(key) > 1
        else language.text(key, **values)
    )
    return sorted(re.findall("[\x01\x02]", text))


@pytest.mark.parametrize(
    ("tag", "none", "one", "two"),
    [("en", "these kinds", "this kind", "these kinds"), ("fr", "ce type", "ce type", "ces types"),
     ("es", "estos tipos", "este tipo", "estos tipos"), ("hi", "इस प्रकार", "इस प्रकार", "इन प्रकारों")],
)  # fmt: skip
def test_a_number_takes_the_plural_of_its_language(tag: str, none: str, one: str, two: str) -> None:
    """Catalogue E24."""
    language = Languages().for_reader(tag)

    for number, words in ((0, none), (1, one), (2, two), (5, two)):
        assert words in language.counted("leave.groups", number, brand="B", address="A")


def test_a_language_with_a_missing_message_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catalogue E24."""
    complete, plural = languages._catalogue("fr")
    partial = {key: texts for key, texts in complete.items() if key != "left.all"}
    monkeypatch.setattr(
        languages, "_catalogue", lambda tag: (partial if tag == "hi" else complete, plural)
    )

    with pytest.raises(Misconfigured) as caught:
        Languages()

    assert ("locales/hi.po: no text for left.all",) == caught.value.problems


def test_a_value_in_a_message_is_escaped() -> None:
    text = Languages().for_reader("en").text("confirm.heading", brand="<b>&{0}")

    assert "Unsubscribe from &lt;b&gt;&amp;{0}?" == text


@pytest.mark.parametrize("tag", LANGUAGES)
async def test_a_bad_link_gets_a_friendly_page(site: Site, tag: str) -> None:
    """Catalogue E9, E24."""
    reply = await site.ask("GET", "/u?qmoe=bad", fields={"Accept-Language": tag})

    assert 404 == reply.status
    assert tag == Page(reply.text).all("html")[0]["lang"]
    assert [] == Page(reply.text).all("button")


async def test_a_head_has_the_length_of_the_page_and_no_body(site: Site) -> None:
    """Catalogue L14, E4."""
    shown = await site.ask("GET", f"/u?qmoe={site.token()}")
    head = await site.ask("HEAD", f"/u?qmoe={site.token()}")

    assert shown["content-length"] == head["content-length"]
    assert b"" == head.body


async def test_gets_and_heads_are_counted(site: Site) -> None:
    """Catalogue E21."""
    name = "signoff_scanner_gets_ignored_total"
    before = REGISTRY.get_sample_value(name) or 0.0

    await site.ask("GET", f"/u?qmoe={site.token()}")
    await site.ask("HEAD", f"/u?qmoe={site.token()}")

    assert before + 2 == REGISTRY.get_sample_value(name)


async def test_a_foreign_host_name_changes_no_link(site: Site) -> None:
    """Catalogue E18, L3."""
    reply = await site.ask(
        "GET", f"/u?qmoe={site.token()}&next=//evil.example&return_to=https://evil.example",
        fields={"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"},
    )  # fmt: skip

    assert 200 == reply.status
    assert "evil.example" not in reply.text
    assert [] == reply.all("location")
