"""What the Web SDK's addresses do not do: change anything for who is not the brand's page, or say
more than a script may.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import quote

import pytest

from app.core.errors import StoreUnavailable
from app.core.lz_string import decompress_base64
from app.core.model import BrandNumber, PreferenceCentre, Purpose
from app.usecases.groups import Groups
from app.web.endpoints.web_sdk_call import MAX_DATA_CHARS
from tests.support.lz_string import compress_base64, packed
from tests.web.choosing import key, off, with_groups
from tests.web.running import ACME, BRAND, WITH_OWN_PAGE, Reply, Site, running
from tests.web.sdk_page import AS_SCRIPT, SdkPage, calls

LOOK_FAILED, SAVE_FAILED = "wzrk_email_fetched_failed", "wzrk_email_subscription_failed"
ACME_DATA = packed({"id": "acme", "unsubGroups": [{"name": "News", "isUnsubscribed": True}]})


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Return the web process of a brand with a page of its own."""
    async with running(brand=WITH_OWN_PAGE) as started:
        yield started


def page(site: Site) -> SdkPage:
    return SdkPage(site, site.token(purpose=Purpose.PREFERENCES))


def told(reply: Reply) -> tuple[str, str]:
    """Return the one function that a script calls, with its one argument."""
    assert 200 == reply.status
    ((name, (reason,)),) = calls(reply.text)
    return name, str(reason)


async def ask(site: Site, rest: str, *, token: str = "", **fields: str) -> Reply:
    wanted = token or site.token(purpose=Purpose.PREFERENCES)
    about = {**AS_SCRIPT, **{name.replace("_", "-"): value for name, value in fields.items()}}
    return await site.ask("GET", f"/e?r=1&e={wanted}{rest}", fields=about)


@pytest.mark.parametrize("sub", ["0", "1", "2"])
@pytest.mark.parametrize(
    "purpose",
    [Purpose.ONE_CLICK, Purpose.CALLBACK, Purpose.MAILTO, Purpose.ONE_CLICK | Purpose.MAILTO],
)
async def test_a_token_of_another_purpose_never_acts_here(
    site: Site, purpose: Purpose, sub: str
) -> None:
    """Catalogue T4."""
    await with_groups(site, "News")
    token = site.token(purpose=purpose)

    saved = told(await ask(site, f"&d={quote(ACME_DATA, safe='')}&sub={sub}", token=token))
    looked = told(await ask(site, f"&d={quote(ACME_DATA, safe='')}", token=token))

    assert (SAVE_FAILED, LOOK_FAILED) == (saved[0], looked[0])
    assert 0 == (await site.state()).sequence


@pytest.mark.parametrize(
    "data",
    [
        "",
        "IZA",
        "%%%",
        "N" * MAX_DATA_CHARS,
        ACME_DATA[:-8],
        compress_base64("[1]"),
        compress_base64('{"id":'),
        compress_base64("[" * 60_000),
        compress_base64('{"id":' + "[" * 60_000),
        packed({"unsubGroups": []}),
        packed({"id": ["acme"], "unsubGroups": []}),
        packed({"id": "acme2", "unsubGroups": []}),
        packed({"id": "ACME", "unsubGroups": []}),
        packed({"id": "acme", "padding": "x" * 65_536}),
        packed({"id": "acme", "padding": "".join(map(chr, range(0x4E00, 0x5580)))}),
    ],
)
async def test_what_is_not_the_brands_own_data_changes_nothing(site: Site, data: str) -> None:
    """Catalogue L10."""
    reply = await ask(site, f"&d={quote(data, safe='')}&sub=0")

    assert SAVE_FAILED == told(reply)[0]
    assert 0 == (await site.state()).sequence


@pytest.mark.parametrize("dest", ["document", "iframe", "empty", "image", "style", "SCRIPT", ""])
async def test_only_a_script_tag_and_a_browser_that_says_nothing_change_anything(
    site: Site, dest: str
) -> None:
    """Catalogue E4, L7: nobody follows a link, or loads a picture, and has unsubscribed."""
    refused = await ask(site, f"&d={quote(ACME_DATA, safe='')}&sub=0", Sec_Fetch_Dest=dest)
    unchanged = await off(site)
    accepted = await SdkPage(site, site.token(purpose=Purpose.PREFERENCES), fields={}).act("0")

    assert SAVE_FAILED == told(refused)[0]
    assert set() == unchanged
    assert "0" == accepted
    assert {"all"} == await off(site)


