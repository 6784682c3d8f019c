"""The units of systemd: who may read the DKIM keys, who may bind the low ports that the guides use,
and nothing more.
"""

import configparser
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.test_service_manager import channel

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "docs/systemd").glob("*.service"))
KNOWN = frozenset({
    "AmbientCapabilities", "CapabilityBoundingSet", "Environment", "ExecReload", "ExecStart",
    "Group", "InaccessiblePaths", "LimitNOFILE", "LoadCredential", "LockPersonality",
    "NoNewPrivileges", "NotifyAccess", "PrivateDevices", "PrivateTmp", "ProcSubset", "ProtectClock",
    "ProtectControlGroups", "ProtectHome", "ProtectHostname", "ProtectKernelLogs",
    "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc", "ProtectSystem", "RemoveIPC",
    "Restart", "RestartSec", "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime",
    "RestrictSUIDSGID", "StateDirectory", "StateDirectoryMode", "SupplementaryGroups",
    "SystemCallArchitectures", "SystemCallFilter", "TimeoutStopSec", "Type", "UMask", "User",
    "WorkingDirectory",
})  # fmt: skip
PROCESSES = {"web", "admin", "relay", "inbox", "worker"}
_LISTENER = re.compile(r'^\s*(?:(\w+)\.)?\w*listen = "[^"]*:(\d+)"', re.M)


class Unit(dict[str, str]):
    """The `[Service]` of a unit: the last value of each key."""

    def __init__(self, path: Path) -> None:
        parser = configparser.RawConfigParser(strict=False)
        parser.optionxform = str  # type: ignore[assignment, method-assign] # as configparser documents it: keys keep their case
        parser.read(path)
        super().__init__(parser["Service"])


def unit(process: str) -> Unit:
    return Unit(ROOT / f"docs/systemd/signoff-{process}.service")


def test_there_is_a_unit_for_each_process() -> None:
    assert {path.stem.removeprefix("signoff-") for path in UNITS} == PROCESSES


def low_ports() -> dict[str, set[int]]:
    """Return the ports below 1024 that the settings in the guides listen on, by process."""
    found: dict[str, set[int]] = {process: set() for process in PROCESSES}
    for page in sorted((ROOT / "docs").glob("*.md")):
        for block in re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.M | re.S):
            section = ""
            for line in block.splitlines():
                if heading := re.match(r"\[(\w+)", line):
                    section = heading[1]
                if (listener := _LISTENER.match(line)) and int(listener[2]) < 1024:
                    found[listener[1] or section].add(int(listener[2]))
    return found


def test_the_guides_use_low_ports() -> None:
    assert low_ports() == {
        "web": {443},
        "admin": set(),
        "relay": {465},
        "inbox": {25},
        "worker": set(),
    }


@pytest.mark.parametrize("process", sorted(PROCESSES))
def test_only_who_binds_a_low_port_may_and_nobody_may_more(process: str) -> None:
    right = "CAP_NET_BIND_SERVICE" if low_ports()[process] else ""

    assert unit(process)["CapabilityBoundingSet"] == right
    assert unit(process)["AmbientCapabilities"] == right
    assert unit(process)["NoNewPrivileges"] == "yes"


def test_the_relay_alone_can_read_the_dkim_keys() -> None:
    """It has another user, and the other units do not see the folder."""
    (page,) = [
        block
        for block in re.findall(
            r"^```toml\n(.*?)^```", (ROOT / "docs/bare-machine.md").read_text(), re.M | re.S
        )
        if "dkim" in block
    ]
    folder = "/etc/signoff/dkim"

    assert 'dkim_keys = "relay"' in page
    assert f'key_file = "{folder}/acme-s1.pem"' in page
    assert unit("relay")["User"] == "signoff-relay"
    for process in PROCESSES - {"relay"}:
        assert unit(process)["User"] == "signoff"
        assert unit(process)["InaccessiblePaths"] == f"-{folder}"


def test_the_units_are_hardened_alike() -> None:
    own = {"ExecStart", "User", "Group", "SupplementaryGroups", "WorkingDirectory", "StateDirectory",
           "CapabilityBoundingSet",
           "AmbientCapabilities", "InaccessiblePaths"}  # fmt: skip
    shared = [
        {key: value for key, value in unit(process).items() if key not in own}
        for process in sorted(PROCESSES)
    ]

    assert all(values == shared[0] for values in shared)


