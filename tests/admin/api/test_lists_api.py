"""Suppressions, audiences, segments: asked for, taken out, brought in."""

import csv
import gzip
import io
import json
import re
from collections.abc import AsyncIterator

import pytest

from app.core.errors import StoreUnavailable
from app.core.model import Source, Statement
from app.usecases import suppressions
from tests.admin.api.running import ACME, Api

LIST = "/v1/brands/acme/suppressions"
CSV = {"Content-Type": "text/csv"}


async def leave(api: Api, *addresses: str, groups: tuple[str, ...] = ()) -> None:
    for address in addresses:
        reply = await api.post(
            f"/v1/brands/acme/recipients/{address}/unsubscribe", {"groups": list(groups)}
        )
        assert 200 == reply.status


async def with_groups(api: Api) -> None:
    for name in ("news", "offers"):
        await api.post("/v1/brands/acme/groups", {"name": name})


async def pages(api: Api, path: str, member: str, limit: int = 2) -> list[list[dict[str, object]]]:
    found, cursor = [], ""
    while True:
        reply = (
            await api.get(f"{path}{'&' if '?' in path else '?'}limit={limit}&cursor={cursor}")
        ).json
        found.append(reply[member])
        cursor = reply.get("next", "")
        if not cursor:
            return found


async def test_pages_together_list_everybody_who_left_once_with_the_address(api: Api) -> None:
    """Catalogue Q8."""
    addresses = [f"p{number}@x.com" for number in range(7)]
    await leave(api, *addresses)
    await api.post("/v1/brands/acme/recipients/stayed@x.com/unsubscribe")
    api.now_ms += 1
    await api.post(
        "/v1/brands/acme/recipients/stayed@x.com/resubscribe", {"consent": "yes", "sequence": 1}
    )

    found = await pages(api, LIST, "suppressions")

    assert all(len(page) <= 2 for page in found)
    assert sorted(addresses) == sorted(str(row["address"]) for page in found for row in page)


async def test_a_page_never_looks_at_more_than_it_may_and_says_that_there_is_more(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppressions, "_SLICE", 3)
    monkeypatch.setattr(suppressions, "MOST_LOOKED_AT", 6)
    await leave(api, *(f"p{number}@x.com" for number in range(20)))
    await with_groups(api)
    await leave(api, "rare@x.com", groups=("news",))

    found = await pages(api, f"{LIST}?group=news", "suppressions", limit=100)

    assert 4 == len(found)
    assert ["rare@x.com"] == [row["address"] for page in found for row in page]


async def test_suppressions_are_asked_for_by_group_source_and_time(api: Api) -> None:
    """Catalogue Q8."""
    await with_groups(api)
    await leave(api, "all@x.com")
    await leave(api, "news@x.com", groups=("news",))
    await api.ask("POST", LIST, data="email,created\nold@x.com,1577854800\n", fields=CSV)

    async def listed(query: str) -> set[str]:
        return {row["address"] for row in (await api.get(f"{LIST}?{query}")).json["suppressions"]}

    assert {"all@x.com", "news@x.com", "old@x.com"} == await listed("")
    assert {"all@x.com", "old@x.com"} == await listed("group=all")
    assert {"news@x.com"} == await listed("group=NEWS")
    assert {"old@x.com"} == await listed("source=import")
    assert {"old@x.com"} == await listed("until=2021-01-01T00:00:00Z")
    assert {"all@x.com", "news@x.com"} == await listed("since=2021-01-01T01:00:00%2B01:00")


