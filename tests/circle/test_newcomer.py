"""What a newcomer does: start everything with one command, see the circle with another, stop it
with Ctrl-C.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from app.settings.first_run import new_dkim_key
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90.0
LISTENERS = (
    "WEB__LISTEN", "WEB__HEALTH_LISTEN", "WEB__ADMIN_LISTEN", "WEB__TLS_LISTEN", "RELAY__LISTEN",
    "RELAY__LMTP_LISTEN", "RELAY__HEALTH_LISTEN", "INBOX__LISTEN", "INBOX__HEALTH_LISTEN",
    "WORKER__HEALTH_LISTEN", "MAILBOX__LISTEN",
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
        [sys.executable, "-m", "app", "dev"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if "Try it:" in line:  # the last line of the banner
            break
    assert process.poll() is None, "".join(seen)
    (tmp_path / "banner").write_text("".join(seen))
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)


def signoff(
    *arguments: str, folder: Path, environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "app", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


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


@pytest.fixture
def a_shop(tmp_path: Path) -> None:
    """A configuration that is there before anything starts."""
    (tmp_path / "s1.pem").write_bytes(new_dkim_key())
    (tmp_path / "signoff.toml").write_text(
        '[brands.shop]\nsender_domains = ["shop.example"]\n[[brands.shop.dkim]]\ndomain ='
        f' "shop.example"\nselector = "s1"\nkey_file = "{tmp_path}/s1.pem"\n'
    )


def test_a_configuration_that_is_there_is_obeyed_by_banner_and_demo(
    a_shop: None, services: "subprocess.Popen[str]", tmp_path: Path, environment: Mapping[str, str]
) -> None:
    demo = signoff("demo", folder=tmp_path, environment=environment)
    banner = (tmp_path / "banner").read_text()

    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "sender: news@shop.example" in demo.stdout
    assert "From: anybody@shop.example" in banner
    assert "anybody@acme" not in banner


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            'one_click = "self_managed"\none_click_url = "https://www.shop.example/u"',
            "the demo needs one with one_click",
        ),
        ('promotional = "never"', "the demo needs one with one_click"),
        ('[relay]\ndownstream = "smtp://192.0.2.1:25"', "the demo can look only into"),
    ],
)
def test_a_configuration_that_the_demo_cannot_show_is_told_by_its_key(
    tmp_path: Path, environment: Mapping[str, str], more: str, said: str
) -> None:
    (tmp_path / "signoff.toml").write_text(
        f'[brands.shop]\nsender_domains = ["shop.example"]\n{more}\n'
    )
    here = {
        name: value
        for name, value in environment.items()
        if name != "SIGNOFF_RELAY__DOWNSTREAM" or "downstream" not in more
    }

    demo = signoff("demo", folder=tmp_path, environment=here)

    assert demo.returncode == 2
    assert said in demo.stderr


def test_a_second_start_says_which_address_is_taken(
    services: "subprocess.Popen[str]", tmp_path: Path, environment: Mapping[str, str]
) -> None:
    second = signoff("dev", folder=tmp_path, environment=environment)

    assert second.returncode == 2
    assert "relay.listen: 127.0.0.1:" in second.stderr
    assert "is in use by another program" in second.stderr


def test_the_demo_without_services_fails_and_says_why(
    tmp_path: Path, environment: Mapping[str, str]
) -> None:
    demo = signoff("demo", folder=tmp_path, environment=environment)

    assert demo.returncode == 1
    assert "is `make run` up?" in demo.stderr


def command_line(pid: Path) -> str:
    try:
        return (pid / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
