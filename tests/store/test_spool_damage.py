"""Damage to spool files: it is noticed, what can be read is kept, what cannot is left for an
operator, and nothing else waits for it.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from app.core.errors import SpoolUnavailable
from app.core.model import Statement
from app.store import spool_record
from app.store.codec import encode_statement
from app.store.spool import SqliteSpool
from app.store.spool_probe import probe

Make = Callable[..., Statement]
Harm = Callable[[Path], object]
LOG_HEAD_OCTETS, FRAME_OCTETS = 32, 24 + 4096  # SQLite file format, section 4
FIRST_EDITION = (
    "CREATE TABLE spool (row INTEGER PRIMARY KEY AUTOINCREMENT, statement BLOB NOT NULL,"
    " confirmed_ms INTEGER)"
)


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():
            await asyncio.sleep(0.05)


async def write(folder: Path, statements: list[Statement]) -> None:
    """Fill the first free file of a folder, as a process does that then ends."""
    spool = SqliteSpool(folder)
    await asyncio.gather(*(asyncio.ensure_future(spool.append(one)) for one in statements))
    await spool.close()


async def times(spool: SqliteSpool) -> set[int]:
    return {one.at_ms for _, one in await spool.recent(after=0, limit=10_000)}


def overwrite(at: int, data: bytes) -> Harm:
    def harm(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(data)

    return harm


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 3 // 4 + 100)


def drop_the_table(path: Path) -> None:
    """Make another program's database of it."""
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE spool (name TEXT)")
    database.close()


def put_a_page_of_noise(path: Path) -> None:
    pages = path.stat().st_size // 4096
    overwrite(4096 * (pages - 2), random.Random(1).randbytes(4096))(path)


HARMS: dict[str, tuple[Harm, int]] = {  # and how many of 300 rows can be read at least
    "header": (overwrite(0, b"\xff" * 100), 300),
    "noise in a page": (put_a_page_of_noise, 200),
    "first page gone": (overwrite(0, bytes(4096)), 250),
    "truncated": (truncate, 100),
    "of another program": (drop_the_table, 0),
    "text": (lambda path: path.write_text("not a database at all" * 1000), 0),
}


