"""Everybody who has unsubscribed a brand, page by page or whole, and the members of a segment.

A page ends after `MOST_LOOKED_AT` recipients even when few of them were asked for: it may be short,
or empty, while there is more. So one request never reads a whole store, and a reader that goes on
by the cursor still meets everybody.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

from app.core.cursors import after_recipient, recipient_of
from app.core.errors import TokenError
from app.core.group_words import GroupWords
from app.core.lists.rows import Row
from app.core.model import Brand, KnownRecipient, RecipientDigest
from app.core.segments import Left, Segment
from app.core.times import iso
from app.core.token import TokenCodec
from app.usecases.ports import RecipientIndex

MOST_LOOKED_AT = 20_000
# recipients that are read and decoded at once: some milliseconds of the loop, which clicks share
_SLICE = 250


class Member(NamedTuple):
    """A recipient with the address, which is empty when it is not stored or its key is gone."""

    recipient: KnownRecipient
    address: str


class Suppressions:
    """Reads the recipient index."""

    def __init__(self, *, recipient_index: RecipientIndex, codec: TokenCodec) -> None:
        self._recipient_index = recipient_index
        self._codec = codec

    async def page(
        self, brand: Brand, left: Left, words: GroupWords, *, cursor: str, limit: int
    ) -> tuple[Sequence[Row], str]:
        """Return the rows of the next recipients who have unsubscribed, at most `limit` of them,
        and the next cursor, empty at the end.
        """
        found, following = await self._page(
            brand, lambda one: any(left.of(one.preferences)), cursor, limit
        )
        return [row for one in found for row in self._rows(brand, left, words, one)], following

    async def rows(
        self, brand: Brand, left: Left, words: GroupWords
    ) -> AsyncIterator[Sequence[Row]]:
        """Yield all rows in portions; the memory of one portion."""
        after: RecipientDigest | None = None
        while True:
            read = await self._recipient_index.recipients(brand.number, after=after, limit=_SLICE)
            yield [row for one in read for row in self._rows(brand, left, words, one)]
            if len(read) < _SLICE:
                return
            after = read[-1].digest

    async def members(
        self, brand: Brand, segment: Segment, *, cursor: str, limit: int
    ) -> tuple[Sequence[Member], str]:
        """Return the next members of a segment, at most `limit`, and the next cursor, empty at the
        end.
        """
        found, following = await self._page(
            brand, lambda one: segment.holds(one.preferences), cursor, limit
        )
        return [Member(one, self._address(brand, one)) for one in found], following

    async def _page(
        self, brand: Brand, wanted: Callable[[KnownRecipient], bool], cursor: str, limit: int
    ) -> tuple[list[KnownRecipient], str]:
        after, found, looked_at = recipient_of(cursor), list[KnownRecipient](), 0
        while looked_at < MOST_LOOKED_AT:
            read = await self._recipient_index.recipients(brand.number, after=after, limit=_SLICE)
            for one in read:
                after = one.digest
                if wanted(one):
                    found.append(one)
                if len(found) == limit:
                    return found, after_recipient(after)
            if len(read) < _SLICE:
                return found, ""
            looked_at += len(read)
        return found, after_recipient(after) if after else ""

    def _rows(self, brand: Brand, left: Left, words: GroupWords, one: KnownRecipient) -> list[Row]:
        states = list(left.of(one.preferences))
        address = self._address(brand, one) if states else ""
        return [
            Row(
                recipient=one.digest.hex(),
                address=address,
                group=words.word(group),
                source=state.source.label if state.source else "",
                since=iso(state.since_ms),
                last=iso(state.last_ms),
                sequence=one.preferences.sequence,
            )
            for group, state in states
        ]

    def _address(self, brand: Brand, one: KnownRecipient) -> str:
        try:
            return self._codec.unseal_address(one.sealed_address, brand=brand.number)
        except TokenError:  # sealed under a key that was revoked: the digest still tells who it is
            return ""
