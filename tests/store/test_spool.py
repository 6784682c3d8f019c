"""The spool: what it has taken survives, and what it cannot take it says."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from app.core.errors import Misconfigured, SpoolUnavailable
from app.core.model import Statement
from app.store import spool_file
from app.store.codec import decode_statement
from app.store.spool import KEPT_MS, SqliteSpool
from app.store.spool_record import open_record

Make = Callable[..., Statement]


async def outcome(work: Awaitable[int]) -> int | type[SpoolUnavailable]:
    try:
        return await work
    except SpoolUnavailable as exc:
        return type(exc)


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():
            await asyncio.sleep(0.05)


async def test_an_appended_statement_is_found_again_by_the_next_process(
    tmp_path: Path, make_statement: Make
) -> None:
    statements = [make_statement(at_ms=at) for at in range(1, 4)]
    first = SqliteSpool(tmp_path)
    rows = [await first.append(one) for one in statements]
    await first.close()
    second = SqliteSpool(tmp_path)

    found = await second.unconfirmed(after=rows[0], limit=10)

    waiting = await second.rows()
    await second.close()
    assert list(zip(rows, statements, strict=True))[1:] == list(found)
    assert 3 == waiting


async def test_appends_that_wait_together_get_a_row_each_in_their_order(
    tmp_path: Path, make_statement: Make
) -> None:
    spool = SqliteSpool(tmp_path)

    rows = await asyncio.gather(
        *(asyncio.ensure_future(spool.append(make_statement(at_ms=at))) for at in range(1, 1001))
    )

    found = await spool.recent(after=0, limit=2000)
    await spool.close()
    assert list(range(1, 1001)) == rows
    assert list(range(1, 1001)) == [one.at_ms for _, one in found]


async def test_confirmed_rows_wait_no_more_but_are_kept_fifteen_minutes(
    tmp_path: Path, make_statement: Make
) -> None:
    now = 1_000_000
    spool = SqliteSpool(tmp_path, now_ms=lambda: now)
    rows = [await spool.append(make_statement(at_ms=at)) for at in range(1, 4)]
    spool.confirm(rows[1])
    spool.confirm(rows[1])

    waiting = [row for row, _ in await spool.unconfirmed(after=0, limit=10)]
    kept = [row for row, _ in await spool.recent(after=0, limit=10)]
    count = await spool.rows()
    now += KEPT_MS + 1

    async def deleted() -> bool:
        return rows[1] not in [row for row, _ in await spool.recent(after=0, limit=10)]

    await eventually(deleted)
    left = [row for row, _ in await spool.recent(after=0, limit=10)]
    await spool.close()
    assert ([rows[0], rows[2]], rows, 2) == (waiting, kept, count)
    assert [rows[0], rows[2]] == left


async def test_two_spools_in_one_folder_have_a_file_each(
    tmp_path: Path, make_statement: Make
) -> None:
    first, second = SqliteSpool(tmp_path), SqliteSpool(tmp_path)
    await first.append(make_statement())
    await second.append(make_statement())

    counts = (await first.rows(), await second.rows())

    await first.close()
    await second.close()
    assert (1, 1) == counts
    assert ["spool-0.db", "spool-1.db"] == sorted(path.name for path in tmp_path.glob("*.db"))


async def test_the_rows_of_a_killed_process_are_adopted(
    tmp_path: Path, make_statement: Make
) -> None:
    """Catalogue E8."""
    program = (
        "import asyncio, os, signal, sys\nfrom pathlib import Path\nfrom app.core.model import"
        " BrandNumber, RecipientDigest, Source, Statement\nfrom app.store.spool import"
        " SqliteSpool\nasync def main():\n    spool = SqliteSpool(Path(sys.argv[1]))\n    for at in"
        " range(1, 601):\n        await spool.append(Statement(id=b'i'*16, brand=BrandNumber(1),"
        " digest=RecipientDigest(b'd'*10), groups=(),\n            subscribed=False,"
        " source=Source.API, at_ms=at))\n    os.kill(os.getpid(),"
        " signal.SIGKILL)\nasyncio.run(main())\n"
    )
    spool = SqliteSpool(tmp_path)  # so that the other gets the second file
    child = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program, str(tmp_path)], check=False
    )
    await spool.close()

    heir = SqliteSpool(tmp_path)

    async def adopted() -> bool:
        return await heir.rows() == 600

    await eventually(adopted)
    found = await heir.recent(after=0, limit=1000)
    await heir.close()
    assert -signal.SIGKILL == child.returncode
    assert list(range(1, 601)) == [one.at_ms for _, one in found]
    assert ["spool-0.db"] == sorted(path.name for path in tmp_path.glob("*.db"))


def test_a_full_disk_refuses_the_click_and_the_spool_recovers_by_itself(tmp_path: Path) -> None:
    """Catalogue E8: in a child process whose files may not grow, which the kernel enforces as it
    does a full disk.
    """
    program = (
        "import asyncio, json, resource, sys\nfrom pathlib import Path\nfrom app.core.errors import"
        " SpoolUnavailable\nfrom app.core.model import BrandNumber, RecipientDigest, Source,"
        " Statement\nfrom app.observe.log import configure\nfrom app.store.spool import"
        " SqliteSpool\nasync def main():\n    configure()\n    spool ="
        " SqliteSpool(Path(sys.argv[1]))\n    taken, refused = [], []\n    async def append(at):\n "
        "       one = Statement(id=b'i'*16, brand=BrandNumber(1), digest=RecipientDigest(b'd'*10),"
        " groups=(), subscribed=False,\n            source=Source.API, at_ms=at,"
        " sealed_address=b'x' * 4000)\n        try:\n            await spool.append(one)\n       "
        " except SpoolUnavailable:\n            refused.append(at)\n        else:\n           "
        " taken.append(at)\n    await append(1)\n    hard ="
        " resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n   "
        " resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))\n    for at in range(2,"
        " 102):\n        await append(at)\n    resource.setrlimit(resource.RLIMIT_FSIZE, (8_192,"
        " hard))\n    try:\n        await spool.ping()\n    except SpoolUnavailable:\n       "
        " refused.append('ping')\n    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n   "
        " await spool.ping()\n    for at in range(102, 112):\n        await append(at)\n    await"
        " spool.close()\n    print(json.dumps([taken, refused]))\nasyncio.run(main())\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )

    taken, refused = json.loads(child.stdout)

    with sqlite3.connect(tmp_path / "spool-0.db") as database:
        stored = [
            decode_statement(open_record(packed)).at_ms
            for (packed,) in database.execute("SELECT statement FROM spool")
        ]
    database.close()
    assert "ping" == refused.pop()
    assert refused
    assert list(range(102, 112)) == taken[-10:]
    assert set(taken) <= set(stored)
    assert 1 <= child.stderr.count("spool_failed") <= len(refused)


async def test_a_statement_of_a_newer_version_is_left_in_its_place_and_does_not_hide_the_others(
    tmp_path: Path, make_statement: Make
) -> None:
    file = spool_file.claim_first(tmp_path, 1)
    assert file is not None
    file.append_records([b"\xffnewer"] * 5)
    file.close()
    spool = SqliteSpool(tmp_path)
    statement = make_statement()
    row = await spool.append(statement)

    found = await spool.unconfirmed(after=0, limit=2)

    waiting = await spool.rows()
    await spool.close()
    assert [(row, statement)] == list(found)
    assert 6 == waiting


async def test_a_closed_spool_refuses(tmp_path: Path, make_statement: Make) -> None:
    spool = SqliteSpool(tmp_path)
    await spool.close()

    assert SpoolUnavailable is await outcome(spool.append(make_statement()))
    with pytest.raises(SpoolUnavailable):
        await spool.rows()


async def test_a_folder_that_cannot_be_made_is_a_wrong_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(Misconfigured, match="spool_dir"):
        SqliteSpool(tmp_path / "file" / "spool")


async def test_a_cancelled_caller_does_not_hurt_the_others(
    tmp_path: Path, make_statement: Make
) -> None:
    spool = SqliteSpool(tmp_path)
    gone = asyncio.ensure_future(spool.append(make_statement()))
    other = asyncio.ensure_future(spool.append(make_statement()))
    gone.cancel()

    row = await other

    await spool.close()
    assert 2 == row


def test_the_file_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    first = spool_file.claim_first(tmp_path, 1)
    second = spool_file.claim_first(tmp_path, 1)
    assert first is not None
    first.close()

    third = spool_file.claim_first(tmp_path, 1)

    assert second is None
    assert third is not None
    third.close()
    assert ["spool-0.lock"] == [path.name for path in tmp_path.iterdir()]
