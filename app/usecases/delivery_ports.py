"""What the delivery of events needs from outside, as Protocols, beside `ports`. A partition is
0..255: the first octet of a digest.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from app.core.model import BrandNumber
from app.core.webhook import DeadLetter, Delivery, EndpointKey, Work


class WorkQueue(Protocol):
    """What changes the worker has still to look at, by partition. Every method raises
    StoreUnavailable when the store cannot answer.
    """

    async def waiting(self, partitions: Sequence[int], *, limit: int) -> Sequence[Work]:
        """Return the oldest entries of each partition, at most `limit` each; reading takes nothing
        away.
        """
        ...

    async def move(
        self, moves: Sequence[tuple[Work, Sequence[Delivery]]], *, due_ms: int
    ) -> Sequence[Sequence[Delivery] | None]:
        """Replace each entry atomically by its deliveries and return of each those that are new;
        None when somebody else was faster.
        """
        ...

    async def set_aside(self, entries: Sequence[Work]) -> int:
        """Set entries of unknown brands aside, where they wait and hold up nobody; return how many
        no other worker had taken.
        """
        ...

    async def aside(
        self, brands: Collection[BrandNumber], partitions: Sequence[int], *, limit: int
    ) -> Sequence[Work]:
        """Return the oldest entries of these brands that were set aside, at most `limit` of each
        brand and partition.
        """
        ...

    async def aside_count(self, partitions: Sequence[int]) -> int:
        """Return how many entries of these partitions are set aside."""
        ...

    async def lag(self, partitions: Sequence[int]) -> int:
        """Return how many entries nobody has looked at."""
        ...

    async def oldest(self, partitions: Sequence[int]) -> Sequence[Work]:
        """Return of each partition the entry whose request is the oldest; imports aside, which
        nobody waits for.
        """
        ...

    async def note_returns(self, brands: Collection[BrandNumber], *, at_ms: int) -> None:
        """Note that these brands have just returned tokens of self-managed mail."""
        ...

    async def returns(self, brands: Sequence[BrandNumber]) -> Mapping[BrandNumber, int]:
        """Return when each of these brands last returned a token; a brand that never did is not in
        it.
        """
        ...

    async def time_ms(self) -> int:
        """Return the store's own time, UTC milliseconds."""
        ...

    async def trim_history(
        self, brand: BrandNumber, partitions: Sequence[int], *, keep_ms: int
    ) -> int:
        """Forget a brand's changes that are older by the store's time, never what a consumer group
        still has to read; return how many.
        """
        ...


class Deliveries(Protocol):
    """Events on their way to endpoints, and dead letters. Every method raises StoreUnavailable when
    the store cannot answer.
    """

    async def take(
        self, partitions: Sequence[int], *, now_ms: int, until_ms: int, limit: int
    ) -> Sequence[Delivery]:
        """Return what is due, at most `limit` of each partition; it is due again at `until_ms`
        unless something else is said until then.
        """
        ...

    async def finish(self, deliveries: Sequence[Delivery]) -> None:
        """Forget what has been delivered."""
        ...

    async def retry(self, deliveries: Sequence[tuple[Delivery, int]]) -> None:
        """Note failed attempts: each delivery as it is now, and when it is due again."""
        ...

    async def postpone(self, deliveries: Sequence[tuple[Delivery, int]]) -> None:
        """Let deliveries that were not attempted be due at another time."""
        ...

    async def bury(self, deliveries: Sequence[Delivery], *, at_ms: int) -> None:
        """Make dead letters of deliveries, each once."""
        ...

    async def pending(self, brand: BrandNumber, *, limit: int) -> Sequence[tuple[Delivery, int]]:
        """Return deliveries of a brand that wait, each with the time of its next attempt."""
        ...

    async def dead_letters(
        self, brand: BrandNumber | None, *, after: str = "", limit: int = 100
    ) -> Sequence[DeadLetter]:
        """Return dead letters of a brand, or of all, behind a cursor. Raises InvalidInput for what
        is no cursor.
        """
        ...

    async def letters(self, cursors: Sequence[str]) -> Sequence[DeadLetter]:
        """Return the dead letters at these places that are still there. Raises InvalidInput for
        what is no cursor.
        """
        ...

    async def resend(self, letters: Sequence[DeadLetter], *, due_ms: int) -> int:
        """Let dead letters wait for delivery again, as they are given, and switch their endpoints
        on; return how many were there.
        """
        ...

    async def drop(self, letters: Sequence[DeadLetter]) -> int:
        """Forget dead letters for good; return how many were there."""
        ...

    async def switch_off(self, endpoint: EndpointKey, *, at_ms: int) -> None:
        """Note that an endpoint wants nothing more."""
        ...

    async def switched_off(self) -> frozenset[EndpointKey]:
        """Return the endpoints that want nothing more."""
        ...

    async def note_known(self, endpoints: Collection[EndpointKey], *, at_ms: int) -> None:
        """Note that a process has these endpoints in its settings."""
        ...

    async def last_known(self, endpoints: Sequence[EndpointKey]) -> Mapping[EndpointKey, int]:
        """Return when a process last had each of these endpoints in its settings; one of which
        nobody said so is not in it.
        """
        ...

    async def oldest(self, partitions: Sequence[int]) -> Sequence[tuple[BrandNumber, int]]:
        """Return brands with the time since which somebody waits for a delivery of theirs."""
        ...

    async def dead_count(self, partitions: Sequence[int]) -> int:
        """Return how many dead letters these partitions hold."""
        ...


class Crew(Protocol):
    """The workers that are alive, by the store's clock. Every method raises StoreUnavailable when
    the store cannot answer.
    """

    async def join(self, name: str, *, for_ms: int) -> Sequence[str]:
        """Give a sign of life that holds for so long, and return the names of all that are alive,
        in order.
        """
        ...

    async def leave(self, name: str) -> None:
        """Let the others take over at once."""
        ...
