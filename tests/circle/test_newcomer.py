"""What a newcomer does: start everything with one command, see the circle with another, stop it with Ctrl-C."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90.0
LISTENERS = (
    "WEB__LISTEN", "WEB__HEALTH_LISTEN", "WEB__ADMIN_LISTEN", "WEB__TLS_LISTEN", "RELAY__LISTEN", "RELAY__LMTP_LISTEN",
    "RELAY__HEALTH_LISTEN", "INBOX__LISTEN", "INBOX__HEALTH_LISTEN", "WORKER__HEALTH_LISTEN", "MAILBOX__LISTEN",
)  # fmt: skip


@pytest.fixture
def environment() -> Mapping[str, str]:
    """An environment whose only settings are free ports."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGNOFF_")}
    chosen = {f"SIGNOFF_{name}": f"127.0.0.1:{free_port()}" for name in LISTENERS}
    downstream = {"SIGNOFF_RELAY__DOWNSTREAM": f"smtp://{chosen['SIGNOFF_MAILBOX__LISTEN']}"}
    return kept | chosen | downstream | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def services(tmp_path: Path, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """Everything that `make run` starts, ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "dev"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if "Signoff is up." in line:
            break
    assert process.poll() is None, "".join(seen)
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)


def signoff(*arguments: str, folder: Path, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "app", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_the_circle_is_seen_and_ctrl_c_leaves_nothing_behind(
    services: "subprocess.Popen[str]", tmp_path: Path, environment: Mapping[str, str]
) -> None:
    """Catalogue E1, E4, Q1: stamped, signed, scanned, clicked, suppressed, on the real services."""
    demo = signoff("demo", folder=tmp_path, environment=environment)
    services.send_signal(signal.SIGINT)
    output, _ = services.communicate(timeout=PATIENCE)

    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "All of it was seen." in demo.stdout
    assert services.returncode == 0, output
    assert "Traceback" not in output
    assert not [pid for pid in Path("/proc").glob("[0-9]*") if str(tmp_path) in command_line(pid)]


def test_a_second_start_says_which_address_is_taken(
    services: "subprocess.Popen[str]", tmp_path: Path, environment: Mapping[str, str]
) -> None:
    second = signoff("dev", folder=tmp_path, environment=environment)

    assert second.returncode == 2
    assert "relay.listen: 127.0.0.1:" in second.stderr
    assert "is in use by another program" in second.stderr


def test_the_demo_without_services_fails_and_says_why(tmp_path: Path, environment: Mapping[str, str]) -> None:
    demo = signoff("demo", folder=tmp_path, environment=environment)

    assert demo.returncode == 1
    assert "is `make run` up?" in demo.stderr


def command_line(pid: Path) -> str:
    try:
        return (pid / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
