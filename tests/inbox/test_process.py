"""The process `signoff-smtp inbox`, as an operator starts it and as a mail server meets it."""

import json
import os
import signal
import smtplib
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from app import wiring
from app.core.model import NO_CAMPAIGN, BrandId, Purpose
from app.core.subject import encode
from app.settings.load import load
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
DOMAIN = "in.acme.example"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """An environment whose only settings are free ports and a folder for state; also that of this
    test.
    """
    for name in [name for name in os.environ if name.startswith("SIGNOFF_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    for name in ("INBOX__LISTEN", "INBOX__HEALTH_LISTEN"):
        monkeypatch.setenv(f"SIGNOFF_{name}", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("SIGNOFF_LOG_FORMAT", "json")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return os.environ


@contextmanager
def inbox() -> Iterator["subprocess.Popen[str]"]:
    """Run the process; ready inside the context."""
    process = subprocess.Popen(
        [sys.executable, "-m", "smtp_proxy", "inbox"], stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stderr is not None
        assert any("process_started" in line for line in process.stderr), "the inbox did not start"
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.stderr.read()
    process.wait(PATIENCE)


def said(*arguments: str) -> list[dict[str, object]]:
    """Return what a command of `signoff` prints as JSON."""
    command = [sys.executable, "-m", "app", *arguments, "--json"]
    rows: list[dict[str, object]] = json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout
    )
    return rows


def mailto_of(address: str) -> tuple[str, str]:
    """Return address and subject of the mailto in a copy for this recipient."""
    settings = load()
    codec, brand = (
        wiring.token_codec(settings),
        wiring.brands(settings).by_id(BrandId("acme")).number,
    )
    digest, now = codec.digest(address, brand=brand), wiring.now_ms()
    minter = codec.minter(
        brand=brand, purpose=Purpose.ONE_CLICK | Purpose.MAILTO, at_ms=now, campaign=NO_CAMPAIGN
    )
    short = codec.short_minter(brand=brand, groups=(), at_ms=now).mint(digest)
    return f"u-{short}@{DOMAIN}", encode(digest.hex(), minter.mint(address=address, digest=digest))


def send(
    recipient: str, content: bytes, *, before: Callable[[smtplib.SMTP], object] = lambda _: None
) -> None:
    host, _, port = load().inbox.listen.rpartition(":")
    with smtplib.SMTP(host, int(port), timeout=PATIENCE) as session:
        before(session)
        session.sendmail("ann@example.net", [recipient], content)


def metrics() -> str:
    with urllib.request.urlopen(
        f"http://{load().inbox.health_listen}/metrics", timeout=PATIENCE
    ) as answer:
        text: str = answer.read().decode()
    return text


@pytest.mark.usefixtures("environment")
def test_a_mail_that_was_acknowledged_survives_the_death_of_process_and_store() -> None:
    """Catalogue M6, E8: killed right after its 250, started again, told again: one event."""
    box, subject = mailto_of("ann@example.net")

    with inbox() as process:
        send(box, f"Subject: {subject}\r\n\r\n".encode())
        process.kill()
    with inbox():
        send(box, b"\r\n")
        (state,) = said("recipient", "show", "ann@example.net")
        history = said("recipient", "show", "ann@example.net", "--history")

    assert (state["state"], state["source"]) == ("unsubscribed", "mailto")
    assert [change["source"] for change in history] == ["mailto"]


@pytest.mark.usefixtures("environment")
def test_what_happens_is_counted_and_logged_without_address_or_token() -> None:
    """Catalogue M1, M4, E16, S3: over STARTTLS, as mail servers send."""
    box, subject = mailto_of("ann@example.net")
    distrustful = ssl.create_default_context()
    distrustful.check_hostname, distrustful.verify_mode = False, ssl.CERT_NONE

    with inbox() as process:
        send(
            box,
            f"Subject: {subject}\r\n\r\n".encode(),
            before=lambda session: session.starttls(context=distrustful),
        )
        send(
            f"unsubscribe@{DOMAIN}", b"Subject: unsubscribe\r\nAuto-Submitted: auto-replied\r\n\r\n"
        )
        counted = metrics()
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(f"u-garbage@{DOMAIN}", b"\r\n")
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        lines = process.stderr.read()

    events = [json.loads(line) for line in lines.splitlines()]
    (obeyed,) = (event for event in events if event["event"] == "mailto_obeyed")
    (ignored,) = (event for event in events if event["event"] == "mailto_ignored")
    assert 'signoff_unsubscribes_total{result="saved",source="mailto"} 1.0' in counted
    assert 'signoff_inbox_mails_total{mailbox="token",outcome="obeyed"} 1.0' in counted
    assert 'signoff_inbox_mails_total{mailbox="root",outcome="ignored"} 1.0' in counted
    assert (obeyed["place"], obeyed["mailbox"], obeyed["copies"]) == ("envelope", "token", 2)
    assert (ignored["mailbox"], ignored["reason"]) == ("root", "auto_reply")
    assert any(event["event"] == "token_refused" for event in events)
    assert process.returncode == 0
    for secret in (
        "ann@example.net",
        box.partition("@")[0],
        subject.rpartition("-")[2],
        "u-garbage",
    ):
        assert secret not in lines


@pytest.mark.usefixtures("environment")
def test_a_hangup_reads_the_configuration_again(tmp_path: Path) -> None:
    """A new rule for complaints needs no restart; a new address does, and the log says so."""
    with inbox() as process:
        assert process.stderr is not None
        (tmp_path / "signoff.toml").write_text(
            '[inbox]\ndomain = "mail.acme.example"\ncomplaints = "ignore"\nmaildir = "elsewhere"\n'
        )
        process.send_signal(signal.SIGHUP)
        assert any("configuration_reloaded" in line for line in process.stderr)

        send("unsubscribe@mail.acme.example", b"Subject: hello\r\n\r\n")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(f"unsubscribe@{DOMAIN}", b"\r\n")

    assert (tmp_path / "elsewhere/new").is_dir()


@pytest.mark.usefixtures("environment")
def test_every_problem_is_said_at_once_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    (tmp_path / "file").write_text("")
    (tmp_path / "signoff.toml").write_text(
        'public_url = "https://unsubscribe.example.com"\nkeyring_file = "nowhere.toml"\n'
        '[inbox]\nmaildir = "file/box"\ntls_cert_file = "junk.pem"\ntls_key_file = "junk.pem"\n'
        '[brands.acme]\nsender_domains = ["acme.example"]\n'
    )

    done = subprocess.run(
        [sys.executable, "-m", "smtp_proxy", "inbox"], capture_output=True, text=True, timeout=PATIENCE, check=False
    )  # fmt: skip

    assert done.returncode == 2
    title, *problems = done.stderr.splitlines()
    assert title == "The configuration cannot be used:"
    assert [problem.strip().partition(": ")[0] for problem in problems] == [
        "inbox.domain", "inbox.tls_cert_file", "inbox.maildir", "keyring_file",
    ]  # fmt: skip


def test_the_sample_of_the_seed_names_its_user_on_the_command_line(
    environment: Mapping[str, str],
) -> None:
    """Catalogue M8."""
    sample = (
        "Unsubscribe |"
        " cattr:YzlhZjVkYzUtYWRkMi00MTZkLTg4OTQtNWNlZmRkYTJjNDYw-WTRv4uSIgrZTVV5fJSvAZkS2smalAXvg8qX_0qz3AXd.AwCwAo2O"
    )

    assert said("token", "subject", sample) == [
        {"identifier": "c9af5dc5-add2-416d-8894-5cefdda2c460", "token": "token_malformed"}
    ]


def test_a_subject_of_ours_opens_on_the_command_line(environment: Mapping[str, str]) -> None:
    """Catalogue M7, M8: as it came, with fold and prefix."""
    _, subject = mailto_of("ann@example.net")

    (row,) = said("token", "subject", f"Re: {subject[:80]}\r\n {subject[80:]}")

    assert (row["token"], row["recipient"], row["purpose"]) == (
        "opens",
        "ann@example.net",
        "one_click, mailto",
    )


def test_a_subject_without_an_identifier_is_a_finding(environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "app", "token", "subject", "Unsubscribe"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert (done.returncode, done.stderr) == (1, "token_malformed: no cattr part in the subject\n")
