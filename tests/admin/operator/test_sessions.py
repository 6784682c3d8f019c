"""Who comes in to the operator's page, for how long, and whose forms are taken."""

import re

import pytest

from app.core.api_key import KeyScope
from app.core.model import BrandId
from app.core.operator_session import IDLE_MS, LONGEST_MS
from app.usecases.api_keys import REMEMBERED_MS
from tests.admin.api.running import FILE_KEY
from tests.admin.operator.running import ACME_PAGE, HOME, Site, running

ROOMS = (
    HOME,
    ACME_PAGE,
    *(f"{ACME_PAGE}/{name}" for name in ("deliveries", "recipient", "fields", "pages")),
)


async def test_the_root_of_the_listener_leads_to_the_page_and_that_to_its_door(site: Site) -> None:
    root, home = await site.get("/"), await site.get(HOME)

    assert [(303, HOME), (303, f"{HOME}/sign-in")] == [
        (one.status, one.fields["location"]) for one in (root, home)
    ]
    assert "API key" in (await site.get(f"{HOME}/sign-in")).text


@pytest.mark.parametrize("path", ROOMS)
async def test_without_a_session_nothing_is_shown_and_nothing_done(site: Site, path: str) -> None:
    """Catalogue L8."""
    shown = await site.get(path)
    done = await site.post(
        path, {"form": "x", "address": "ann@example.com", "do": "unsubscribe", "scope": "all"}
    )

    assert (303, f"{HOME}/sign-in", "") == (shown.status, shown.fields["location"], shown.html)
    assert done.status in {303, 405}
    assert (await site.api.state("ann@example.com")).sequence == 0


@pytest.mark.parametrize("path", ROOMS)
async def test_a_good_key_opens_every_page(site: Site, path: str) -> None:
    entered = await site.sign_in(f" {FILE_KEY}\n")

    shown = await site.get(path)

    assert (303, HOME) == (entered.status, entered.fields["location"])
    assert 200 == shown.status
    assert "Sign out" in shown.text


@pytest.mark.parametrize("key", ["", "x", f"{FILE_KEY}x", f"so_{'0' * 16}_{'A' * 43}"])
async def test_a_text_that_is_no_good_key_opens_nothing(site: Site, key: str) -> None:
    """Catalogue L8."""
    refused = await site.sign_in(key)

    assert (401, "") == (refused.status, site.cookie)
    assert "no valid API key" in refused.text


async def test_the_cookie_is_for_the_browser_alone_and_names_only_these_pages(site: Site) -> None:
    """Catalogue L7, L8: neither scripts nor other sites get it, and it holds no key."""
    plain = (await site.sign_in()).fields["set-cookie"]
    behind_tls = (await site.get(ACME_PAGE, X_Forwarded_Proto="https")).fields["set-cookie"]

    assert [
        "Path=/operator",
        f"Max-Age={LONGEST_MS // 1000}",
        "HttpOnly",
        "SameSite=Strict",
    ] == plain.split("; ")[1:]
    assert "Secure" == behind_tls.split("; ")[-1]
    assert FILE_KEY not in plain