@pytest.mark.parametrize("asked", [("?format=csv", {}), ("", {"Accept": "text/csv;q=1, */*"})])
async def test_the_whole_list_is_a_csv_file_that_no_spreadsheet_runs(
    api: Api, asked: tuple[str, dict[str, str]]
) -> None:
    """Catalogue Q8."""
    await leave(api, "+bob@x.com", "=cmd@x.com", "ann@x.com")

    reply = await api.get(LIST + asked[0], fields=asked[1])

    rows = list(csv.DictReader(io.StringIO(reply.body.decode())))
    assert (200, "text/csv; charset=utf-8") == (reply.status, reply.fields["content-type"])
    assert 'attachment; filename="acme-suppressions.csv"' == reply.fields["content-disposition"]
    assert {"'+bob@x.com", "'=cmd@x.com", "ann@x.com"} == {row["address"] for row in rows}
    assert {"all"} == {row["group"] for row in rows}


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("application/json, text/csv;q=0.5", "application/json"),
        ("text/csv;q=0", "application/json"),
        ("text/html, */*;q=0.8", "application/json"),
        ("application/json;q=0.5, application/jsonl", "application/x-ndjson"),
        ("TEXT/CSV; charset=utf-8; q=0.9, application/x-ndjson;q=0.8", "text/csv; charset=utf-8"),
    ],
)
async def test_the_form_is_the_one_that_the_caller_likes_best(
    api: Api, accept: str, media: str
) -> None:
    assert media == (await api.get(LIST, fields={"Accept": accept})).fields["content-type"]


async def test_a_brand_that_stores_no_addresses_exports_digests_and_takes_them_back(
    api: Api,
) -> None:
    """Catalogue Q8."""
    await api.post("/v1/brands/other/recipients/bob@x.com/unsubscribe")

    exported = await api.get("/v1/brands/other/suppressions?format=ndjson")
    (row,) = [json.loads(line) for line in exported.body.splitlines()]
    again = await api.ask(
        "POST",
        "/v1/brands/other/suppressions",
        data=exported.body,
        fields={"Content-Type": "application/x-ndjson"},
    )

    assert "application/x-ndjson" == exported.fields["content-type"]
    assert "address" not in row and "bob" not in exported.body.decode()
    assert (1, 1, []) == (again.json["read"], again.json["accepted"]["all"], again.json["refused"])


async def test_an_export_that_the_store_breaks_off_is_no_whole_list(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppressions, "_SLICE", 2)
    await leave(api, *(f"p{number}@x.com" for number in range(9)))
    whole = api.services.suppressions.rows

    async def broken(*arguments: object) -> AsyncIterator[object]:
        async for portion in whole(*arguments):  # type: ignore[arg-type]  # the same arguments
            yield portion
            raise StoreUnavailable("gone")

    monkeypatch.setattr(suppressions.Suppressions, "rows", lambda _, *arguments: broken(*arguments))

    with pytest.raises(Exception, match="payload"):
        await api.get(f"{LIST}?format=csv")


async def test_an_import_is_an_unsubscribe_at_the_time_of_the_line_with_its_own_source(
    api: Api,
) -> None:
    """Catalogue Q8."""
    await with_groups(api)
    content = (
        "email,created\nann@x.com,1577854800\nbob@x.com,\neve@x.com,someday\nann@x.com,1577854800\n"
    )

    report = (await api.ask("POST", f"{LIST}?group=news", data=content, fields=CSV)).json

    ann, bob = await api.state("ann@x.com"), await api.state("bob@x.com")
    ((_, left),) = ann.groups.items()
    assert {"all": 0, "groups": {"news": 4}} == report["accepted"]
    assert (False, 4, 2, 0, []) == (
        report["dry_run"],
        report["read"],
        report["undated"],
        report["skipped_subscribed"],
        report["refused"],
    )
    assert {
        "line": 2,
        "recipient": "ann@x.com",
        "groups": ["news"],
        "at": "2020-01-01T05:00:00.000Z",
    } == report["first"][0]
    assert (True, False, 1_577_854_800_000, Source.IMPORT) == (
        ann.everything.subscribed,
        left.subscribed,
        left.since_ms,
        left.source,
    )
    assert [api.now_ms] == [one.since_ms for one in bob.groups.values()]


async def test_an_import_never_brings_anybody_back_nor_undoes_a_newer_consent(api: Api) -> None:
    """Catalogue Q6: import cannot flip."""
    await leave(api, "came-back@x.com")
    api.now_ms += 1
    await api.post(
        "/v1/brands/acme/recipients/came-back@x.com/resubscribe", {"consent": "yes", "sequence": 1}
    )

    old = "email,created\ncame-back@x.com,1577854800\n"
    status = (await api.ask("POST", LIST, data=old, fields=CSV)).status

    assert (200, True) == (status, (await api.state("came-back@x.com")).everything.subscribed)


