"""How backup and restore are put together: the store, the keyring that it belongs to, and the
file.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from app import wiring
from app.core.errors import Conflict, InvalidInput, Misconfigured
from app.core.keyring import Keyring
from app.core.model import PARTITIONS
from app.observe.log import Logger
from app.settings import keyring_file
from app.settings.model import Settings
from app.store import backup, keys, layout
from app.store.backup_file import Header, Reader, Writer
from app.store.epoch import epoch_of, raise_epoch, time_ms
from app.store.redis import Durability

_SECONDS = 30.0
Progress = Callable[[int], None]  # how far it is: keys of the store, or octets of the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore came to."""

    header: Header
    counts: Mapping[str, int]
    epoch: int
    missing_keys: tuple[int, ...]  # of the keyring: links that were sent by them do not open


async def back_up(  # noqa: PLR0913 - a file and how it is made
    settings: Settings,
    path: Path,
    log: Logger,
    *,
    force: bool,
    begin: Callable[[int], None],
    progress: Progress,
) -> Mapping[str, int]:
    """Write the store to a file and return the counts. The file is there only once it is whole, and
    readable by its owner alone.

    Raises Conflict when the file exists and is not to be replaced, OSError, Misconfigured and
    StoreUnavailable.
    """
    keyring = keyring_file.load(settings.keyring_file)
    with _new_file(path, force=force) as file:
        async with wiring.opened_store(
            settings, log, patience=_SECONDS, serving=False, checked=False
        ) as store:
            await store.belong()
            begin(await backup.size_of(store.connection))
            known = keyring.identity()
            made = time.strftime(
                "%Y-%m-%dT%H:%M:%SZ", time.gmtime(await time_ms(store.connection) / 1000)
            )
            header = Header(
                id=secrets.token_hex(8),
                made_at=made,
                data_centre=settings.data_centre,
                partitions=PARTITIONS,
                buckets=keys.DEFAULT_BUCKETS,
                epoch=await epoch_of(store.connection),
                pepper=known.pepper,
                keys=known.keys,
            )
            return await backup.back_up(
                store.connection, Writer(file, header, keyring.backup_key()), progress=progress
            )


@contextmanager
def _new_file(path: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """Open a file that takes its name when the context ends well."""
    if path.exists() and not force:
        raise Conflict(f"{path} exists; choose another name, or replace it with --force")
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if force:
            part.replace(path)
        else:
            _take_name(part, path)
        _make_durable(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _take_name(part: Path, path: Path) -> None:
    try:
        path.hardlink_to(part)
    except FileExistsError as exc:
        raise Conflict(f"{path} exists; choose another name, or replace it with --force") from exc
    except OSError:  # a file system without links
        part.replace(path)


def _make_durable(folder: Path) -> None:
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def verified(settings: Settings, file: IO[bytes], *, progress: Progress) -> Reader:
    """Return the backup in a file once it is sure that it is whole and belongs to this
    installation; nothing is changed.

    Raises InvalidInput for a file that is damaged or no backup, and Misconfigured when it belongs
    to another keyring or layout.
    """
    keyring = keyring_file.load(settings.keyring_file)
    reader = Reader(file)
    _refuse_foreign(reader.header, keyring, settings)
    for _ in backup.checked(reader.records(keyring.backup_key())):
        progress(reader.position)
    return reader


def _refuse_foreign(header: Header, keyring: Keyring, settings: Settings) -> None:
    problems = [
        problem.replace("this store", "the backup")
        for problem in layout.foreign_to(keyring.identity(), header.identity)
    ]
    if problems:
        raise Misconfigured(problems)
    if header.data_centre != settings.data_centre:
        raise Misconfigured(
            [
                f"data_centre: the backup is of data centre {header.data_centre}, and this is"
                f" {settings.data_centre}"
            ]
        )
    if (header.partitions, header.buckets) != (PARTITIONS, keys.DEFAULT_BUCKETS):
        raise InvalidInput(
            f"the backup was laid out with {header.partitions} partitions of {header.buckets}"
            " buckets"
        )


async def restore(
    settings: Settings, reader: Reader, log: Logger, *, force: bool, progress: Progress
) -> Restored:
    """Replace what the store holds by a backup that was `verified`. Raises Conflict for a store
    that holds something, unless forced.
    """
    keyring = keyring_file.load(settings.keyring_file)
    known = keyring.identity()
    async with wiring.opened_store(
        settings, log, patience=_SECONDS, serving=False, checked=False
    ) as store:
        connection = store.connection
        await layout.claim_layout(
            connection, buckets=keys.DEFAULT_BUCKETS, identity=known, restoring=True
        )
        if (
            not force
            and not await backup.is_restoring(connection)
            and not await backup.is_empty(connection)
        ):
            raise Conflict(
                "the store is not empty: restore into an empty one, or replace all that it holds"
                " with --force (make a backup of it first)"
            )
        epoch = await backup.restore(
            connection,
            reader.records(keyring.backup_key()),
            backup=reader.header.id,
            above=reader.header.epoch,
            replicated=_is_replicated(settings),
            progress=lambda: progress(reader.position),
        )
    missing = tuple(key_id for key_id in reader.header.identity.keys if key_id not in known.keys)
    return Restored(header=reader.header, counts=reader.counts, epoch=epoch, missing_keys=missing)


async def raised(settings: Settings, log: Logger) -> int:
    """Raise the epoch of a store that came back by other means, and return it. Raises Misconfigured
    and StoreUnavailable.
    """
    async with wiring.opened_store(
        settings, log, patience=_SECONDS, serving=False, checked=False
    ) as store:
        await store.belong()
        return await raise_epoch(store.connection, replicated=_is_replicated(settings))


def _is_replicated(settings: Settings) -> bool:
    return Durability(settings.store.durability) is Durability.REPLICATED