async def test_a_session_ends_when_nobody_looks_and_in_any_case(site: Site) -> None:
    await site.sign_in()
    statuses = []
    # a page every half hour, until the twelve hours are over
    for _ in range(LONGEST_MS // IDLE_MS + 2):
        statuses.append((await site.get(ACME_PAGE)).status)
        site.api.now_ms += IDLE_MS
    await site.sign_in()
    site.api.now_ms += IDLE_MS + 1
    idle = await site.get(ACME_PAGE)

    assert ({200}, 303) == (set(statuses[:-1]), statuses[-1])
    assert 303 == idle.status


async def test_a_session_ends_with_its_key(site: Site) -> None:
    """Catalogue L8."""
    text = await site.api.new_key()
    await site.sign_in(text)
    before = await site.get(ACME_PAGE)

    await site.api.services.api_keys.revoke(BrandId("acme"), text.split("_")[1])

    assert [200, 303] == [before.status, (await site.get(ACME_PAGE)).status]


@pytest.mark.parametrize("at", range(5))
async def test_a_session_that_was_changed_anywhere_is_none(site: Site, at: int) -> None:
    await site.sign_in()
    parts = site.cookie.split(".")
    parts[at] = parts[at][:-1] + ("1" if parts[at][-1] != "1" else "2")
    site.cookie = ".".join(parts)

    assert 303 == (await site.get(ACME_PAGE)).status


@pytest.mark.parametrize("cookie", ["", "x", "....", "file.1.1.3." + "0" * 64, '"', "é"])
async def test_a_cookie_that_is_none_of_ours_is_nobodys(site: Site, cookie: str) -> None:
    site.cookie = cookie or "="

    assert 303 == (await site.get(ACME_PAGE)).status


async def test_signing_out_takes_the_cookie_away(site: Site) -> None:
    await site.sign_in()

    left = await site.post(f"{HOME}/sign-out", {})

    assert (303, "") == (left.status, site.cookie)
    assert "Max-Age=0" in left.fields["set-cookie"]
    assert 303 == (await site.get(ACME_PAGE)).status


async def test_a_cookie_kept_after_signing_out_opens_nothing(site: Site) -> None:
    """Who had copied it is out too, in every process, and so is the session's form text; another
    session of the key goes on.
    """
    await site.sign_in()
    stolen = site.cookie
    site.api.now_ms += 1000
    await site.sign_in()
    other = site.cookie
    site.cookie = stolen

    await site.post(f"{HOME}/sign-out", {})
    site.cookie = stolen
    after = await site.get(ACME_PAGE)
    site.cookie = other

    assert (303, f"{HOME}/sign-in") == (after.status, after.fields["location"])
    assert 200 == (await site.get(ACME_PAGE)).status


@pytest.mark.parametrize(
    "others",
    [
        'a="' + '\\"' * 3_900 + "; ",
        "b=" + "\\" * 7_000 + "; ",
        "; " * 3_000,
        "signoff_operatorx=1; =; x; ",
    ],
)
async def test_cookies_of_others_are_passed_over(site: Site, others: str) -> None:
    """Only our own is read, and in one pass, whatever stands beside it."""
    await site.sign_in()
    ours = site.cookie

    shown = await site.session.get(
        f"{site.base}{ACME_PAGE}",
        headers={"Cookie": f"{others}signoff_operator={ours}"},
        allow_redirects=False,
    )

    assert 200 == shown.status


async def test_a_brands_key_sees_its_brand_alone(site: Site) -> None:
    """Catalogue L8."""
    await site.sign_in(await site.api.new_key(KeyScope.READ))

    home, other, nowhere = [
        await site.get(path)
        for path in (HOME, f"{HOME}/brands/other", f"{HOME}/brands/nowhere/fields")
    ]

    assert (303, ACME_PAGE) == (home.status, home.fields["location"])
    assert [404, 404] == [other.status, nowhere.status]
    assert other.text == nowhere.text


async def test_a_key_that_may_not_read_sees_nothing(site: Site) -> None:
    await site.sign_in(await site.api.new_key(KeyScope.WRITE))

    assert 403 == (await site.get(ACME_PAGE)).status


async def test_a_form_without_the_sessions_own_text_does_nothing(site: Site) -> None:
    """Catalogue L7."""
    await site.sign_in()
    first = (await site.get(f"{ACME_PAGE}/recipient")).form_token
    await site.post(f"{HOME}/sign-out", {})
    site.api.now_ms += 1000
    await site.sign_in()
    deed = {"address": "ann@example.com", "do": "unsubscribe", "scope": "all"}

    replies = [
        await site.post(f"{ACME_PAGE}/recipient", deed | {"form": text})
        for text in ("", "x", "3.00", "99.aa", "é", first)
    ]

    assert {403} == {reply.status for reply in replies}
    assert (await site.api.state("ann@example.com")).sequence == 0


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "null"}, 200),
        ({}, 200),
    ],
)
async def test_a_form_that_another_site_sends_does_nothing(
    site: Site, fields: dict[str, str], status: int
) -> None:
    """Catalogue L7: even with the text of the session in it."""
    await site.sign_in()
    token = (await site.get(f"{ACME_PAGE}/recipient")).form_token
    deed = {"form": token, "address": "ann@example.com", "do": "unsubscribe", "scope": "all"}

    reply = await site.post(f"{ACME_PAGE}/recipient", deed, **fields)

    assert status == reply.status
    assert (await site.api.state("ann@example.com")).sequence == (status == 200)


async def test_another_site_can_sign_nobody_in_or_out(site: Site) -> None:
    """Catalogue L7."""
    refused = await site.post(f"{HOME}/sign-in", {"key": FILE_KEY}, Sec_Fetch_Site="cross-site")
    nobody = site.cookie
    await site.sign_in()
    kept = await site.post(f"{HOME}/sign-out", {}, Sec_Fetch_Site="cross-site")

    assert (400, "") == (refused.status, nobody)
    assert "set-cookie" not in kept.fields
    assert 200 == (await site.get(ACME_PAGE)).status


async def test_a_session_counts_against_the_limit_of_its_key() -> None:
    """Catalogue Q10."""
    async with running(per_minute=2) as site:
        await site.sign_in()
        pages = [await site.get(ACME_PAGE) for _ in range(3)]

    assert [200, 200, 429] == [page.status for page in pages]
    assert int(pages[-1].fields["retry-after"]) > 0


async def test_the_store_away_is_said_on_a_page_and_ends_no_session(site: Site) -> None:
    text = await site.api.new_key()
    await site.sign_in(text)
    site.api.store.down = True
    site.api.now_ms += REMEMBERED_MS + 1
    away = await site.get(ACME_PAGE)
    site.api.store.down = False

    back = await site.get(ACME_PAGE)

    assert [503, 200] == [away.status, back.status]
    assert "may succeed later" in away.text


@pytest.mark.parametrize("path", [*ROOMS, f"{HOME}/sign-in", f"{HOME}/brands/nowhere"])
async def test_no_page_loads_runs_or_keeps_anything(site: Site, path: str) -> None:
    """Catalogue E16, L7."""
    await site.sign_in()

    page = await site.get(path)

    policy = page.fields["content-security-policy"]
    assert (
        policy.startswith("default-src 'none'; style-src 'sha256-")
        and "script" not in policy
        and "unsafe" not in policy
    )
    assert ["no-store", "no-referrer", "DENY"] == [
        page.fields[name] for name in ("cache-control", "referrer-policy", "x-frame-options")
    ]
    assert not re.search(r"<script|<[^>]+\s(?:style|on\w+)=|<[^a>][^>]*https?://", page.html)


async def test_other_methods_get_405_with_the_true_ones(site: Site) -> None:
    """Catalogue E13."""
    replies = [
        await site.ask("PUT", HOME),
        await site.ask("POST", f"{ACME_PAGE}/fields"),
        await site.get(f"{HOME}/sign-out"),
    ]

    assert [(405, "GET, HEAD"), (405, "GET, HEAD"), (405, "POST")] == [
        (reply.status, reply.fields["allow"]) for reply in replies
    ]
