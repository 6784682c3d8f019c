"""The target `imports`: a list of whatever octets, imported into a brand with a group."""

import asyncio
from collections.abc import AsyncIterator

from app.core.model import Acknowledgement, RecipientDigest, Statement
from app.usecases.import_list import ImportReport, ImportTerms, ListImporter
from app.usecases.record_statement import RecordStatement
from tests.usecases.test_wrong_clock import BRAND, CODEC, WORDS, Edge

_ID = b"i" * 16


def imported(octets: bytes) -> None:
    """Import a list, twice: each line acts, is refused or is passed over, and only those that act
    change anything, once.
    """
    asyncio.run(_twice(octets))


async def _twice(octets: bytes) -> None:
    edge = Edge()
    acting: list[Statement] = []
    unsubscribe = RecordStatement(edge.store, None, edge.clock)

    async def noted(statement: Statement) -> Acknowledgement:
        acting.append(statement)
        return await unsubscribe(statement)

    use_case = ListImporter(
        unsubscribe=noted,
        store=edge.store,
        codec=CODEC,
        clock=edge.clock,
        new_id=lambda: _ID,
        auditing=edge.auditing,
    )

    async def once() -> ImportReport:
        return await use_case(BRAND, _pieces(octets), ImportTerms(words=WORDS), actor="test")

    report = await once()
    assert report.read == report.accepted + report.refused + report.skipped_subscribed
    assert report.accepted >= len(acting)  # a recipient's second line may say nothing new
    assert bool(report.accepted) == bool(acting)
    assert not any(statement.subscribed for statement in acting)
    digests = list(dict.fromkeys(RecipientDigest(statement.digest) for statement in acting))
    before = await edge.store.preferences(BRAND.number, digests)
    again = await once()
    assert (again.read, again.accepted, again.refused) == (
        report.read,
        report.accepted,
        report.refused,
    )
    assert before == await edge.store.preferences(BRAND.number, digests)


async def _pieces(octets: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(octets), 1000):
        yield octets[at : at + 1000]