@pytest.mark.parametrize("process", sorted(PROCESSES))
def test_systemd_knows_every_key_of_a_unit(process: str, tmp_path: Path) -> None:
    """Checked where systemd is; the program of the unit is put where the check finds it."""
    analyze = shutil.which("systemd-analyze")
    text = (ROOT / f"docs/systemd/signoff-{process}.service").read_text()
    here = tmp_path / f"signoff-{process}.service"
    here.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.M))

    if analyze is None:
        assert set(Unit(here)) <= KNOWN
        return
    done = subprocess.run(
        [analyze, "verify", "--man=no", here],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert [line for line in done.stderr.splitlines() if here.name in line] == []
    assert set(Unit(here)) <= KNOWN


def test_a_process_that_cannot_read_the_keys_serves_and_the_relay_refuses_to_start(
    tmp_path: Path,
) -> None:
    subprocess.run(
        [sys.executable, "-m", "app", "keys", "init", "keyring.toml"],
        cwd=tmp_path,
        env=_environment(tmp_path),
        check=True,
    )
    subprocess.run(
        [sys.executable, "-m", "app", "keys", "dkim", "s1.pem"],
        cwd=tmp_path,
        env=_environment(tmp_path),
        check=True,
    )
    _hide(tmp_path / "s1.pem")
    (tmp_path / "signoff.toml").write_text(SETTINGS)

    assert _without_keys(tmp_path, "app", "web") == (b"READY=1", b"")
    assert _without_keys(tmp_path, "app", "worker") == (b"READY=1", b"")
    assert _without_keys(tmp_path, "smtp_proxy", "inbox") == (b"READY=1", b"")
    assert _without_keys(tmp_path, "app", "admin") == (b"READY=1", b"")
    first_word, told = _without_keys(tmp_path, "smtp_proxy", "relay")
    assert first_word == b""
    assert b"brands.acme.dkim.0.key_file: s1.pem: cannot be read: Permission denied" in told

    (tmp_path / "s1.pem").unlink()

    assert _without_keys(tmp_path, "app", "web") == (b"READY=1", b"")
    first_word, told = _without_keys(tmp_path, "smtp_proxy", "relay")
    assert first_word == b""
    assert (
        b"brands.acme.dkim.0.key_file: no such file: s1.pem (make one with `signoff keys dkim"
        b" s1.pem`)" in told
    )


SETTINGS = """
public_url = "https://unsubscribe.example.com"
keyring_file = "keyring.toml"
dkim_keys = "relay"

[relay]
hostname = "relay.example.com"
downstream = "smtp://127.0.0.1:9?tls=none"

[inbox]
domain = "in.example.com"

[brands.acme]
sender_domains = ["acme.example"]

[[brands.acme.dkim]]
domain = "acme.example"
selector = "s1"
key_file = "s1.pem"
"""


def _environment(place: Path) -> dict[str, str]:
    keys = ("WEB__LISTEN", "WEB__HEALTH_LISTEN", "WEB__ADMIN_LISTEN", "RELAY__LISTEN",
            "RELAY__LMTP_LISTEN", "RELAY__HEALTH_LISTEN",
            "INBOX__LISTEN", "INBOX__HEALTH_LISTEN", "WORKER__HEALTH_LISTEN")  # fmt: skip
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SIGNOFF_")}
    return (
        clean
        | {f"SIGNOFF_{key}": "127.0.0.1:0" for key in keys}
        | {"PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(place / "notify")}
    )


def _hide(key: Path) -> None:
    """Give the key to another user where we are root, else to nobody."""
    if os.geteuid() == 0:
        os.chown(key, 65_534, 65_534)
        key.chmod(0o600)
    else:
        key.chmod(0)


def _without_keys(place: Path, module: str, command: str) -> tuple[bytes, bytes]:
    """Start a process that has no right over other users' files; return what it first tells its
    manager and what it says when it fails.
    """
    apart = (
        ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    )
    (place / "notify").unlink(missing_ok=True)
    with channel(place / "notify") as manager:
        process = subprocess.Popen(
            [*apart, sys.executable, "-m", module, command],
            cwd=place,
            env=_environment(place),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        try:
            manager.settimeout(0.1)
            while process.poll() is None:
                try:
                    return manager.recv(1000), b""
                except TimeoutError:
                    continue
            assert process.stderr
            return b"", process.stderr.read()
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=60)
