"""The supervisor of long-lived tasks: no end goes unseen."""

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from app.observe import background
from app.observe.background import Part, cancelled, keep_running, kept_running
from app.observe.log import logger


def ended(part: Part) -> float:
    return (
        REGISTRY.get_sample_value("signoff_background_tasks_ended_total", {"task": part.value})
        or 0.0
    )


def spoil() -> None:
    raise AttributeError("a library's own defect")


async def lose() -> None:
    """Be told of a cancellation that was not meant for us."""
    other = asyncio.create_task(asyncio.sleep(60))
    other.cancel()
    await other


async def raise_os_error() -> None:
    raise OSError(24, "Too many open files")


async def spoil_later() -> None:
    spoil()


@pytest.mark.parametrize("fail", [spoil_later, raise_os_error, lose])
async def test_a_part_that_fails_is_logged_counted_and_started_again(
    fail: Callable[[], "asyncio.Future[None]"],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Catalogue N21."""
    monkeypatch.setattr(background, "_FIRST_PAUSE", 0.0)
    runs = 0
    second = asyncio.Event()

    async def part() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            await fail()
        second.set()
        await asyncio.Event().wait()

    before = ended(Part.REPLAY)
    async with kept_running(Part.REPLAY, part, logger("test")), asyncio.timeout(30):
        await second.wait()

    assert (runs, ended(Part.REPLAY) - before) == (2, 1)


async def test_a_part_that_returns_is_done_and_one_that_is_cancelled_ends() -> None:
    async def done() -> None:
        """Have nothing to do."""

    before = ended(Part.PROBE)
    returned = keep_running(Part.PROBE, done, logger("test"))
    await returned
    waiting = keep_running(Part.PROBE, asyncio.Event().wait, logger("test"))
    await asyncio.sleep(0)
    await cancelled(waiting)

    assert waiting.cancelled()
    assert ended(Part.PROBE) == before