@pytest.mark.parametrize(
    "groups",
    [
        [{"name": "News", "isUnsubscribed": True}, {"name": "Nobody's", "isUnsubscribed": True}],
        [{"name": "News", "isUnsubscribed": True}, {"name": "News", "isUnsubscribed": False}],
        [{"name": "News", "isUnsubscribed": True}, {"name": "NEWS", "isUnsubscribed": False}],
        [{"name": "News", "isUnsubscribed": True}, {"name": "Offers"}],
        [{"name": "News", "isUnsubscribed": True}, {"name": "Offers", "isUnsubscribed": "true"}],
        [{"name": "News", "isUnsubscribed": True}, {"name": 7, "isUnsubscribed": True}],
        [{"name": "News", "isUnsubscribed": True}, "Offers"],
        {"News": True},
        "News",
        None,
    ],
)
async def test_groups_that_cannot_be_understood_are_refused_whole(
    site: Site, groups: object
) -> None:
    await with_groups(site, "News", "Offers")
    opened = page(site)
    await opened.look(with_groups=True)
    opened.groups = groups

    assert SAVE_FAILED == await opened.act("2")
    assert 0 == (await site.state()).sequence


async def test_a_group_page_saves_no_group_of_another_campaign(site: Site) -> None:
    """As CleverTap's documents say."""
    await with_groups(site, "News", "Offers")
    opened = SdkPage(site, site.token(purpose=Purpose.PREFERENCES, groups=("news",)), "group")
    await opened.look(with_groups=True)

    assert SAVE_FAILED == await opened.choose(News=True, Offers=True)
    assert "0" == await opened.choose(News=True)
    assert {key("news")} == await off(site)


@pytest.mark.parametrize("sub", ["", "3", "-1", "00", "true"])
async def test_an_unknown_act_is_none(site: Site, sub: str) -> None:
    assert SAVE_FAILED == told(await ask(site, f"&d={quote(ACME_DATA, safe='')}&sub={sub}"))[0]
    assert 0 == (await site.state()).sequence


async def test_a_query_of_very_many_parameters_is_refused(site: Site) -> None:
    """Catalogue L10."""
    assert (
        SAVE_FAILED
        == told(await ask(site, f"&d={quote(ACME_DATA, safe='')}&sub=0{'&x=1' * 500}"))[0]
    )
    assert 0 == (await site.state()).sequence


async def test_of_an_event_with_very_many_parameters_none_is_read(site: Site) -> None:
    """Catalogue L10: anybody may ask `/a`, with no link at all; to read 16 KB of parameters would
    hold the loop for many milliseconds.
    """
    few = await site.ask("GET", "/a?gc=kept-device&rn=7&d=", fields=AS_SCRIPT)
    many = await site.ask("GET", f"/a?gc=kept-device&rn=7{'&%41=%42' * 500}", fields=AS_SCRIPT)

    assert [200, 200] == [few.status, many.status]
    assert [True, False] == ["kept-device" in reply.text for reply in (few, many)]


async def test_a_bad_link_is_told_as_one_and_many_of_them_are_throttled() -> None:
    """Catalogue E9, E10: also the throttled answer is a script that the page can understand."""
    async with running(bad_tokens_per_minute=2, brand=WITH_OWN_PAGE) as site:
        reasons = [told(await ask(site, "", token="bad")) for _ in range(3)]
        looked = await page(site).look()

    assert [(LOOK_FAILED, "This link is not valid.")] * 2 == reasons[:2]
    assert LOOK_FAILED == reasons[2][0]
    assert "Too many" in reasons[2][1]
    assert "bob@example.com" == looked[0]


async def test_a_link_of_a_brand_that_has_left_shows_nobody_and_saves_nothing(site: Site) -> None:
    token = site.token(purpose=Purpose.PREFERENCES, brand=BrandNumber(9))

    looked, left = await ask(site, "", token=token), await ask(site, "&sub=0", token=token)

    assert [LOOK_FAILED, SAVE_FAILED] == [told(reply)[0] for reply in (looked, left)]
    assert "bob@example.com" not in looked.text + left.text


@pytest.mark.parametrize("centre", [PreferenceCentre.NONE, PreferenceCentre.SYSTEM])
async def test_a_page_that_masks_the_address_is_not_betrayed_by_another_way(
    centre: PreferenceCentre,
) -> None:
    """Catalogue N20: only a page of the brand's own is told whom it is for."""
    async with running(brand=replace(BRAND, preference_centre=centre)) as site:
        acts = [f"&d={quote(ACME_DATA, safe='')}&sub={act}" for act in "012"]
        replies = [await ask(site, rest) for rest in ("", "&fetchGroups=true", *acts)]
        token = site.token(purpose=Purpose.PREFERENCES)
        replies += [
            await site.ask("GET", f"/{path}?e={token}&r=1", fields=AS_SCRIPT)
            for path in ("a", "r", "preferences", "unsubscribe")
        ]

        assert {LOOK_FAILED, SAVE_FAILED} == {told(reply)[0] for reply in replies[:5]}
        assert not [
            reply.text
            for reply in replies
            if "bob@example.com" in reply.text or "bob%40" in reply.text
        ]
        assert 0 == (await site.state()).sequence


