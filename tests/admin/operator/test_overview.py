"""The first pages: what waits, who asked to leave on which day by which way, and because of which
campaign.
"""

import math

import pytest

from app.admin.operator.charts import HEIGHT, SERIES, chart, round_top
from app.core.model import BrandNumber, CampaignId, Source
from app.core.tally import TallyKind, Tick, copy_tick, day_of
from app.usecases.backlog import Measure
from app.usecases.overview import Day
from tests.admin.api.running import ACME
from tests.admin.operator.running import ACME_PAGE, HOME, Site

HOUR = 3_600_000


def measured(acme_ms: int, *, unreturned: dict[str, float] | None = None) -> Measure:
    by_brand = {"acme": acme_ms, "other": 0}
    return Measure(
        pending_ms=acme_ms,
        undelivered_ms=0,
        by_brand=by_brand,
        lag=0,
        dead=0,
        unknown=0,
        unreturned_ms=unreturned or {},
    )


def left(day: int, source: Source, *, brand: BrandNumber = ACME) -> Tick:
    return Tick(brand, day, TallyKind.LEFT, source.label)


async def test_the_oldest_request_is_shown_against_what_is_promised(site: Site) -> None:
    """Catalogue Q9."""
    await site.sign_in()
    unknown = await site.get(ACME_PAGE)
    site.measure = measured(5 * HOUR + 90_000)
    page, home = await site.get(ACME_PAGE), await site.get(HOME)
    site.measure = measured(0)
    calm = await site.get(ACME_PAGE)

    assert "not looked at yet" in unknown.text
    assert "5 h 1 min" in page.text and "of 48 h promised" in page.text
    assert f'max="{48 * HOUR}"' in page.html and f'value="{5 * HOUR + 90_000}"' in page.html
    assert "figure bad" in page.html and "figure bad" not in calm.html
    assert "5 h 1 min" in home.text
    assert "nothing waits" in calm.text


async def test_who_asked_to_leave_is_counted_by_day_and_source(site: Site) -> None:
    await site.sign_in()
    today = day_of(site.api.now_ms)
    back = Tick(ACME, today, TallyKind.BACK, Source.API.label)
    await site.tallies.add(
        {
            left(today, Source.LIST_UNSUBSCRIBE): 1200,
            left(today, Source.MAILTO): 3,
            left(today - 29, Source.LIST_UNSUBSCRIBE): 40,
            left(today - 30, Source.LIST_UNSUBSCRIBE): 77,
            left(today, Source.IMPORT): 50_000,
            left(today, Source.MAILTO, brand=BrandNumber(2)): 9,
            back: 2,
        }
    )

    page, home = await site.get(ACME_PAGE), await site.get(HOME)

    assert "Asked to leave today 1,203" in page.text
    assert "In 30 days 1,243 77 in the 30 before" in page.text
    assert "Import 50,000 0 List unsubscribe 1,240 0 Mailto 3 0 API 0 2" in page.text
    assert "2026-09-21: 1,203" in page.html
    assert "Acme acme not looked at yet 1,203 1,243 77" in home.text
    assert "Other other not looked at yet 9 9 0" in home.text


async def test_campaigns_show_who_left_of_how_many_copies(site: Site) -> None:
    await site.sign_in()
    today = day_of(site.api.now_ms)
    named = {
        Tick(ACME, today, TallyKind.CAMPAIGN, name): count
        for name, count in (("<b>spring</b>", 12), ("autumn", 1), ("", 5))
    }
    await site.tallies.add(
        named | {copy_tick(ACME, CampaignId("<b>spring</b>"), now_ms=site.api.now_ms): 4800}
    )

    page = await site.get(ACME_PAGE)

    assert "<b>spring</b> 12 4,800 0.25 %" in page.text
    assert "others together 5 0 –" in page.text
    assert "autumn 1 0 –" in page.text
    assert "<b>spring" not in page.html


async def test_a_long_list_of_campaigns_is_cut_and_says_so(site: Site) -> None:
    await site.sign_in()
    today = day_of(site.api.now_ms)
    await site.tallies.add(
        {Tick(ACME, today, TallyKind.CAMPAIGN, f"c{number}"): number + 1 for number in range(30)}
    )

    page = await site.get(ACME_PAGE)

    assert "c29 30" in page.text and "And 5 more" in page.text


@pytest.mark.parametrize(
    ("since_ms", "said"),
    [
        (math.inf, "has never returned one"),
        (3 * HOUR, "last returned one 3 h 0 min ago"),
        (200 * HOUR, "8 d 8 h ago"),
    ],
)
async def test_a_self_managed_brand_that_returns_nothing_is_seen(
    site: Site, since_ms: float, said: str
) -> None:
    await site.sign_in()
    site.measure = measured(0, unreturned={"acme": since_ms})

    page = await site.get(ACME_PAGE)

    assert said in page.text
    assert ("note warn" in page.html) == (since_ms > 48 * HOUR)


def test_bars_stand_on_each_other_and_on_the_ground() -> None:
    days = [
        Day(
            day=1,
            left={
                "list_unsubscribe": 5,
                "mailto": 3,
                "group_page": 1,
                "landing_page": 1,
                "import": 900,
            },
            back={"api": 4},
        )
    ]

    drawn = chart(days)

    (column,) = drawn.columns
    assert (10, 10, (5, 3, 2, 0)) == (drawn.top, column.total, column.counts)
    assert [(1, 50.0, 50.0), (2, 20.0, 30.0), (3, 0.0, 20.0)] == [
        (bar.series, bar.y, bar.height) for bar in column.bars
    ]
    assert all(0 <= bar.x and bar.x + bar.width <= drawn.width for bar in column.bars)
    assert HEIGHT == column.bars[0].y + column.bars[0].height


def test_every_source_but_the_import_and_its_undoing_is_in_exactly_one_series() -> None:
    drawn = [source for series in SERIES for source in series.sources]

    assert sorted({*Source} - {Source.IMPORT, Source.IMPORT_UNDONE}) == sorted(drawn)


@pytest.mark.parametrize(
    ("most", "top"),
    [(0, 2), (1, 2), (2, 2), (3, 4), (7, 10), (11, 20), (61, 100), (401, 600), (9_999, 10_000)],
)
def test_the_scale_ends_at_a_round_value_whose_half_is_whole(most: int, top: int) -> None:
    assert top == round_top(most)