@pytest.mark.parametrize(
    ("media", "content"),
    [
        ("application/json", b'{"addresses":["ann@x.com"]}'),
        ("application/json; charset=utf-8", b'[{"email":"ann@x.com"}]'),
        ("application/ndjson", b'{"email":"ann@x.com"}\n'),
        ("application/x-www-form-urlencoded", b"email\nann@x.com\n"),
        ("", b"email\nann@x.com\n"),
    ],
)
async def test_a_list_is_taken_by_what_is_in_it_whatever_it_is_called(
    api: Api, media: str, content: bytes
) -> None:
    report = await api.ask(
        "POST", f"{LIST}?format=csv", data=content, fields={"Content-Type": media}
    )

    assert (200, 1, []) == (report.status, report.json["accepted"]["all"], report.json["refused"])
    assert not (await api.state("ann@x.com")).everything.subscribed


async def test_a_picture_is_no_list(api: Api) -> None:
    reply = await api.ask("POST", LIST, data=b"ann@x.com", fields={"Content-Type": "image/png"})

    assert (415, True) == (reply.status, "text/csv" in reply.fields["accept-post"])


async def test_a_compressed_list_is_refused_and_not_read_as_it_is(api: Api) -> None:
    fields = CSV | {"Content-Encoding": "gzip"}

    reply = await api.ask("POST", LIST, data=gzip.compress(b"ann@x.com\n"), fields=fields)

    assert (415, "identity") == (reply.status, reply.fields["accept-encoding"])


async def test_a_page_of_our_own_comes_back_as_it_was(api: Api) -> None:
    await with_groups(api)
    await leave(api, "ann@x.com", groups=("news", "offers"))
    page = await api.get(LIST)

    report = await api.ask(
        "POST", LIST, data=page.body, fields={"Content-Type": "application/json"}
    )

    assert ({"all": 0, "groups": {"news": 1, "offers": 1}}, []) == (
        report.json["accepted"],
        report.json["refused"],
    )
    assert page.json == (await api.get(LIST)).json


async def test_a_line_from_the_future_counts_as_now(api: Api) -> None:
    await api.ask("POST", LIST, data="email,created\nann@x.com,9999999999\n", fields=CSV)

    assert api.now_ms == (await api.state("ann@x.com")).everything.since_ms


async def test_broken_lines_are_told_by_number_and_cost_only_themselves(api: Api) -> None:
    content = (
        b"email\nann@x.com\nnot an address\n\xff\xfe@x.com\n" + b"y" * 100_000 + b"\nbob@x.com\n"
    )

    report = (await api.ask("POST", LIST, data=content, fields=CSV)).json

    assert (5, 2, 3) == (report["read"], report["accepted"]["all"], report["refused_count"])
    assert [3, 4, 5] == [problem["line"] for problem in report["refused"]]
    assert not (await api.state("bob@x.com")).everything.subscribed


async def test_a_dry_run_reports_and_saves_nothing(api: Api) -> None:
    report = (
        await api.ask(
            "POST",
            f"{LIST}?dry_run=true&format=mailgun",
            data="address\nann@x.com\nbad\n",
            fields=CSV,
        )
    ).json

    assert (True, None, 1, 1) == (
        report["dry_run"],
        report.get("id"),
        report["accepted"]["all"],
        report["refused_count"],
    )
    assert (await api.state("ann@x.com")).everything.subscribed
    assert [] == (await api.get("/v1/brands/acme/audit")).json["audit"]


async def test_an_import_while_nothing_can_be_kept_is_503(api: Api) -> None:
    api.store.down = True

    reply = await api.ask("POST", LIST, data="ann@x.com\n", fields=CSV)

    assert (503, "30") == (reply.status, reply.fields["retry-after"])


