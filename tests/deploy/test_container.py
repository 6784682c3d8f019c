"""Dockerfile, compose.yaml and systemd units, as far as they can be judged without an engine."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "docs" / "systemd").glob("*.service"))


def test_the_dockerfile_has_no_finding() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_nobody_from_hashed_packages_with_a_health_check() -> None:
    text = (ROOT / "Dockerfile").read_text()

    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert "--require-hashes -r requirements.lock" in text
    assert "HEALTHCHECK" in text
    assert all(":" in image and "latest" not in image for image in re.findall(r"^FROM (\S+)", text, re.MULTILINE))


def test_everything_that_the_image_copies_passes_the_ignore_file() -> None:
    copied = set(re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    names = {name for line in copied for name in line.split()}

    assert names == kept
    assert all((ROOT / name).exists() for name in names)


def test_compose_runs_every_process_of_the_procfile_with_fixed_images() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    procfile = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())

    assert set(procfile) - {"downstream"} <= set(services)
    assert all(":" in service["image"] and not service["image"].endswith(":latest") for service in services.values())


def test_every_process_has_a_unit_that_is_closed_in() -> None:
    assert [unit.stem for unit in UNITS] == ["signoff-admin", "signoff-inbox", "signoff-relay", "signoff-web", "signoff-worker"]
    for unit in UNITS:
        text = unit.read_text()
        for line in ("Type=notify", "NoNewPrivileges=yes", "ProtectSystem=strict", "StateDirectory=signoff", "User=signoff"):
            assert line in text, unit.name
