"""What a change counts for, and what the counts say of campaigns."""

from app.core.groups import EVERYTHING
from app.core.model import BrandNumber, CampaignId, RecipientDigest, Source, Statement
from app.core.tally import (
    DAY_MS,
    OTHERS,
    CampaignTally,
    TallyKind,
    Tick,
    campaigns,
    copy_tick,
    ticks_of,
)
from app.core.token import hashed_campaign
from app.core.webhook import Work

BRAND = BrandNumber(7)
TODAY = 20_000
NOON = TODAY * DAY_MS + DAY_MS // 2


def work(
    *,
    at_ms: int = NOON,
    subscribed: bool = False,
    source: Source = Source.LIST_UNSUBSCRIBE,
    campaign: str = "spring",
) -> Work:
    statement = Statement(
        id=bytes(16),
        brand=BRAND,
        digest=RecipientDigest(bytes(10)),
        groups=(),
        subscribed=subscribed,
        source=source,
        at_ms=at_ms,
        campaign=CampaignId(campaign),
    )
    return Work(entry_id="1-0", statement=statement, changed=(EVERYTHING,), sequence=1)


def left(name: str, count: int, *, day: int = TODAY) -> dict[Tick, int]:
    return {Tick(BRAND, day, TallyKind.CAMPAIGN, name): count}


def copies(name: str, count: int) -> dict[Tick, int]:
    return {copy_tick(BRAND, CampaignId(name), now_ms=NOON): count}


def test_an_unsubscribe_counts_for_its_source_and_its_campaign_on_the_day_of_the_request() -> None:
    yesterday = ticks_of(work(at_ms=NOON - DAY_MS), now_ms=NOON)

    expected = (
        Tick(BRAND, TODAY - 1, TallyKind.LEFT, "list_unsubscribe"),
        Tick(BRAND, TODAY - 1, TallyKind.CAMPAIGN, "spring"),
    )
    assert expected == yesterday


def test_without_a_campaign_and_for_who_comes_back_only_the_source_counts() -> None:
    assert (Tick(BRAND, TODAY, TallyKind.LEFT, "api"),) == ticks_of(
        work(source=Source.API, campaign=""), now_ms=NOON
    )
    assert (Tick(BRAND, TODAY, TallyKind.BACK, "api"),) == ticks_of(
        work(source=Source.API, subscribed=True), now_ms=NOON
    )


def test_an_import_counts_today_and_no_request_counts_for_tomorrow() -> None:
    imported = ticks_of(work(source=Source.IMPORT, at_ms=0, campaign=""), now_ms=NOON)
    ahead = ticks_of(work(at_ms=NOON + DAY_MS), now_ms=NOON)

    assert {TODAY} == {tick.day for tick in (*imported, *ahead)}


def test_campaigns_are_sorted_by_who_left_and_added_up_over_the_days() -> None:
    ticks = (
        left("spring", 2)
        | left("spring", 3, day=TODAY - 1)
        | left("autumn", 1)
        | copies("autumn", 100)
        | copies("spring", 50)
    )

    found = campaigns({**ticks, Tick(BRAND, TODAY, TallyKind.LEFT, "mailto"): 9})

    assert [CampaignTally("spring", 5, 50), CampaignTally("autumn", 1, 100)] == found
    assert [0.1, 0.01] == [one.rate for one in found]


def test_who_left_by_a_token_that_holds_only_the_campaigns_hash_is_counted_to_its_name() -> None:
    name = "a campaign whose name is so long that no token has room for it"

    assert [CampaignTally(name, 3, 10)] == campaigns(
        left(hashed_campaign(CampaignId(name)), 2) | left(name, 1) | copies(name, 10)
    )


def test_a_hash_of_an_unknown_name_and_what_is_counted_together_stand_for_themselves() -> None:
    assert [CampaignTally("sha256:00", 2, 0), CampaignTally(OTHERS, 1, 0)] == campaigns(
        left("sha256:00", 2) | left(OTHERS, 1)
    )


def test_no_rate_is_told_where_more_left_than_copies_were_counted() -> None:
    assert [None, None, 0.0] == [
        CampaignTally("x", *numbers).rate for numbers in ((3, 0), (3, 2), (0, 2))
    ]
