"""The operator's preview: every page in every language, from the admin listener alone, without a
link and without a trace.
"""

import itertools
import json
from dataclasses import replace

import pytest

from app.core.model import Logo
from app.web.languages import LANGUAGES
from app.web.pages import Trouble
from tests.web.choosing import Form
from tests.web.running import BRAND, Site, running

PAGES = (
    "preferences",
    "saved",
    "unsubscribe",
    "unsubscribed",
    "resubscribed",
    "already",
    "confirm",
    "done",
    *Trouble,
)


@pytest.mark.parametrize("tag", LANGUAGES)
async def test_every_page_is_there_in_every_language(site: Site, tag: str) -> None:
    """As CleverTap's documents say. Catalogue E24."""
    for page, groups in itertools.product(PAGES, (0, 1, 2, 50)):
        reply = await site.ask(
            "GET", f"/preview/{page}?lang={tag}&groups={groups}", listener="admin"
        )

        assert 200 == reply.status, page
        assert tag == reply["content-language"]
        assert "{" not in Form(reply.text).text.partition("}")[2].rpartition("}")[2]


async def test_what_a_preview_loads_is_there_too_and_nothing_is_public(site: Site) -> None:
    """Catalogue L11."""
    shown = Form((await site.ask("GET", "/preview/preferences?groups=3", listener="admin")).text)
    loaded = [given[name] for _, given in shown.tags for name in ("src", "href") if name in given]

    assert loaded
    for address in loaded:
        assert 200 == (await site.ask("GET", address, listener="admin")).status
        assert 404 == (await site.ask("GET", address)).status
    assert 404 == (await site.ask("GET", "/preview/preferences")).status


async def test_the_index_names_all_that_can_be_seen(site: Site) -> None:
    index = json.loads((await site.ask("GET", "/preview", listener="admin")).body)

    assert [f"/preview/{page}" for page in PAGES] == index["pages"]
    assert list(LANGUAGES) == index["lang"]


async def test_the_forms_of_a_preview_lead_on_and_save_nothing(site: Site) -> None:
    for page, words in (
        ("preferences", "Your preferences are saved"),
        ("unsubscribe", "You are unsubscribed"),
    ):
        reply = await site.ask("POST", f"/preview/{page}", body=b"all=on", listener="admin")

        assert 200 == reply.status
        assert words in reply.text
        assert "This is a preview" in reply.text
    assert 0 == (await site.state()).sequence


@pytest.mark.parametrize(
    "target", ["/preview/nothing", "/preview/preferences?brand=nobody", "/preview/static/nothing"]
)
async def test_what_is_not_there_is_not_found(site: Site, target: str) -> None:
    assert 404 == (await site.ask("GET", target, listener="admin")).status


@pytest.mark.parametrize("groups", ["", "-1", "x", "9" * 400, "1e9"])
async def test_an_odd_number_of_groups_is_no_error(site: Site, groups: str) -> None:
    reply = await site.ask("GET", f"/preview/preferences?groups={groups}", listener="admin")

    assert 200 == reply.status
    assert len(Form(reply.text).toggles) <= 51


async def test_a_brand_looks_as_it_will() -> None:
    logo = Logo(media_type="image/png", content=b"\x89PNG\r\n\x1a\n")
    async with running(brand=replace(BRAND, colour="#ffcc00", logo=logo)) as site:
        reply = await site.ask("GET", "/preview/unsubscribe?brand=acme", listener="admin")
        (picture,) = Form(reply.text).all("img")
        answer = await site.ask("GET", picture["src"], listener="admin")

    assert "/preview/brand/acme/logo" == picture["src"]
    assert "Acme & Söhne" == picture["alt"]
    assert logo.content == answer.body