async def test_what_stands_in_a_bad_link_is_not_unpacked(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cheap look at the token comes before the costly one at what the page has sent."""
    unpacked: list[str] = []

    def unpack(text: str, *, most_units: int) -> str:
        unpacked.append(text)
        return decompress_base64(text, most_units=most_units)

    monkeypatch.setattr("app.web.endpoints.web_sdk_call.decompress_base64", unpack)

    await ask(site, f"&d={quote(ACME_DATA, safe='')}&sub=0", token="x" * 60)
    untouched = list(unpacked)
    await ask(site, f"&d={quote(ACME_DATA, safe='')}&sub=0")

    assert [] == untouched
    assert unpacked


async def test_a_session_is_read_from_little_data_only(site: Site) -> None:
    """`/a` asks for no link, so anybody may send it something to unpack."""
    short, long = (
        packed({"s": 77}),
        packed({"s": 77, "x": [chr(300 + number) for number in range(9_000)]}),
    )

    assert "77" in (await site.ask("GET", f"/a?d={quote(short, safe='')}", fields=AS_SCRIPT)).text
    assert (
        "77," not in (await site.ask("GET", f"/a?d={quote(long, safe='')}", fields=AS_SCRIPT)).text
    )


async def test_what_a_link_rewriter_does_to_the_token_is_forgiven(site: Site) -> None:
    """Catalogue T11; the SDK turns a plus sign into a space, and `encoded=true` says that the
    page's server has encoded once more.
    """
    token = site.token(purpose=Purpose.PREFERENCES)
    twice = quote("".join(f"%{ord(char):02X}" for char in token), safe="")

    for spelling in (
        f"{token[:9]}+{token[9:]}",
        f"{token}%20",
        f"{token}%3E",
        twice,
        f"{twice}&encoded=true",
        f"{token}&e=other",
    ):
        assert "wzrk_email_fetched" == calls((await ask(site, "", token=spelling)).text)[-1][0]


async def test_data_whose_plus_signs_became_spaces_is_read(site: Site) -> None:
    text = next(
        text
        for number in range(999)
        if "+" in (text := packed({"id": "acme", "x": chr(200 + number) * 9, "unsubGroups": []}))
    )

    reply = await ask(site, f"&d={text}&sub=0")

    assert "wzrk_email_subscription" == calls(reply.text)[-1][0]
    assert {"all"} == await off(site)


@pytest.mark.parametrize("path", ["/e", "/a", "/r"])
@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE"])
async def test_every_other_method_changes_nothing(site: Site, path: str, method: str) -> None:
    target = f"{path}?r=1&e={site.token(purpose=Purpose.PREFERENCES)}&d={quote(ACME_DATA, safe='')}&sub=0"

    reply = await site.ask(method, target, fields=AS_SCRIPT, body=b"" if method != "HEAD" else None)

    assert 405 == reply.status
    assert "GET, OPTIONS" == reply["Allow"]
    assert 0 == (await site.state()).sequence


async def test_every_answer_is_a_script_that_any_page_may_load_and_nobody_may_keep(
    site: Site,
) -> None:
    for target in (
        f"/e?e={site.token(purpose=Purpose.PREFERENCES)}",
        "/e?e=bad&sub=0",
        "/e",
        "/a?rn=1",
        "/r?r=1",
    ):
        reply = await site.ask("GET", target, fields=AS_SCRIPT)

        assert 200 == reply.status
        assert "text/javascript; charset=utf-8" == reply["Content-Type"]
        assert "no-store" == reply["Cache-Control"]
        assert "nosniff" == reply["X-Content-Type-Options"]
        assert "cross-origin" == reply["Cross-Origin-Resource-Policy"]
        assert [] == reply.all("Set-Cookie")


async def test_no_address_and_no_name_ends_the_script(site: Site) -> None:
    """CleverTap's documents: pages print names as they come."""
    await with_groups(site, "Bücher \u2764 🎉")
    address = '"</script>&\u2028\'\\"@example.com'
    token = site.token(address, purpose=Purpose.PREFERENCES)

    reply = await ask(site, "&fetchGroups=true", token=token)
    _, (shown, profile) = calls(reply.text)[-1]

    assert address == shown
    assert isinstance(profile, dict)
    assert "Bücher \u2764 🎉" == profile["groups"][0]["name"]
    assert reply.body.isascii()
    assert not {"<", ">"} & set(reply.text)
    assert "&" not in reply.text.replace("&&", "")


async def test_fifty_groups_with_long_descriptions_fit_into_the_url_that_brings_them_back(
    site: Site,
) -> None:
    """CleverTap's documents: the SDK sends with every request what the page has given it,
    descriptions too.
    """
    groups = Groups(site.book, lambda: site.now_ms)
    for number in range(50):
        await groups.create(
            ACME,
            name=f"Neuigkeiten aus der Abteilung {number}",
            description=f"{number} mal Wichtiges aus aller Welt. " * 14,
        )
    opened = page(site)
    opened.groups = (await opened.look(with_groups=True))[1]["groups"]

    assert (
        len(packed({"id": "acme", "unsubGroups": opened.groups, "cUsY": opened.remembered}))
        <= MAX_DATA_CHARS
    )
    assert "0" == await opened.act("0")


async def test_groups_that_cannot_be_read_are_not_guessed_and_the_way_out_stays_open(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As CleverTap's documents say. Catalogue E8."""

    async def unread(*_: object) -> None:
        raise StoreUnavailable("unplugged")

    await with_groups(site, "News")
    opened = page(site)
    monkeypatch.setattr(site.store, "preferences", unread)

    with_groups_reply = told(await opened.ask("", extra="&fetchGroups=true"))
    address, profile = await opened.look()
    left = await opened.act("0")
    chosen = await opened.choose(News=True)
    back = await opened.act("1")

    monkeypatch.undo()
    assert LOOK_FAILED == with_groups_reply[0]
    assert ("bob@example.com", "") == (address, profile["cUsY"])
    assert ("0", "0", SAVE_FAILED) == (left, chosen, back)
    assert {"all", key("news")} == await off(site)


async def test_what_could_not_be_made_durable_is_told_as_failed(site: Site) -> None:
    """Catalogue E8."""
    opened = page(site)
    site.store.down = True

    assert SAVE_FAILED == await opened.act("0")


async def test_the_encrypted_form_is_sent_back_to_the_script_tag(site: Site) -> None:
    """The SDK asks by fetch with a field of its own, so the browser asks for permission first; for
    402 the SDK adds the script tag.
    """
    for path in ("/e", "/a"):
        target = f"{path}?e={site.token(purpose=Purpose.PREFERENCES)}&d={quote(ACME_DATA, safe='')}&sub=0"
        asked = await site.ask(
            "OPTIONS",
            target,
            fields={
                "Origin": "https://acme.example",
                "Access-Control-Request-Headers": "x-clevertap-encryption-enabled",
            },
        )
        answered = await site.ask(
            "GET",
            target,
            fields={"X-CleverTap-Encryption-Enabled": "true", "Sec-Fetch-Dest": "empty"},
        )

        assert (200, 402) == (asked.status, answered.status)
        assert "x-clevertap-encryption-enabled" in asked["Access-Control-Allow-Headers"].lower()
        assert (
            "*" == asked["Access-Control-Allow-Origin"] == answered["Access-Control-Allow-Origin"]
        )
    assert 0 == (await site.state()).sequence


async def test_a_page_event_is_answered_with_ids_and_its_own_number(site: Site) -> None:
    data = quote(packed({"type": "page", "s": 1_700_000_000}), safe="")
    cases = {
        "/a?t=96&rn=4": (f"{site.now_ms // 1000}", 4),
        f"/a?t=96&rn=7&d={data}": ("1700000000", 7),
        "/a?t=96&rn=x&d=broken": (f"{site.now_ms // 1000}", 0),
        f"/a?rn=1&d={quote(packed({'s': True}), safe='')}": (f"{site.now_ms // 1000}", 1),
    }

    for target, (session, number) in cases.items():
        ((name, (device, *rest)),) = calls((await site.ask("GET", target, fields=AS_SCRIPT)).text)

        assert "$WZRK_WR.s" == name
        assert 32 == len(str(device))
        assert [int(session), False, number, False] == rest


@pytest.mark.parametrize(
    ("given", "kept"),
    [("0123456789abcdef" * 2, True), ("_w_user-7", True), ("a%22b", False), ("x" * 200, False)],
)
async def test_a_device_keeps_the_id_it_has(site: Site, given: str, kept: bool) -> None:
    ((_, (device, *_rest)),) = calls(
        (await site.ask("GET", f"/a?rn=1&gc={given}", fields=AS_SCRIPT)).text
    )

    assert kept == (json.dumps(device) == json.dumps(given))
