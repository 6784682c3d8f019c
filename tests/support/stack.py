"""Everything that `make run` starts, on free ports and with its state in a folder of the test."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
DEFAULTS = {  # where each process is unless told otherwise, which is what the documentation says
    "WEB__LISTEN": "127.0.0.1:8080",
    "WEB__HEALTH_LISTEN": "127.0.0.1:8085",
    "WEB__ADMIN_LISTEN": "127.0.0.1:8081",
    "WEB__TLS_LISTEN": "127.0.0.1:8443",
    "RELAY__LISTEN": "127.0.0.1:2525",
    "RELAY__LMTP_LISTEN": "127.0.0.1:2424",
    "RELAY__HEALTH_LISTEN": "127.0.0.1:8082",
    "INBOX__LISTEN": "127.0.0.1:2526",
    "INBOX__HEALTH_LISTEN": "127.0.0.1:8083",
    "WORKER__HEALTH_LISTEN": "127.0.0.1:8084",
    "MAILBOX__LISTEN": "127.0.0.1:2527",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A running set of services: its folder, the environment of its command line, and its address
    for each default one.
    """

    folder: Path
    environment: Mapping[str, str]
    addresses: Mapping[str, str]


@contextmanager
def running_stack(folder: Path) -> Iterator[Stack]:
    """Start everything in a folder; stop it at the end, as Ctrl-C does."""
    addresses = {default: f"127.0.0.1:{free_port()}" for default in DEFAULTS.values()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGNOFF_")}
    chosen = {f"SIGNOFF_{name}": addresses[default] for name, default in DEFAULTS.items()}
    environment = {
        **kept,
        **chosen,
        "SIGNOFF_RELAY__DOWNSTREAM": f"smtp://{addresses[DEFAULTS['MAILBOX__LISTEN']]}",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "200",
    }
    log = folder / "services.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "dev"],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        _wait_until_up(process, log)
        yield Stack(folder=folder, environment=environment, addresses=addresses)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(timeout=PATIENCE)


def _wait_until_up(process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return when the banner is there. `signoff dev` ends by itself when something does not
    start.
    """
    while "Signoff is up." not in log.read_text():
        try:
            process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(log.read_text())