@pytest.mark.parametrize("name", HARMS)
async def test_a_damaged_file_of_a_dead_process_is_set_aside_and_salvaged_and_the_others_are_adopted(
    name: str, tmp_path: Path, make_statement: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catalogue N23."""
    harm, at_least = HARMS[name]
    for number, first in ((1, 1), (2, 1001)):
        await write(tmp_path / "before", [make_statement(at_ms=first + at) for at in range(300)])
        (tmp_path / "before/spool-0.db").rename(tmp_path / f"spool-{number}.db")
    harm(tmp_path / "spool-1.db")

    heir = SqliteSpool(tmp_path)

    async def done() -> bool:
        return (
            set(range(1001, 1301)) <= await times(heir) and not (tmp_path / "spool-1.db").exists()
        )

    await eventually(done)
    found = await times(heir)
    shown = REGISTRY.get_sample_value("signoff_spool_damaged_files")
    await heir.close()
    assert len(found & set(range(1, 301))) >= at_least
    assert found <= {*range(1, 301), *range(1001, 1301)}
    assert [path.name for path in tmp_path.glob("*.damaged")] == ["spool-1.db.damaged"]
    assert shown == 1


@pytest.mark.parametrize("name", HARMS)
async def test_a_process_whose_own_file_is_damaged_begins_a_new_one_and_takes_clicks(
    name: str, tmp_path: Path, make_statement: Make
) -> None:
    """Catalogue N23, N30."""
    harm, at_least = HARMS[name]
    await write(tmp_path, [make_statement(at_ms=at) for at in range(1, 301)])
    harm(tmp_path / "spool-0.db")
    spool = SqliteSpool(tmp_path)

    row = await spool.append(make_statement(at_ms=5000))
    await spool.ping()

    found = await times(spool)
    waiting = await spool.rows()
    await spool.close()
    assert row > 0
    assert 5000 in found
    assert len(found) > at_least
    assert waiting == len(found)
    assert (tmp_path / "spool-0.db.damaged").exists()


async def test_a_file_that_is_damaged_while_it_is_used_is_replaced_and_no_row_number_is_used_twice(
    tmp_path: Path, make_statement: Make
) -> None:
    """What is confirmed late belongs to the old file, and must not confirm a row of the new one."""
    await write(tmp_path, [make_statement(at_ms=at) for at in range(1, 301)])
    spool = SqliteSpool(tmp_path)
    heard = [row for row, _ in await spool.recent(after=0, limit=1000)]
    heard.append(await spool.append(make_statement(at_ms=9000)))
    # as after any error of the disk: until then SQLite goes by what it remembers
    await spool._run(spool._file.reset)
    await asyncio.to_thread(put_a_page_of_noise, tmp_path / "spool-0.db")

    found = await times(spool)
    before = await spool.rows()
    for row in heard:
        spool.confirm(row)

    after = await spool.rows()

    later = await spool.append(make_statement(at_ms=9001))
    await spool.close()
    assert (before, after) == (len(found), len(found))
    assert len(found & set(range(1, 301))) >= 200
    assert 9000 in found
    assert later > max(heard)
    assert (tmp_path / "spool-0.db.damaged").exists()


async def test_a_flipped_bit_never_changes_what_somebody_said(
    tmp_path: Path, make_statement: Make
) -> None:
    """Catalogue N23: of any bit of any record, flipped in the file of a process that has died."""
    chance = random.Random(7)
    statements = [make_statement(at_ms=at) for at in range(1, 41)]
    whole = tmp_path / "whole"
    await write(whole, statements)
    raw = (whole / "spool-0.db").read_bytes()
    places = [raw.index(encode_statement(one)) for one in statements]
    said = {encode_statement(one) for one in statements}

    for number in range(60):
        folder = tmp_path / str(number)
        folder.mkdir()
        place = chance.choice(places) + chance.randrange(len(encode_statement(statements[0])))
        harmed = bytearray(raw)
        harmed[place] ^= 1 << chance.randrange(8)
        (folder / "spool-0.db").write_bytes(harmed)
        spool = SqliteSpool(folder)
        found = [encode_statement(one) for _, one in await spool.recent(after=0, limit=1000)]
        await spool.close()

        assert sorted(found) == sorted(said), f"bit {number} at {place}"
        assert (folder / "spool-0.db.damaged").exists()


async def test_rows_of_the_first_edition_are_read_and_their_file_learns_to_shrink(
    tmp_path: Path, make_statement: Make
) -> None:
    statements = [make_statement(at_ms=at) for at in range(1, 4)]
    with sqlite3.connect(tmp_path / "spool-0.db") as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(FIRST_EDITION)
        database.executemany(
            "INSERT INTO spool (statement) VALUES (?)",
            [(encode_statement(one),) for one in statements],
        )
    database.close()
    spool = SqliteSpool(tmp_path)

    found = await spool.unconfirmed(after=0, limit=10)

    await spool.close()
    with sqlite3.connect(tmp_path / "spool-0.db") as database:
        (mode,) = database.execute("PRAGMA auto_vacuum").fetchone()
    database.close()
    assert [one for _, one in found] == statements
    assert mode == 2


async def test_a_file_gives_back_what_it_needed_once(
    tmp_path: Path, make_statement: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.store.spool._CLEAN_SECONDS", 0.0)
    now = 1_000_000
    spool = SqliteSpool(tmp_path, now_ms=lambda: now)
    rows = await asyncio.gather(
        *(asyncio.ensure_future(spool.append(make_statement(at_ms=at))) for at in range(1, 40_001))
    )
    for row in rows:
        spool.confirm(row)
    await spool.rows()
    high = size(tmp_path)
    now += 16 * 60 * 1000

    async def has_shrunk() -> bool:
        await spool.append(make_statement(at_ms=1))
        return size(tmp_path) < high // 2

    await eventually(has_shrunk)
    await spool.close()


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("spool-0.db*"))


def make_a_folder(path: Path) -> None:
    """Put something there that SQLite cannot open, as a file of another user is for a process that
    is not root.
    """
    path.mkdir()


async def test_a_file_that_cannot_be_used_is_left_for_another_one_and_adopted_when_it_can_be(
    tmp_path: Path, make_statement: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catalogue N23, N30: `spool-0.db` of another user took away the spool of each process that
    started.
    """
    monkeypatch.setattr("app.store.spool_adoption._AGAIN_SECONDS", 0.0)
    monkeypatch.setattr("app.store.spool._ADOPT_SECONDS", 0.1)
    await write(tmp_path, [make_statement(at_ms=at) for at in range(1, 4)])
    (tmp_path / "spool-0.db").rename(tmp_path / "of another")
    make_a_folder(tmp_path / "spool-0.db")
    spool = SqliteSpool(tmp_path)

    row = await spool.append(make_statement(at_ms=5000))
    await spool.ping()
    shown = REGISTRY.get_sample_value("signoff_spool_rows")
    (tmp_path / "spool-0.db").rmdir()
    (tmp_path / "of another").rename(tmp_path / "spool-0.db")

    async def adopted() -> bool:
        return await times(spool) == {1, 2, 3, 5000}

    await eventually(adopted)
    await spool.close()
    assert row > 0
    assert shown is not None
    assert shown >= 1


async def test_where_no_file_can_be_used_each_click_is_refused_until_one_can(
    tmp_path: Path, make_statement: Make
) -> None:
    """Catalogue N30."""
    folder = tmp_path / "spool"
    spool = SqliteSpool(folder)
    await spool.ping()
    await spool._run(spool._file.reset)
    for path in folder.iterdir():
        path.unlink()
    for number in range(256):
        make_a_folder(folder / f"spool-{number}.db")

    with pytest.raises(SpoolUnavailable):
        await spool.append(make_statement(at_ms=1))
    with pytest.raises(SpoolUnavailable):
        await spool.ping()
    for path in folder.glob("*.db"):
        path.rmdir()
    await spool.append(make_statement(at_ms=2))
    await spool.ping()
    found = await times(spool)
    await spool.close()
    assert found == {2}


@pytest.mark.parametrize("all_of_it", [True, False])
async def test_rows_of_a_file_that_somebody_removes_are_moved_to_another(
    tmp_path: Path, make_statement: Make, *, all_of_it: bool
) -> None:
    """Catalogue N23, N30: clicks went to a file without a name, and were lost with the process."""
    folder = tmp_path / "spool"
    spool = SqliteSpool(folder)
    heard = [await spool.append(make_statement(at_ms=at)) for at in (1, 2, 3)]
    if all_of_it:
        shutil.rmtree(folder)
    else:
        (folder / "spool-0.db").unlink()
    heard.append(await spool.append(make_statement(at_ms=4)))

    await spool.ping()
    for row in heard:  # of the file that is gone: these confirm nothing of the other
        spool.confirm(row)
    waiting = await spool.rows()
    later = await spool.append(make_statement(at_ms=5))
    copy = tmp_path / "what the disk has"
    await asyncio.to_thread(shutil.copytree, folder, copy)  # as after a SIGKILL
    await spool.close()

    heir = SqliteSpool(copy)
    found = await times(heir)
    await heir.close()
    assert (4, {1, 2, 3, 4, 5}) == (waiting, found)
    assert later not in heard


async def test_a_damaged_file_that_cannot_be_read_keeps_no_other_waiting(
    tmp_path: Path, make_statement: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catalogue N23: each look began with the same file."""
    monkeypatch.setattr("app.store.spool._ADOPT_SECONDS", 0.1)
    for number in (1, 2):
        await write(tmp_path / "before", [make_statement(at_ms=number)])
        (tmp_path / "before/spool-0.db").rename(tmp_path / f"spool-{number}.db")
    overwrite(0, b"\xff" * 100)(tmp_path / "spool-1.db")
    # what was saved of its log: there, but not to be read
    make_a_folder(tmp_path / "spool-1.db-rescued")

    heir = SqliteSpool(tmp_path)

    async def adopted() -> bool:
        return 2 in await times(heir)

    await eventually(adopted)
    await heir.close()
    assert (tmp_path / "spool-1.db").exists()


async def test_a_lock_that_cannot_be_used_is_passed_over_and_tried_later(
    tmp_path: Path, make_statement: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catalogue N23: nothing waits for it, neither a process that looks for its own file nor the
    files of the dead behind it.
    """
    monkeypatch.setattr("app.store.spool_adoption._AGAIN_SECONDS", 0.0)
    monkeypatch.setattr("app.store.spool._ADOPT_SECONDS", 0.1)
    first, second = SqliteSpool(tmp_path), SqliteSpool(tmp_path)
    await first.append(make_statement(at_ms=1))
    await second.append(make_statement(at_ms=2))
    await first.close()
    await second.close()
    lock = tmp_path / "spool-0.lock"
    lock.unlink()
    lock.mkdir()
    spool = SqliteSpool(tmp_path)
    shown = REGISTRY.get_sample_value

    async def passed_over() -> bool:
        return await times(spool) == {2} and (shown("signoff_spool_rows") or 0) >= 2

    await eventually(passed_over)
    lock.rmdir()

    async def both() -> bool:
        return await times(spool) == {1, 2}

    await eventually(both)
    await spool.close()
    assert not list(tmp_path.glob("*.damaged"))


async def test_the_log_of_a_killed_process_that_is_damaged_gives_back_its_rows(
    tmp_path: Path,
) -> None:
    """Catalogue E8: SQLite drops all that stands behind a damaged frame without a word."""
    program = (
        "import asyncio, os, signal, sys\nfrom pathlib import Path\nfrom app.core.model import"
        " BrandNumber, RecipientDigest, Source, Statement\nfrom app.store.spool import"
        " SqliteSpool\nasync def main():\n    spool = SqliteSpool(Path(sys.argv[1]))\n    for at in"
        " range(1, 41):\n        await spool.append(Statement(id=bytes([at]) * 16,"
        " brand=BrandNumber(1), digest=RecipientDigest(b'd'*10), groups=(),\n           "
        " subscribed=False, source=Source.API, at_ms=at))\n    os.kill(os.getpid(),"
        " signal.SIGKILL)\nasyncio.run(main())\n"
    )
    child = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program, str(tmp_path / "whole")], check=False
    )
    log_bytes = (tmp_path / "whole/spool-0.db-wal").stat().st_size
    chance = random.Random(3)

    for number in range(20):
        folder = shutil.copytree(tmp_path / "whole", tmp_path / str(number))
        overwrite(chance.randrange(32, log_bytes), b"\xa5")(folder / "spool-0.db-wal")
        spool = SqliteSpool(folder)
        found = await times(spool)
        await spool.close()

        assert found == set(range(1, 41)), number
    assert child.returncode == -signal.SIGKILL