async def test_an_audience_comes_back_in_three_parts(api: Api) -> None:
    """Catalogue Q1."""
    await with_groups(api)
    await leave(api, "left@x.com")
    await leave(api, "no-news@x.com", groups=("news",))
    addresses = ["ann@x.com", "LEFT@x.com", "no-news@x.com", "nobody"]

    plain = (await api.post("/v1/brands/acme/check", {"addresses": addresses})).json
    news = (
        await api.post("/v1/brands/acme/check", {"addresses": addresses, "groups": ["news"]})
    ).json
    without = (
        await api.post(
            "/v1/brands/acme/check", {"addresses": addresses, "exclude_groups": ["news"]}
        )
    ).json

    assert (["ann@x.com", "no-news@x.com"], ["nobody"]) == (plain["allowed"], plain["invalid"])
    assert [{"address": "LEFT@x.com", "reason": "unsubscribed"}] == plain["suppressed"]
    assert ["unsubscribed", "group_unsubscribed"] == [one["reason"] for one in news["suppressed"]]
    assert ["no-news@x.com"] == without["allowed"]


async def test_what_is_too_long_for_an_address_is_invalid_and_costs_only_itself(api: Api) -> None:
    long = f"{'x' * 100_000}@x.com"

    checked = await api.post("/v1/brands/acme/check", {"addresses": ["ann@x.com", long]})

    assert (["ann@x.com"], [long]) == (checked.json["allowed"], checked.json["invalid"])


async def test_ten_thousand_addresses_are_checked_and_one_more_is_refused(api: Api) -> None:
    addresses = [f"p{number}@x.com" for number in range(10_000)]

    most = await api.post("/v1/brands/acme/check", {"addresses": addresses})
    more = await api.post("/v1/brands/acme/check", {"addresses": [*addresses, "q@x.com"]})

    assert (200, 10_000, 422) == (most.status, len(most.json["allowed"]), more.status)


async def test_segments_include_and_exclude_groups_with_all_as_the_default(api: Api) -> None:
    """As CleverTap's documents say of groups in segments."""
    await with_groups(api)
    await leave(api, "left@x.com")
    await leave(api, "no-news@x.com", groups=("news",))
    await leave(api, "neither@x.com", groups=("news", "offers"))

    async def members(query: str) -> set[str]:
        found = await pages(api, f"/v1/brands/acme/segments?{query}", "recipients")
        return {str(one["address"]).partition("@")[0] for page in found for one in page}

    assert {"no-news", "neither"} == await members("") == await members("include=all")
    assert {"no-news"} == await members("include=offers")
    assert set() == await members("include=news")
    assert {"left"} == await members("exclude=all")
    assert {"left", "no-news", "neither"} == await members("exclude=news")
    assert {"no-news", "neither"} == await members("include=All&exclude=news")
    assert {"left", "neither"} == await members("exclude=news,%20Offers")
    assert {"left", "neither"} == await members("exclude=news&exclude=offers")
    assert set() == await members("exclude=news&source=mailto")
    assert {"left", "no-news", "neither"} == await members(
        "exclude=news&source=api&since=2026-01-01T00:00:00Z"
    )
    assert set() == await members("exclude=news&until=2026-01-01T00:00:00Z")


async def test_an_import_is_undone_but_for_who_has_spoken_since(api: Api) -> None:
    """Catalogue N2: import, a click, undo; the one who clicked stays out, and so does who had left
    before.
    """
    await with_groups(api)
    await leave(api, "before@x.com")
    api.now_ms += 1_000
    content = "email,group\nall@x.com,\nnews@x.com,news\nclicked@x.com,\nbefore@x.com,\n"
    made = (await api.ask("POST", LIST, data=content, fields=CSV)).json
    api.now_ms += 1_000
    await leave(api, "clicked@x.com")

    listed = (await api.get("/v1/brands/acme/imports")).json["imports"]
    assert {int} == {type(count) for one in listed for count in one["counts"].values()}
    first = (await api.post(f"/v1/brands/acme/imports/{made['id']}/undo")).json
    second = (await api.post(f"/v1/brands/acme/imports/{made['id']}/undo")).json
    away = await api.post("/v1/brands/acme/imports/0123456789abcdef/undo")
    audit = [
        entry["action"]
        for entry in (await api.get("/v1/brands/acme/audit?limit=100")).json["audit"]
    ]

    states = {
        name: await api.state(f"{name}@x.com") for name in ("all", "news", "clicked", "before")
    }
    assert {"id": made["id"], "changed": 3, "put_back": 2, "kept": 1} == first
    assert (0, 3, 404) == (second["put_back"], second["kept"], away.status)
    assert (True, False, False) == tuple(
        states[name].everything.subscribed for name in ("all", "clicked", "before")
    )
    assert [True] == [one.subscribed for one in states["news"].groups.values()]
    assert Source.IMPORT_UNDONE is states["all"].everything.source
    assert made["id"] == listed[0]["id"]
    assert "undone" not in listed[0]
    assert [action for action in audit if action.startswith(("supp", "import"))] == [
        "suppressions_imported",
        "import_undone",
        "import_undone",
    ]


