"""Data centres of one installation, each a set of real processes on an address of its own: own
store, own spool, one keyring for all.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from app.core.model import BrandNumber, Preferences
from app.core.token import TokenCodec
from app.settings import first_run, keyring_file
from app.settings.brand import BrandSettings
from app.store.embedded import EmbeddedStore
from app.store.redis import RedisStore
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # a bound for liveness, never what a test decides by
BRAND: BrandNumber = BrandSettings(sender_domains=("acme.example",)).brand_number("acme")


@dataclass(slots=True, kw_only=True)
class Centre:
    """One data centre. `settings` are named as in the environment, without prefix."""

    number: int
    folder: Path
    host: str
    port: int
    inbox_port: int
    codec: TokenCodec
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The base of everything public, the callback API too."""
        return f"http://{self.host}:{self.port}"

    @asynccontextmanager
    async def running(self, *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run one process of this data centre; ready inside the context, and stopped in order at
        its end unless it is dead.
        """
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith("SIGNOFF_")
        }
        environment = (
            clean
            | {"PYTHONPATH": str(ROOT)}
            | {f"SIGNOFF_{name}": value for name, value in self.settings.items()}
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *command,
            cwd=self.folder,
            env=environment,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        seen: list[bytes] = []
        async with asyncio.timeout(PATIENCE):
            while b"process_started" not in (line := await process.stderr.readline()):
                assert line, b"".join(seen).decode()
                seen.append(line)
        drained = asyncio.create_task(process.stderr.read())
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await asyncio.wait_for(process.wait(), PATIENCE)
            await drained

    @asynccontextmanager
    async def store(self) -> AsyncIterator[RedisStore]:
        """Look into the store of this data centre, which must be running."""
        opened = RedisStore(EmbeddedStore(self.folder / "var/store").url, timeout=10)
        try:
            yield opened
        finally:
            await opened.close()

    async def states(self, addresses: Sequence[str]) -> list[Preferences]:
        """Return what this data centre knows of these people."""
        async with self.store() as store:
            return list(
                await store.preferences(
                    BRAND, [self.codec.digest(address, brand=BRAND) for address in addresses]
                )
            )

    async def post(self, target: str) -> aiohttp.ClientResponse:
        """Post as a mailbox provider does, and return the answer, redirects unfollowed."""
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as client,
            client.post(
                f"{self.url}{target}", data={"List-Unsubscribe": "One-Click"}, allow_redirects=False
            ) as answer,
        ):
            await answer.read()
            return answer


def two_centres(folder: Path) -> tuple[Centre, Centre]:
    """Return data centre 1 on 127.0.0.1 and data centre 2 on 127.0.0.2; nothing runs yet."""
    first_run.prepare(folder / "shared")
    keyring = folder / "shared/keys/keyring.toml"
    centres = [
        Centre(
            number=number,
            folder=folder / f"dc{number}",
            host=f"127.0.0.{number}",
            port=free_port(),
            inbox_port=free_port(),
            codec=TokenCodec(keyring=keyring_file.load(keyring), data_centre=number),
        )
        for number in (1, 2)
    ]
    addresses = {f"DATA_CENTRES__{centre.number}": centre.url for centre in centres}
    for centre in centres:
        centre.folder.mkdir()
        centre.settings = addresses | {
            "DATA_CENTRE": str(centre.number),
            "KEYRING_FILE": str(keyring),
            "LOG_FORMAT": "json",
            "WEB__LISTEN": f"{centre.host}:{centre.port}",
            "WEB__HEALTH_LISTEN": f"{centre.host}:0",
            "WEB__TLS_LISTEN": f"{centre.host}:0",
            "WORKER__HEALTH_LISTEN": f"{centre.host}:0",
            "WORKER__CLAIM_SECONDS": "2",
            "INBOX__LISTEN": f"{centre.host}:{centre.inbox_port}",
            "INBOX__HEALTH_LISTEN": f"{centre.host}:0",
        }
    return centres[0], centres[1]
