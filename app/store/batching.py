"""Commands of one turn of the event loop become one pipeline.

A command of its own costs more in the client than in the server, so callers only queue here. A
batch is sent at the end of the turn when a pipeline is free, and else as soon as one is: the busier
the store, the larger the batches. The pipeline runs in a task of the batcher, so a caller that is
cancelled leaves no reply unread behind it (catalogue Q4). The batch, the pipelines and the queue
are bounded.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from app.core.errors import StoreUnavailable

T = TypeVar("T")

Command = tuple[str | bytes | int, ...]
Reply = bytes | int | list["Reply"] | None | Exception
Run = Callable[[list[Command]], Awaitable[Sequence[Reply]]]


class BatchedCommand(Generic[T]):
    """Some commands of one caller, what turns their replies into its answer, and the future that
    gets it.
    """

    __slots__ = ("answer", "commands", "finish")

    def __init__(
        self,
        commands: Sequence[Command],
        finish: Callable[[Sequence[Reply]], T],
        answer: asyncio.Future[T],
    ) -> None:
        self.commands = commands
        self.finish = finish
        self.answer = answer

    def resolve(self, replies: Sequence[Reply]) -> None:
        """Give the caller its answer, or the error of its own replies."""
        if self.answer.done():
            return
        try:
            self.answer.set_result(self.finish(replies))
        except Exception as exc:  # the error belongs to this caller alone
            self.answer.set_exception(exc)

    def fail(self, error: Exception) -> None:
        """Give the caller an error, unless it has gone."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Batcher:
    """Collects requests, whoever makes them, and runs them as few pipelines. Belongs to the event
    loop that first submits.
    """

    def __init__(self, run: Run, *, max_batch: int, max_in_flight: int, max_pending: int) -> None:
        self._run = run
        self._max_batch = max_batch
        self._max_in_flight = max_in_flight
        self._max_pending = max_pending
        # Any: what a request is answered with is the affair of its caller
        self._pending: deque[BatchedCommand[Any]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._scheduled = False
        self._closed = False

    def submit(
        self, commands: Sequence[Command], finish: Callable[[Sequence[Reply]], T]
    ) -> asyncio.Future[T]:
        """Queue the commands; the future ends with what `finish` makes of their replies, or with
        StoreUnavailable.
        """
        loop = asyncio.get_running_loop()
        request = BatchedCommand(commands, finish, loop.create_future())
        if self._closed or len(self._pending) >= self._max_pending:
            request.fail(
                StoreUnavailable(
                    "the store is closed"
                    if self._closed
                    else "too many requests wait for the store"
                )
            )
            return request.answer
        self._pending.append(request)
        if not self._scheduled and len(self._tasks) < self._max_in_flight:
            self._scheduled = True
            loop.call_soon(self._flush)
        return request.answer

    async def close(self) -> None:
        """Let the pipelines under way finish, and refuse what still waits."""
        self._closed = True
        while self._pending:
            self._pending.popleft().fail(StoreUnavailable("the store is closed"))
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _flush(self) -> None:
        self._scheduled = False
        while self._pending and len(self._tasks) < self._max_in_flight:
            task = asyncio.get_running_loop().create_task(self._execute(self._take()))
            self._tasks.add(task)
            task.add_done_callback(self._finished)

    def _take(self) -> list[BatchedCommand[Any]]:  # Any: as above
        batch: list[BatchedCommand[Any]] = []
        size = 0
        while self._pending and size < self._max_batch:
            request = self._pending.popleft()
            if not request.answer.done():
                batch.append(request)
                size += len(request.commands)
        return batch

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._flush()

    async def _execute(self, batch: list[BatchedCommand[Any]]) -> None:  # Any: as above
        try:
            replies = await self._run(
                [command for request in batch for command in request.commands]
            )
        except Exception as exc:  # whatever it was, every caller of the batch must hear of it
            for request in batch:
                request.fail(exc)
            return
        position = 0
        for request in batch:
            end = position + len(request.commands)
            request.resolve(replies[position:end])
            position = end
