"""`signoff dev`, which is `make run`: every process of the Procfile, one banner when all are ready,
until Ctrl-C.
"""

import http.client
import socket
import sys
import threading
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from honcho.environ import parse_procfile
from honcho.manager import Manager
from rich.console import Console

from app.cli.health import health_addresses
from app.core.errors import Misconfigured
from app.settings.load import load
from app.settings.model import Settings
from app.settings.types import split_address

PROCFILE = Path(__file__).resolve().parents[2] / "Procfile"
_READY_SECONDS = 60
_SHOWN = 3  # brands in the banner


def run() -> None:
    """Start everything and stay until Ctrl-C; when one process ends, all end."""
    settings = load()
    _refuse_taken_addresses(settings)
    manager = Manager()
    for name, command in parse_procfile(PROCFILE.read_text()).processes.items():
        if name != "downstream" or files_what_it_takes(settings):
            manager.add_process(name, _in_this_python(command), cwd=str(Path.cwd()))
    threading.Thread(target=_announce, args=(settings,), daemon=True).start()
    manager.loop()
    sys.exit(0 if manager.returncode == _INTERRUPTED else manager.returncode)


_INTERRUPTED = 130


def files_what_it_takes(settings: Settings) -> bool:
    """Say whether the relay's downstream is the one of development, whose Maildir can be looked
    into.
    """
    downstream = urlsplit(settings.relay.downstream)
    return (downstream.hostname, downstream.port) == split_address(settings.mailbox.listen)


def _in_this_python(command: str) -> str:
    return f"exec {sys.executable} {command.removeprefix('python ')}"


def _listeners(settings: Settings) -> dict[str, str]:
    return {
        "web.listen": settings.web.listen,
        "web.health_listen": settings.web.health_listen,
        "web.admin_listen": settings.web.admin_listen,
        "web.tls_listen": settings.web.tls_listen or "",
        "relay.listen": settings.relay.listen,
        "relay.lmtp_listen": settings.relay.lmtp_listen,
        "relay.health_listen": settings.relay.health_listen,
        "inbox.listen": settings.inbox.listen,
        "inbox.health_listen": settings.inbox.health_listen,
        "worker.health_listen": settings.worker.health_listen,
        "mailbox.listen": settings.mailbox.listen if files_what_it_takes(settings) else "",
    }


def _refuse_taken_addresses(settings: Settings) -> None:
    taken = [
        f"{key}: {address} is in use by another program"
        for key, address in _listeners(settings).items()
        if address and _taken(address)
    ]
    if taken:
        raise Misconfigured(
            [
                *taken,
                (
                    "is another `make run` up? Or choose other addresses, such as"
                    " SIGNOFF_WEB__LISTEN=127.0.0.1:9080"
                ),
            ]
        )


def _taken(address: str) -> bool:
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def _announce(settings: Settings) -> None:
    end = time.monotonic() + _READY_SECONDS
    while not _ready(settings):
        if time.monotonic() > end:
            return
        time.sleep(0.1)
    Console(stderr=True, highlight=False).print(_banner(settings), soft_wrap=True)


def _ready(settings: Settings) -> bool:
    return all(
        _answers(f"http://{address}/readyz") for address in health_addresses(settings).values()
    ) and (not files_what_it_takes(settings) or _taken(settings.mailbox.listen))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own http address
            return True
    except (OSError, http.client.HTTPException):  # nobody listens, or somebody who still starts
        return False


def _banner(settings: Settings) -> str:
    state, files = settings.state_dir, files_what_it_takes(settings)
    domains = [brand.sender_domains[0] for brand in settings.brands.values()]
    senders = (
        ", ".join(f"anybody@{domain}" for domain in domains[:_SHOWN]) or "nobody: there is no brand"
    )
    key = settings.web.admin_key_file
    arrives = ("it arrives in", str(settings.mailbox.maildir), "a Maildir, stamped and signed")
    goes_on = ("it goes on to", settings.relay.downstream, "stamped and signed")
    rows = [
        (
            "send mail to",
            f"smtp://{settings.relay.listen}",
            f"From: {senders}{', …' if len(domains) > _SHOWN else ''}",
        ),
        arrives if files else goes_on,
        ("clicks go to", settings.public_url, f"also http://{settings.web.listen}"),
        (
            "mail to leave",
            f"smtp://{settings.inbox.listen}",
            f"the mailto of a copy, such as u-…@{settings.inbox.domain}",
        ),
        (
            "admin API",
            f"http://{settings.web.admin_listen}/docs",
            f"the key is in {key}" if key else "make a key: signoff keys api create",
        ),
        (
            "operator's page",
            f"http://{settings.web.admin_listen}",
            "in a browser; the same key opens it",
        ),
        (
            "health, metrics",
            f"http://{settings.web.health_listen}",
            "/readyz and /metrics; signoff health asks every process",
        ),
    ]
    if settings.development:
        rows.append(
            (
                "made here",
                f"{state}/keys, {state}/tls",
                "keyring, DKIM key, certificate, admin API key",
            )
        )
    lines = "\n".join(f"  {name:<17}{what:<26} {note}" for name, what, note in rows)
    hint = "\n\n  Try it: [bold]make demo[/bold] in another terminal." if files else ""
    return f"\n[bold]Signoff is up.[/bold]  Ctrl-C stops it.\n\n{lines}{hint}\n"
