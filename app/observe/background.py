"""The one supervisor of tasks that live as long as their process: none of them ends unseen.

A task that ends by an exception is logged with its traceback, counted, and started again, after a
pause that grows while it keeps failing. One that returns has done what it was for. A process whose
parts cannot go on alone ends instead (`app.wiring.worker`), and says so by `note_end`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum

from app.observe.log import LogEvent, Logger
from app.observe.metrics import BACKGROUND_TASKS_ENDED, labelled

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_STEADY_SECONDS = 60.0  # a task that has lived that long is started again at once


class Part(StrEnum):
    """The long-lived tasks of all processes: a label of `BACKGROUND_TASKS_ENDED`."""

    REPLAY = "replay"
    BACKLOG = "backlog"
    STORE_WATCH = "store_watch"
    CONFIGURATION = "configuration"
    SWEEP = "sweep"
    ACCEPT = "accept"
    PROBE = "probe"
    COUNTING = "counting"
    RELAY_WORKER = "relay_worker"
    HANGUPS = "hangups"
    DELIVERY = "delivery"
    LEDGER = "ledger"
    TRIES = "tries"


def keep_running(
    part: Part, run: Callable[[], Awaitable[object]], log: Logger
) -> "asyncio.Task[None]":
    """Run a part until the task is cancelled, or until the part returns; start it again whenever it
    fails.
    """
    return asyncio.get_running_loop().create_task(_keep(part, run, log), name=part.value)


@asynccontextmanager
async def kept_running(
    part: Part, run: Callable[[], Awaitable[object]], log: Logger
) -> AsyncIterator[None]:
    """Run a part for as long as the context is open."""
    task = keep_running(part, run, log)
    try:
        yield
    finally:
        await cancelled(task)


async def cancelled(task: "asyncio.Task[None]") -> None:
    """Cancel a background task and wait for its end."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def note_end(part: Part, error: BaseException, log: Logger) -> None:
    """Log and count a part that has ended by an exception."""
    labelled(BACKGROUND_TASKS_ENDED, part.value).inc()
    log.error(
        LogEvent.BACKGROUND_TASK_ENDED,
        task=part.value,
        reason=f"{type(error).__name__}: {error}",
        exc_info=error,
    )


async def _keep(part: Part, run: Callable[[], Awaitable[object]], log: Logger) -> None:
    loop = asyncio.get_running_loop()
    pause = _FIRST_PAUSE
    while True:
        started = loop.time()
        try:
            await run()
        except asyncio.CancelledError as exc:
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            note_end(part, exc, log)  # something that it waited for was cancelled, not we
        except Exception as exc:  # a rim: whatever ended the part, the process goes on with it
            note_end(part, exc, log)
        else:
            return
        pause = (
            _FIRST_PAUSE
            if loop.time() - started > _STEADY_SECONDS
            else min(2 * pause, _LONGEST_PAUSE)
        )
        await asyncio.sleep(pause)