async def test_a_start_that_is_killed_while_it_saves_the_end_of_a_log_loses_nothing(
    tmp_path: Path, make_statement: Make
) -> None:
    """Catalogue E8: the log is cut before its records are added to the database, so they are on the
    disk elsewhere by then.
    """
    spool = SqliteSpool(tmp_path / "first")
    for at in range(1, 21):
        await spool.append(make_statement(at_ms=at))
    killed = shutil.copytree(tmp_path / "first", tmp_path / "killed")
    await spool.close()
    overwrite(LOG_HEAD_OCTETS + 3 * FRAME_OCTETS + 100, b"\xa5")(killed / "spool-0.db-wal")
    program = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from app.store.spool import SqliteSpool\n"
        "from app.store.spool_file import SpoolFile\n"
        "SpoolFile._recover = lambda *_: os._exit(9)\n"
        "async def main():\n"
        "    await SqliteSpool(Path(sys.argv[1])).recent(after=0, limit=1)\n"
        "asyncio.run(main())\n"
    )

    for _ in range(2):  # and a second start too
        child = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", program, str(killed)], check=False
        )
        assert child.returncode == 9

    again = SqliteSpool(killed)
    assert await times(again) == set(range(1, 21))
    await again.close()
    assert not list(killed.glob("*rescued*"))


