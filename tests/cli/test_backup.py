"""`signoff backup` and `signoff restore`, run as a person runs them."""

import asyncio
import json
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from app.settings import keyring_file
from app.store.embedded import EmbeddedStore
from tests.cli.test_doctor_and_health import ROOT, signoff

GOOD, FINDING, USAGE = 0, 1, 2


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation in which one recipient has left, and a backup of it."""
    folder = tmp_path_factory.mktemp("installation")
    signoff(folder, "recipient", "unsubscribe", "joe@mail.example")
    code, said = signoff(folder, "backup", "store.backup")
    assert (GOOD, "store.backup: recipients 1, changes 1, ") == (code, said[:39])
    return folder


@pytest.fixture
def place(installation: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    shutil.copytree(
        installation, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock")
    )
    return tmp_path


def state(place: Path) -> tuple[str, int]:
    _, out = signoff(place, "recipient", "show", "joe@mail.example", "--json")
    (row,) = json.loads(out)
    return row["state"], row["sequence"]


def test_a_lost_store_comes_back_from_the_file(place: Path) -> None:
    """Catalogue N26."""
    signoff(
        place,
        "recipient",
        "resubscribe",
        "joe@mail.example",
        "--consent",
        "by phone",
        "--sequence",
        "1",
    )
    told = state(place)
    shutil.rmtree(place / "var/store")

    code, said = signoff(place, "restore", "store.backup", "--json")

    back = json.loads(said)
    again, _ = signoff(
        place,
        "recipient",
        "resubscribe",
        "joe@mail.example",
        "--consent",
        "by phone",
        "--sequence",
        "1",
    )
    assert (GOOD, GOOD, ("subscribed", 2)) == (code, again, told)
    assert (1, 1) == (back["recipients"], back["changes"])
    assert ("subscribed", back["epoch"] + 1) == state(place)
    assert back["epoch"] > told[1]


def test_the_file_is_its_owners_alone_and_is_replaced_only_by_force(place: Path) -> None:
    before = (place / "store.backup").read_bytes()

    refused, why = signoff(place, "backup", "store.backup")
    kept = (place / "store.backup").read_bytes()
    code, out = signoff(place, "backup", "store.backup", "--force", "--json")

    assert (
        FINDING,
        "conflict: store.backup exists; choose another name, or replace it with --force\n",
    ) == (refused, why)
    assert before == kept != (place / "store.backup").read_bytes()
    assert (GOOD, (place / "store.backup").stat().st_size) == (code, json.loads(out)["octets"])
    assert 0o600 == (place / "store.backup").stat().st_mode & 0o777
    assert ["store.backup", "var"] == sorted(path.name for path in place.iterdir())


def test_a_store_that_holds_something_is_replaced_only_by_force(place: Path) -> None:
    signoff(place, "recipient", "unsubscribe", "ann@mail.example")

    refused, why = signoff(place, "restore", "store.backup")
    forced, _ = signoff(place, "restore", "store.backup", "--force")

    _, ann = signoff(place, "recipient", "show", "ann@mail.example", "--json")
    assert (FINDING, GOOD) == (refused, forced)
    assert why.startswith(
        "conflict: the store is not empty: restore into an empty one, or replace all that it holds"
        " with --force"
    )
    assert ("subscribed", "unsubscribed") == (json.loads(ann)[0]["state"], state(place)[0])


@pytest.mark.parametrize("damage", ["cut off", "changed", "foreign"])
def test_what_is_no_whole_backup_changes_nothing(place: Path, damage: str) -> None:
    packed = (place / "store.backup").read_bytes()
    text = {
        "cut off": packed[:-9],
        "changed": packed[:-60] + b"?" + packed[-59:],
        "foreign": b"PK\x03\x04",
    }[damage]
    (place / "bad.backup").write_bytes(text)

    code, why = signoff(place, "restore", "bad.backup", "--force")

    assert FINDING == code
    assert why.startswith("invalid_input: ")
    assert "Traceback" not in why
    assert ("unsubscribed", 1) == state(place)


def test_the_backup_of_another_pepper_is_refused_with_its_reason(
    place: Path, tmp_path: Path
) -> None:
    """Catalogue N24."""
    other = tmp_path / "other"
    other.mkdir()
    signoff(other, "recipient", "unsubscribe", "ann@mail.example")

    code, why = signoff(other, "restore", str(place / "store.backup"), "--force")

    _, ann = signoff(other, "recipient", "show", "ann@mail.example", "--json")
    assert USAGE == code
    assert "is not the one that the backup was made with" in why
    assert "unsubscribed" == json.loads(ann)[0]["state"]


def test_a_key_that_the_keyring_has_lost_is_named(place: Path) -> None:
    signoff(place, "keys", "rotate")
    path = place / "var/keys/keyring.toml"
    signoff(place, "backup", "two.backup")
    keys, pepper = keyring_file.read(path)
    keyring_file.write_secret(path, keyring_file.dump(keys[:1], pepper))

    code, said = signoff(place, "restore", "two.backup", "--force")

    assert GOOD == code
    assert (
        "The keyring has no key 2: links that were sent by it do not open. Bring it back." in said
    )


def test_who_restored_the_store_by_its_own_means_raises_the_epoch(place: Path) -> None:
    """Catalogue N26."""
    code, said = signoff(place, "restore", "--raise-epoch", "--json")
    signoff(
        place,
        "recipient",
        "resubscribe",
        "joe@mail.example",
        "--consent",
        "by phone",
        "--sequence",
        "1",
    )

    assert (GOOD, ("subscribed", json.loads(said)["epoch"] + 1)) == (code, state(place))


@pytest.mark.parametrize("arguments", [(), ("store.backup", "--raise-epoch"), ("no-such-file",)])
def test_a_call_that_means_nothing_is_refused(place: Path, arguments: tuple[str, ...]) -> None:
    code, said = signoff(place, "restore", *arguments)

    assert USAGE == code
    assert "FILE" in said


class Stalling:
    """A way to the store that lets nothing more through once a restore has said that it begins."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.begun = asyncio.Event()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_unix_connection(self._path)
        answering = asyncio.create_task(self._answer(there_reader, writer))
        while (data := await reader.read(65_536)) and not self.begun.is_set():
            there_writer.write(data)
            await there_writer.drain()
            if b"HSET" in data and b"restoring" in data:
                self.begun.set()
        await answering

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()


async def test_a_restore_that_was_killed_leaves_nothing_that_counts_and_is_run_again(
    place: Path,
) -> None:
    """Catalogue N26."""
    embedded = EmbeddedStore(place / "var/store")
    embedded.ensure()
    stalling = Stalling(embedded.url.removeprefix("unix://"))
    server = await asyncio.start_unix_server(stalling.connected, place / "way.sock")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SIGNOFF_")}
    restoring = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "restore", "store.backup", "--force"),
        cwd=place,
        env=clean | {"PYTHONPATH": str(ROOT), "SIGNOFF_STORE__URL": f"unix://{place}/way.sock"},
    )
    await asyncio.wait_for(stalling.begun.wait(), 60)
    restoring.kill()
    await restoring.wait()
    server.close()

    refused, why = await asyncio.to_thread(signoff, place, "backup", "half.backup")
    code, said = await asyncio.to_thread(signoff, place, "restore", "store.backup")

    embedded.release()
    assert (FINDING, GOOD) == (refused, code), said
    assert "a restore of this store has not ended" in why
    assert "unsubscribed" == state(place)[0]
