"""Dockerfile, compose.yaml and systemd units, as far as they can be judged without an engine."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "docs" / "systemd").glob("*.service"))


def test_the_dockerfile_has_no_finding() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "hadolint", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_nobody_from_hashed_packages_with_a_health_check() -> None:
    text = (ROOT / "Dockerfile").read_text()

    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert "--require-hashes -r requirements.lock" in text
    assert "HEALTHCHECK" in text
    assert all(
        ":" in image and "latest" not in image
        for image in re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    )


def test_everything_that_the_image_copies_passes_the_ignore_file() -> None:
    copied = set(
        re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    )
    kept = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }

    names = {name for line in copied for name in line.split()}

    assert names == kept
    assert all((ROOT / name).exists() for name in names)


def test_compose_runs_every_process_of_the_procfile_with_fixed_images() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    procfile = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())

    assert set(procfile) - {"downstream"} <= set(services)
    assert all(
        ":" in service["image"] and not service["image"].endswith(":latest")
        for service in services.values()
    )


DKIM = "/var/lib/signoff-dkim"


def compose_services() -> Mapping[str, Mapping[str, object]]:
    """Return the services of compose.yaml that run our image."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return {
        name: service
        for name, service in services.items()
        if service["image"].startswith("signoff:")
    }


def test_compose_mounts_the_dkim_key_in_the_relay_alone_and_read_only() -> None:
    """Catalogue N14. What makes the key runs no process of ours, has no network, and sees nothing
    else.
    """
    mounts = {
        name: {str(one) for one in service["volumes"]}  # type: ignore[attr-defined]
        for name, service in compose_services().items()
    }
    having = {
        name: one for name, several in mounts.items() for one in several if one.startswith("dkim:")
    }

    assert having == {"relay": f"dkim:{DKIM}:ro", "dkim-key": f"dkim:{DKIM}"}
    assert mounts["dkim-key"] == {f"dkim:{DKIM}"}
    assert compose_services()["dkim-key"]["network_mode"] == "none"
    assert f"install -d -o signoff -g signoff -m 0700 {DKIM}" in (ROOT / "Dockerfile").read_text()


def test_the_settings_of_compose_start_every_process_without_the_dkim_key_but_the_relay(
    tmp_path: Path,
) -> None:
    """Catalogue N14: the key is made once and never overwritten; nobody else makes one in the
    volume that all share.
    """

    def here(text: object) -> str:
        return str(text).replace(DKIM, f"{tmp_path}/dkim")

    services = compose_services()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SIGNOFF_")}
    own = {name: here(value) for name, value in services["web"]["environment"].items()}  # type: ignore[attr-defined]
    environment = (
        clean
        | own
        | {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{clean['PATH']}"}
    )

    def judged(*, keys_here: bool) -> subprocess.CompletedProcess[str]:
        program = f"from app.wiring.validation import validated; validated(keys_here={keys_here})"
        command = [sys.executable, "-c", program]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def key_made() -> bytes:
        words = [here(word) for word in services["dkim-key"]["command"]]  # type: ignore[attr-defined]
        subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=True
        )
        assert stat.S_IMODE((tmp_path / "dkim/acme-s1.pem").stat().st_mode) == 0o600
        return (tmp_path / "dkim/acme-s1.pem").read_bytes()

    others, relay_without = judged(keys_here=False), judged(keys_here=True)
    made, again = key_made(), key_made()
    relay = judged(keys_here=True)

    assert others.returncode == 0, others.stderr
    assert "brands.acme.dkim.0.key_file" in relay_without.stderr
    assert made == again
    assert relay.returncode == 0, relay.stderr
    assert list((tmp_path / "var").rglob("*.pem")) != []
    assert not (tmp_path / "var/keys/acme-s1.pem").exists()


def test_every_process_has_a_unit_that_is_closed_in() -> None:
    assert [unit.stem for unit in UNITS] == [
        "signoff-admin",
        "signoff-inbox",
        "signoff-relay",
        "signoff-web",
        "signoff-worker",
    ]
    for unit in UNITS:
        text = unit.read_text()
        for line in (
            "Type=notify",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "StateDirectory=signoff",
            "User=signoff",
        ):
            assert line in text, unit.name
