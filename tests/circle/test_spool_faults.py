"""A web process that may write no more: the store alone decides, and 503 is said only when neither
keeps the click.
"""

import resource
from pathlib import Path

from tests.support.services import running_services
from tests.support.spool_faults import Told, outage

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


async def test_a_spool_that_may_not_grow_leaves_it_to_the_store_and_recovers_by_itself(
    tmp_path: Path,
) -> None:
    """Catalogue E8: by the limit on the size of files, under which every write fails as on a full
    disk.
    """
    async with running_services(tmp_path, "web") as services:
        web = services["web"].pid

        async def fill() -> None:
            resource.prlimit(web, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

        async def clear() -> None:
            resource.prlimit(web, resource.RLIMIT_FSIZE, UNLIMITED)

        told = await outage(services, begin=fill, end=clear)

    assert told == Told(before=200, store_alone=200, neither=503, spool_alone=200, kept=True)
    assert len(services["web"].logged("spool_failed")) >= 1


async def test_a_spool_that_cannot_be_opened_leaves_it_to_the_store(tmp_path: Path) -> None:
    """Catalogue E8: a folder where nothing can be made, as on a volume that is mounted
    read-only.
    """

    async def nothing() -> None:
        """It has begun, and does not end."""

    async with running_services(tmp_path, "web", SPOOL_DIR="/proc/spool") as services:
        told = await outage(services, begin=nothing, end=nothing)

    assert (told.before, told.store_alone, told.neither, told.spool_alone) == (200, 200, 503, 503)
    assert len(services["web"].logged("spool_failed")) == 1