@pytest.mark.parametrize("arrives", ["before the undo", "after the undo"])
async def test_no_undoing_overrules_a_click_that_was_acknowledged_since_the_import(
    api: Api, arrives: str
) -> None:
    """Catalogue N2: it may lie in a spool alone while the undoing runs, and is replayed with its
    own time.
    """
    made = (await api.ask("POST", LIST, data="email\nann@x.com\nbob@x.com\n", fields=CSV)).json
    clicked_ms = api.now_ms + 1_000
    api.now_ms += 60_000

    if arrives == "before the undo":
        await click(api, "ann@x.com", clicked_ms)
    await api.post(f"/v1/brands/acme/imports/{made['id']}/undo")
    if arrives == "after the undo":
        await click(api, "ann@x.com", clicked_ms)

    assert (False, True) == tuple(
        [(await api.state(f"{name}@x.com")).everything.subscribed for name in ("ann", "bob")]
    )


async def test_who_had_clicked_before_the_import_is_not_put_back_though_the_click_came_late(
    api: Api,
) -> None:
    """Catalogue N2."""
    clicked_ms = api.now_ms
    api.now_ms += 1_000
    made = (await api.ask("POST", LIST, data="email\nann@x.com\n", fields=CSV)).json
    await click(api, "ann@x.com", clicked_ms)

    told = (await api.post(f"/v1/brands/acme/imports/{made['id']}/undo")).json

    assert (0, 1) == (told["put_back"], told["kept"])
    assert not (await api.state("ann@x.com")).everything.subscribed


@pytest.mark.parametrize(
    "lines",
    [
        "ann@x.com,1577854800\nann@x.com,1577858400\n",
        "ann@x.com,1577858400\nann@x.com,1577854800\n",
        "ann@x.com,1577854800\nANN@X.com,1577858400\nann@x.com,1577851200\n",
        "ann@x.com,\nann@x.com,\n",
        "ann@x.com,1577854800\nann@x.com,\n",
    ],
)
async def test_a_recipient_with_several_lines_is_put_back_like_any_other(
    api: Api, lines: str
) -> None:
    """Catalogue N2: lines of the same import are no later word."""
    made = (await api.ask("POST", LIST, data=f"email,created\n{lines}", fields=CSV)).json
    api.now_ms += 1_000

    told = (await api.post(f"/v1/brands/acme/imports/{made['id']}/undo")).json

    assert {"id": made["id"], "changed": 1, "put_back": 1, "kept": 0} == told
    assert (await api.state("ann@x.com")).everything.subscribed


@pytest.mark.parametrize("order", [(1, 0), (0, 1, 0)])
@pytest.mark.parametrize("time", ["", "1577854800"])
async def test_a_list_imported_twice_is_put_back_once_both_are_undone(
    api: Api, order: tuple[int, ...], time: str
) -> None:
    """Catalogue N2: what a later import that stands may have named is kept until it is undone
    too.
    """
    made = []
    for _ in range(2):
        content = f"email,created\nann@x.com,{time}\n"
        made.append((await api.ask("POST", LIST, data=content, fields=CSV)).json["id"])
        api.now_ms += 60_000

    seen = []
    for number in order:
        await api.post(f"/v1/brands/acme/imports/{made[number]}/undo")
        seen.append((await api.state("ann@x.com")).everything.subscribed)

    assert seen[-1]
    assert seen[:-1] == [bool(time) and order[0] == 0] * (len(order) - 1)