def test_every_single_flipped_bit_of_a_record_is_noticed_and_put_right(
    make_statement: Make,
) -> None:
    record = spool_record.seal(encode_statement(make_statement()))

    for bit in range(8 * len(record)):
        harmed = bytearray(record)
        harmed[bit >> 3] ^= 1 << (bit & 7)
        with pytest.raises(spool_record.RecordDamaged):
            spool_record.open_record(bytes(harmed))
        assert spool_record.salvaged(bytes(harmed)) == record


def test_a_record_of_a_later_format_is_left_alone() -> None:
    record = spool_record.seal(b"\x09later")

    assert spool_record.open_record(record) == b"\x09later"
    assert spool_record.salvaged(record) is None
    with pytest.raises(ValueError, match="unknown form"):
        spool_record.open_record(b"\xffnewer")


async def test_the_probe_tells_of_damage_and_of_what_it_cannot_write(
    tmp_path: Path, make_statement: Make
) -> None:
    """Catalogue N30."""
    await write(tmp_path, [make_statement(at_ms=at) for at in range(1, 4)])
    good = probe(tmp_path)
    overwrite(0, b"\xff" * 100)(tmp_path / "spool-0.db")
    harmed = probe(tmp_path)
    (tmp_path / "spool-0.db").rename(tmp_path / "spool-0.db.damaged")
    aside = probe(tmp_path)
    gone = probe(tmp_path / "nowhere")

    assert (good.exists, good.failure, good.waiting, dict(good.unusable), good.damaged) == (
        True,
        "",
        3,
        {},
        (),
    )
    assert list(harmed.unusable) == ["spool-0.db"]
    assert [path.name for path in aside.damaged] == ["spool-0.db.damaged"]
    assert not gone.exists
    assert not (tmp_path / "nowhere").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "spool-0.db.damaged",
        "spool-0.lock",
    ]


def test_the_probe_says_why_the_disk_takes_nothing(tmp_path: Path) -> None:
    program = (
        "import json, resource, sys\n"
        "from pathlib import Path\n"
        "from app.store.spool_probe import probe\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100,"
        " resource.getrlimit(resource.RLIMIT_FSIZE)[1]))\n"
        "print(json.dumps(probe(Path(sys.argv[1])).failure))\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert json.loads(child.stdout)
    assert list(tmp_path.iterdir()) == []
