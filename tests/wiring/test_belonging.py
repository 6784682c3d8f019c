"""Every process and command refuses a store that was made with another pepper, in words that say
what to do.
"""

import asyncio
import sys
from pathlib import Path

import pytest

from app.settings import keyring_file
from app.store.embedded import EmbeddedStore
from tests.support.services import COMMANDS, Service, Services

STORE_COMMANDS = {
    **{name: command for name, command in COMMANDS.items() if name != "mailbox"},
    "groups": ("app", "groups", "list"),
    "recipient": ("app", "recipient", "show", "joe@mail.example"),
}
USAGE = 2


async def run(services: Services, *command: str, **environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *command,
        cwd=services.folder,
        env={**services.environment, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode()


def change_pepper(path: Path) -> None:
    """One character of it, as a slip of the hand does."""
    keys, pepper = keyring_file.read(path)
    keyring_file.write_secret(path, keyring_file.dump(keys, bytes([pepper[0] ^ 1]) + pepper[1:]))


@pytest.mark.parametrize("name", STORE_COMMANDS)
async def test_nothing_starts_with_another_pepper_than_the_store_was_made_with(
    name: str, tmp_path: Path
) -> None:
    """Catalogue N24."""
    services = Services(tmp_path, {"INBOX__DOMAIN": "in.example.com"})
    made, _ = await run(services, "app", "groups", "list")
    change_pepper(tmp_path / "var/keys/keyring.toml")

    code, said = await run(services, *STORE_COMMANDS[name])

    assert (0, USAGE) == (made, code)
    assert "keyring_file: the pepper (fingerprint " in said
    assert "Bring back the keyring that belongs to this store" in said
    assert "Traceback" not in said


async def test_doctor_and_config_tell_by_which_keyring_the_store_is_known(tmp_path: Path) -> None:
    """Catalogue N24."""
    services = Services(tmp_path, {})
    _, good = await run(services, "app", "doctor", "--no-dns")
    _, before = await run(services, "app", "config")
    change_pepper(tmp_path / "var/keys/keyring.toml")

    code, bad = await run(services, "app", "doctor", "--no-dns")
    _, after = await run(services, "app", "config")

    known, other = (
        text.split("fingerprint of the pepper ")[1].split()[0] for text in (before, after)
    )
    assert known in good
    assert known != other
    assert 1 == code
    assert known in bad
    assert other in bad


async def test_a_relay_that_started_while_its_store_was_away_ends_when_that_turns_out_to_be_foreign(
    tmp_path: Path,
) -> None:
    """Catalogue N24: nothing is sent meanwhile, and the process says why it ends."""
    services = Services(tmp_path, {})
    await run(services, "app", "groups", "list")
    change_pepper(tmp_path / "var/keys/keyring.toml")
    socket = tmp_path / "later.sock"

    environment = {**services.environment, "SIGNOFF_STORE__URL": f"unix://{socket}"}
    relay = Service("relay", folder=tmp_path, environment=environment)
    await relay.start()
    embedded = EmbeddedStore(tmp_path / "var/store")
    await asyncio.to_thread(embedded.ensure)
    try:
        # the same store, under the name that the relay knows
        socket.symlink_to(embedded.url.removeprefix("unix://"))
        code = await relay.ended()
    finally:
        await asyncio.to_thread(embedded.release)

    assert USAGE == code
    assert "keyring_file: the pepper (fingerprint " in "\n".join(relay.lines)
