"""`signoff health`: what the processes on this machine say of themselves; in a container it is the
health check.
"""

import json
import urllib.error
import urllib.request
from typing import Annotated

import typer

from app.cli.output import show
from app.settings.load import load
from app.settings.model import Settings
from app.settings.types import split_address

_SECONDS = 2.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - addresses to ask, not to listen on


def health(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Ask every process of this configuration whether it is ready. Exit 0 when one answers and none
    says that it is not ready.
    """
    rows = states(load())
    show(rows, as_json=as_json)
    answers = [row["state"] for row in rows if row["state"] != NO_ANSWER]
    raise typer.Exit(0 if answers and set(answers) == {"ready"} else 1)


NO_ANSWER = "no answer"


def states(settings: Settings) -> list[dict[str, object]]:
    """Return a row for each process: its address, its state, and what its checks say."""
    return [
        {"process": name, "address": address, **_ask(address)}
        for name, address in health_addresses(settings).items()
    ]


def health_addresses(settings: Settings) -> dict[str, str]:
    """Return where each process, by name, says how it is."""
    return {
        "web": settings.web.health_listen,
        "admin": settings.web.admin_listen,
        "relay": settings.relay.health_listen,
        "inbox": settings.inbox.health_listen,
        "worker": settings.worker.health_listen,
    }


def _ask(address: str) -> dict[str, object]:
    host, port = split_address(address)
    host = _EVERYWHERE.get(host, host)
    url = f"http://[{host}]:{port}/readyz" if ":" in host else f"http://{host}:{port}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - an http address of our own
            return _read(answer.read())
    except urllib.error.HTTPError as exc:
        return _read(exc.read())
    except (urllib.error.URLError, OSError):
        return {"state": NO_ANSWER, "checks": "-"}


def _read(body: bytes) -> dict[str, object]:
    try:
        said = json.loads(body)
        return {
            "state": said["status"],
            "checks": ", ".join(f"{name}: {word}" for name, word in said["checks"].items()),
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {"state": "answers as something else", "checks": "-"}