@pytest.mark.parametrize("arrives", ["before the undo", "after the undo"])
async def test_a_click_between_two_imports_outlives_the_undoing_of_both(
    api: Api, arrives: str
) -> None:
    """Catalogue N2: whenever it arrives."""
    made = []
    for _ in range(2):
        made.append((await api.ask("POST", LIST, data="email\nann@x.com\n", fields=CSV)).json["id"])
        api.now_ms += 60_000
    clicked_ms = api.now_ms - 90_000

    if arrives == "before the undo":
        await click(api, "ann@x.com", clicked_ms)
    for one in reversed(made):
        await api.post(f"/v1/brands/acme/imports/{one}/undo")
    if arrives == "after the undo":
        await click(api, "ann@x.com", clicked_ms)

    assert not (await api.state("ann@x.com")).everything.subscribed


async def click(api: Api, address: str, at_ms: int) -> None:
    digest = api.codec.digest(address, brand=ACME)
    await api.store.apply(
        Statement(
            id=at_ms.to_bytes(16, "big"),
            brand=ACME,
            digest=digest,
            groups=(),
            subscribed=False,
            source=Source.LIST_UNSUBSCRIBE,
            at_ms=at_ms,
        )
    )


async def test_lines_that_something_newer_overrules_are_counted_apart_also_before_they_are_saved(
    api: Api,
) -> None:
    """Catalogue N33, Q6."""
    await leave(api, "joe@x.com")
    api.now_ms += 1
    await api.post(
        "/v1/brands/acme/recipients/joe@x.com/resubscribe", {"consent": "yes", "sequence": 1}
    )
    content = "email,unsubscribed_at\njoe@x.com,2020-01-01\nann@x.com,2020-01-01\n"

    dry = (await api.ask("POST", f"{LIST}?dry_run=true", data=content, fields=CSV)).json
    real = (await api.ask("POST", LIST, data=content, fields=CSV)).json

    assert (1, 1) == (dry["overruled"], real["overruled"])
    assert (True, False) == tuple(
        [(await api.state(f"{name}@x.com")).everything.subscribed for name in ("joe", "ann")]
    )


async def test_everybody_who_left_by_list_unsubscribe_is_one_query(api: Api) -> None:
    """The three ways that events call so: one-click, mail-to, callback."""
    for name, source in (
        ("a", Source.LIST_UNSUBSCRIBE),
        ("b", Source.MAILTO),
        ("c", Source.CALLBACK),
        ("d", Source.API),
    ):
        await api.store.apply(
            Statement(
                id=name.encode() * 16,
                brand=ACME,
                digest=api.codec.digest(f"{name}@x.com", brand=ACME),
                groups=(),
                subscribed=False,
                source=source,
                at_ms=api.now_ms,
            )
        )

    found = (await api.get("/v1/brands/acme/segments?exclude=all&source=List%20Unsubscribe")).json[
        "recipients"
    ]

    assert {api.codec.digest(f"{name}@x.com", brand=ACME).hex() for name in "abc"} == {
        one["recipient"] for one in found
    }


async def test_an_export_stands_in_the_audit(api: Api) -> None:
    """Catalogue Q8."""
    await api.get(f"{LIST}?format=csv")

    assert ["suppressions_exported"] == [
        entry["action"] for entry in (await api.get("/v1/brands/acme/audit")).json["audit"]
    ]


async def test_whoever_reads_of_people_stands_in_the_log(
    api: Api, capfd: pytest.CaptureFixture[str]
) -> None:
    """Catalogue L9: the key, what was read and of whom, by the digest alone."""
    await api.get("/v1/brands/acme/recipients/joe@x.com")
    await api.get("/v1/brands/acme/recipients/joe@x.com/history")
    await api.get(LIST)
    await api.get("/v1/brands/acme/segments?exclude=all")
    lines = [line for line in "".join(capfd.readouterr()).splitlines() if "recipients_read" in line]

    assert ["state", "history", "suppressions", "segment"] == [
        re.search(r"what=(\w+)", line)[1]  # type: ignore[index]
        for line in lines
    ]
    assert api.codec.digest("joe@x.com", brand=ACME).hex() in lines[0]
    assert not any("joe" in line for line in lines)
