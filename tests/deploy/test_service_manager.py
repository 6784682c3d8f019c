"""Every process tells its service manager when it is ready, and when it stops (sd_notify(3))."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.observe import service_manager

ROOT = Path(__file__).resolve().parents[2]


def channel(place: Path) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bound.bind(str(place))
    bound.settimeout(60)
    return bound


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("app", "web"),
        ("app", "admin"),
        ("app", "worker"),
        ("smtp_proxy", "inbox"),
        ("smtp_proxy", "relay"),
    ],
)
def test_a_process_says_that_it_is_ready_and_that_it_stops(
    module: str, command: str, tmp_path: Path
) -> None:
    keys = ("WEB__LISTEN", "WEB__HEALTH_LISTEN", "WEB__ADMIN_LISTEN", "WEB__TLS_LISTEN", "RELAY__LISTEN",
            "RELAY__LMTP_LISTEN",
            "RELAY__HEALTH_LISTEN", "INBOX__LISTEN", "INBOX__HEALTH_LISTEN", "WORKER__HEALTH_LISTEN")  # fmt: skip
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SIGNOFF_")}
    listens = {f"SIGNOFF_{key}": "127.0.0.1:0" for key in keys}
    with channel(tmp_path / "notify") as manager:
        process = subprocess.Popen(
            [sys.executable, "-m", module, command],
            cwd=tmp_path,
            env=clean
            | listens
            | {
                "PYTHONPATH": str(ROOT),
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
            },
            stderr=subprocess.DEVNULL,
        )
        try:
            assert manager.recv(1000) == b"READY=1"
            process.send_signal(signal.SIGTERM)
            assert manager.recv(1000) == b"STOPPING=1"
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait(10)


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    service_manager.tell_ready()

    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    service_manager.tell_stopping()
