"""The spool on a disk that is full, and on one that is read-only: a small file system in a mount
namespace of the process.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.services import Services, running_services
from tests.support.spool_faults import Told, outage

pytestmark = pytest.mark.interop

KIBIBYTES = 512


@asynccontextmanager
async def web_on_small_disk(
    folder: Path, then: str = "true"
) -> AsyncIterator[tuple[Services, Path]]:
    """Run the web process with its spool on a disk of its own that nobody else sees."""
    disk = folder / "disk"
    disk.mkdir()
    mount = (
        f'mount -t tmpfs -o size={KIBIBYTES}k small "$0" && mkdir "$0/spool" && {then} && exec "$@"'
    )
    async with running_services(folder, SPOOL_DIR=disk / "spool") as services:
        await services.add(
            "web", wrapper=("unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(disk))
        ).start()
        yield services, disk


async def on_its_disk(services: Services, *command: str) -> None:
    """Run a command in the namespaces of the web process."""
    enter: Sequence[str] = (
        "nsenter",
        "--target",
        str(services["web"].pid),
        "--user",
        "--mount",
        "--preserve-credentials",
    )
    process = await asyncio.create_subprocess_exec(*enter, *command, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()


async def test_on_a_full_disk_the_store_decides_alone(tmp_path: Path) -> None:
    """Catalogue E8."""
    async with web_on_small_disk(tmp_path) as (services, disk):
        told = await outage(
            services,
            # All that is left goes to another file: the last write of `cat` fails for want of room,
            # as it should.
            begin=lambda: on_its_disk(
                services, "sh", "-c", f"! cat /dev/zero > {disk}/filling 2>/dev/null"
            ),
            end=lambda: on_its_disk(services, "rm", f"{disk}/filling"),
        )

    assert told == Told(before=200, store_alone=200, neither=503, spool_alone=200, kept=True)


async def test_on_a_disk_that_is_read_only_the_store_decides_alone(tmp_path: Path) -> None:
    """Catalogue E8: the kernel mounts a disk so in which it has found an error, and the process
    starts all the same.
    """

    async def nothing() -> None:
        """It has begun, and does not end."""

    async with web_on_small_disk(tmp_path, 'mount -o remount,ro "$0"') as (services, _):
        told = await outage(services, begin=nothing, end=nothing)

    assert (told.before, told.store_alone, told.neither, told.spool_alone) == (200, 200, 503, 503)
    assert "Read-only file system" in str(services["web"].logged("spool_failed"))
