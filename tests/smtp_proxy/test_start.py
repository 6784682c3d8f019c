"""What an operator sees of a relay that cannot start: every problem by its key, no traceback, and
nothing left running.
"""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_FREE = {"RELAY__LMTP_LISTEN": "127.0.0.1:0", "RELAY__HEALTH_LISTEN": "127.0.0.1:0"}


def start(folder: Path, command: str, **settings: str) -> tuple[int, list[str]]:
    """Run a command that is bound to fail; return its exit code and the lines that it says."""
    done = subprocess.run(
        [sys.executable, "-m", "smtp_proxy", command],
        cwd=folder,
        env=_environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr.splitlines()


def _environment(settings: dict[str, str]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SIGNOFF_")}
    return (
        clean
        | {"PYTHONPATH": str(ROOT)}
        | {f"SIGNOFF_{name}": value for name, value in settings.items()}
    )


def test_what_shows_only_when_a_part_is_made_is_reported_at_once_before_anything_starts(
    tmp_path: Path,
) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    (tmp_path / "signoff.toml").write_text(
        'public_url = "https://unsubscribe.example.com"\nkeyring_file ='
        ' "nowhere.toml"\n[relay]\ndownstream ='
        ' "smtp://mail.example.com?speed=high"\ndownstream_ca_file = "junk.pem"\ntls_cert_file ='
        ' "junk.pem"\ntls_key_file = "junk.pem"\n[brands.acme]\nsender_domains ='
        ' ["acme.example"]\n[[brands.acme.dkim]]\ndomain = "acme.example"\nselector ='
        ' "s1"\nkey_file = "junk.pem"\n'
    )

    code, (title, *problems) = start(tmp_path, "relay")

    assert code == 2
    assert title == "The configuration cannot be used:"
    assert [problem.strip().partition(": ")[0] for problem in problems] == [
        "relay.downstream", "relay.downstream_ca_file", "relay.tls_cert_file", "keyring_file",
        "brands.acme.dkim.0.key_file",
    ]  # fmt: skip
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    ("command", "key"), [("relay", "RELAY__LISTEN"), ("mailbox", "MAILBOX__LISTEN")]
)
def test_an_address_that_is_taken_is_one_clear_problem(
    tmp_path: Path, command: str, key: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = _FREE | {"RELAY__DOWNSTREAM": "smtp://127.0.0.1:1", "LOG_LEVEL": "error"}
        code, lines = start(tmp_path, command, **settings | {key: address})

    assert code == 2
    assert any(line.startswith(f"  {address}: cannot listen there") for line in lines)
    assert not any("Traceback" in line for line in lines)


def test_a_stop_that_comes_while_the_relay_starts_is_an_orderly_one(tmp_path: Path) -> None:
    """The downstream does not answer, so the relay is still starting when its store is up."""
    settings = _FREE | {"RELAY__LISTEN": "127.0.0.1:0", "RELAY__DOWNSTREAM": "smtp://127.0.0.1:1"}
    relay = subprocess.Popen(
        [sys.executable, "-m", "smtp_proxy", "relay"],
        cwd=tmp_path,
        env=_environment(settings),
        stderr=subprocess.PIPE,
        text=True,
    )
    with relay:
        assert relay.stderr is not None
        assert any("store_started" in line for line in relay.stderr)
        relay.send_signal(signal.SIGTERM)
        rest = relay.stderr.read()

    assert relay.returncode == 0
    assert "process_stopped" in rest
    assert not (tmp_path / "var/store/store.sock").exists()
