"""The admin API of the real admin process, on the embedded store, with the key that the first run
makes.
"""

import csv
import io
import itertools
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app import wiring
from tests.support.ports import free_port

Ask = Callable[..., bytes]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """What asks the API of a process, as the first run set it up."""
    folder = tmp_path_factory.mktemp("process")
    admin = f"127.0.0.1:{free_port()}"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(wiring.__file__).parents[2]),
        "SIGNOFF_WEB__ADMIN_LISTEN": admin,
        "SIGNOFF_BRANDS__ACME__STORE_ADDRESSES": "true",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "admin"],
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for _ in itertools.takewhile(lambda line: "process_started" not in line, process.stderr):
        pass
    key = (folder / "var/keys/admin-api-key").read_text().strip()

    def request(
        method: str,
        path: str,
        body: bytes = b"",
        media: str = "application/json",
        bearer: str = key,
        *,
        brand: bool = True,
    ) -> bytes:
        fields = {"Authorization": f"Bearer {bearer}", "Content-Type": media}
        asked = urllib.request.Request(
            f"http://{admin}{'/v1/brands/acme' * brand}{path}",
            data=body or None,
            headers=fields,
            method=method,
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return bytes(answer.read())

    yield request
    process.terminate()
    process.communicate(timeout=60)


def test_a_list_of_thousands_goes_in_and_comes_out_whole(ask: Ask) -> None:
    """Catalogue Q8."""
    people = {f"p{number}@x.com" for number in range(3_000)}

    report = json.loads(
        ask("POST", "/suppressions", "".join(f"{one}\n" for one in people).encode(), "text/csv")
    )
    exported = csv.DictReader(
        io.StringIO(ask("GET", "/suppressions?format=csv&source=import").decode())
    )
    page = json.loads(ask("GET", "/suppressions?source=import&limit=1000"))

    assert (3_000, 3_000, 0) == (report["read"], report["accepted"]["all"], report["refused_count"])
    assert people == {row["address"] for row in exported}
    assert (1_000, True) == (len(page["suppressions"]), bool(page["next"]))


def test_a_recipients_life_is_told_by_state_events_and_audit(ask: Ask) -> None:
    """Catalogue Q6, Q8, Q12."""
    cursor = json.loads(ask("GET", "/events?limit=1000&since=2126-01-01T00:00:00Z"))["next"]
    start = json.loads(ask("GET", "/events?limit=1"))
    left = json.loads(ask("POST", "/recipients/life@x.com/unsubscribe"))
    with pytest.raises(urllib.error.HTTPError, match="409"):
        ask("POST", "/recipients/life@x.com/resubscribe", b'{"consent":"by phone","sequence":0}')
    ask("POST", "/recipients/life@x.com/resubscribe", b'{"consent":"by phone","sequence":1}')
    history = json.loads(ask("GET", "/recipients/life@x.com/history"))["events"]
    ask("DELETE", "/recipients/life@x.com")

    audit = json.loads(ask("GET", "/audit?limit=1000"))["audit"]
    assert cursor and start["next"]
    assert 2 == left["copies"]
    assert [("Email Unsubscribed", 1), ("Email Resubscribed", 2)] == [
        (event["event"], event["sequence"]) for event in history
    ]
    assert [] == json.loads(ask("GET", "/recipients/life@x.com/history"))["events"]
    assert ["recipient_unsubscribed", "recipient_resubscribed", "recipient_erased"] == [
        entry["action"] for entry in audit if entry["target"] == left["recipient"]
    ]


def test_the_preview_of_pages_is_there(ask: Ask) -> None:
    assert json.loads(ask("GET", "/preview", brand=False))["pages"]


def test_a_key_that_was_revoked_is_refused_at_once(ask: Ask) -> None:
    """Catalogue L8."""
    made = json.loads(ask("POST", "/keys", b'{"name":"CRM","scopes":["read"]}'))

    before = ask("GET", "/groups", bearer=made["text"])
    ask("DELETE", f"/keys/{made['key']['id']}")

    assert b'{"groups":[]}' == before
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask("GET", "/groups", bearer=made["text"])
