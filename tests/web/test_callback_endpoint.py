"""The callback API of self-managed brands."""

import json

import pytest

from app.core.model import Purpose, Source
from tests.web.running import Site, running

CALLBACK = "/v1/emailunsubscribe"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_callback_token_acts_by_either_method_any_number_of_times(
    site: Site, method: str
) -> None:
    token = site.token(purpose=Purpose.CALLBACK)

    replies = [await site.ask(method, f"{CALLBACK}?qmoe={token}") for _ in range(3)]

    assert [200] * 3 == [reply.status for reply in replies]
    assert "success" == json.loads(replies[0].body)["status"]
    state = await site.state()
    assert (False, Source.CALLBACK, 1) == (
        state.everything.subscribed,
        state.everything.source,
        state.sequence,
    )


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "purpose", [Purpose.ONE_CLICK, Purpose.MAILTO, Purpose.PREFERENCES, Purpose.PROBE]
)
async def test_a_token_of_another_purpose_is_forbidden_and_does_nothing(
    site: Site, method: str, purpose: Purpose
) -> None:
    """Catalogue T4."""
    reply = await site.ask(method, f"{CALLBACK}?qmoe={site.token(purpose=purpose)}")

    assert 403 == reply.status
    assert "application/problem+json" == reply["content-type"]
    assert not await site.left()


@pytest.mark.parametrize("target", [f"{CALLBACK}?qmoe=bad", CALLBACK, f"{CALLBACK}/?qmoe="])
async def test_a_bad_token_is_a_problem(site: Site, target: str) -> None:
    reply = await site.ask("GET", target)

    problem = json.loads(reply.body)
    assert 400 == reply.status == problem["status"]
    assert "application/problem+json" == reply["content-type"]
    assert {"type", "title", "status", "code"} <= problem.keys()


async def test_head_does_nothing(site: Site) -> None:
    """Catalogue E4."""
    reply = await site.ask("HEAD", f"{CALLBACK}?qmoe={site.token(purpose=Purpose.CALLBACK)}")

    assert 405 == reply.status
    assert "GET, POST" == reply["allow"]
    assert not await site.left()


async def test_what_is_not_durable_is_a_problem_with_a_time_to_come_again(site: Site) -> None:
    """Catalogue E8."""
    site.store.down = True

    reply = await site.ask("POST", f"{CALLBACK}?qmoe={site.token(purpose=Purpose.CALLBACK)}")

    assert 503 == reply.status
    assert "application/problem+json" == reply["content-type"]
    assert reply["retry-after"].isdigit()


async def test_bad_tokens_are_throttled_and_good_ones_are_not() -> None:
    """Catalogue E10."""
    async with running(bad_tokens_per_minute=2) as site:
        bad = [(await site.ask("GET", f"{CALLBACK}?qmoe=x")).status for _ in range(3)]
        good = await site.ask("GET", f"{CALLBACK}?qmoe={site.token(purpose=Purpose.CALLBACK)}")

    assert [400, 400, 429] == bad
    assert 200 == good.status


async def test_a_test_token_is_answered_and_saves_nothing(site: Site) -> None:
    """Catalogue H12."""
    reply = await site.ask(
        "POST", f"{CALLBACK}?qmoe={site.token(purpose=Purpose.CALLBACK, test=True)}"
    )

    assert 200 == reply.status
    assert not await site.left()
