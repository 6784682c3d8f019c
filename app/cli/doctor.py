"""`signoff doctor`: everything of an installation that can be judged without sending a mail."""

import asyncio
import shutil
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from app import wiring
from app.cli.output import Exit, show
from app.core.errors import Misconfigured, SignoffError, Unavailable
from app.core.mail.dkim_record import problems_of, record_name
from app.outbound.dns import txt_records
from app.settings import keyring_file
from app.settings.brand import DkimSettings
from app.settings.load import load
from app.settings.model import Settings
from app.wiring import validation

_SPOOL_ROOM = 256 * 1024 * 1024
_OPEN_TO_OTHERS = 0o007


class Verdict(StrEnum):
    """How one check ended. Only a problem is a finding for the exit code."""

    GOOD = "good"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(NamedTuple):
    """One line of the report."""

    check: str
    verdict: Verdict
    detail: str


def doctor(
    dns: Annotated[bool, typer.Option(help="look up the DKIM records")] = True,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Check configuration, keys, DKIM records, spool and store. Exit 1 when there is a problem."""
    settings = load()
    findings = [*_configuration(settings), *_keyring(settings), *_dkim(settings, dns=dns), *_spool(settings), *_store(settings)]
    show([finding._asdict() for finding in findings], as_json=as_json)
    raise typer.Exit(Exit.FINDING if any(finding.verdict is Verdict.PROBLEM for finding in findings) else Exit.GOOD)


def _configuration(settings: Settings) -> Iterator[Finding]:
    """Say what every process would say before it starts."""
    yield from (Finding("configuration", Verdict.PROBLEM, problem) for problem in validation.problems_of(settings))


def _keyring(settings: Settings) -> Iterator[Finding]:
    path = settings.keyring_file
    try:
        keyring = keyring_file.load(path)
        keyring.minting_key(wiring.now_ms())
    except SignoffError as exc:
        yield Finding("keyring", Verdict.PROBLEM, str(exc))
        return
    if path.stat().st_mode & _OPEN_TO_OTHERS:
        yield Finding("keyring", Verdict.WARNING, f"{path} can be read by every user of this machine; chmod 600")
        return
    yield Finding("keyring", Verdict.GOOD, f"{path}, fingerprint of the pepper {keyring.identity().pepper}")


def _dkim(settings: Settings, *, dns: bool) -> Iterator[Finding]:
    for name, brand in settings.brands.items():
        if not brand.dkim:
            yield Finding(f"brand {name}", Verdict.PROBLEM, "no DKIM key: promotional mail cannot carry one-click (RFC 8058 4)")
        for key in brand.dkim:
            yield from _one_key(f"dkim {record_name(key.selector, key.domain)}", key, dns=dns)


def _one_key(check: str, key: DkimSettings, *, dns: bool) -> Iterator[Finding]:
    try:
        private = load_pem_private_key(key.key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as exc:
        yield Finding(check, Verdict.PROBLEM, f"{key.key_file}: {exc}")
        return
    if not isinstance(private, RSAPrivateKey | Ed25519PrivateKey):
        yield Finding(check, Verdict.PROBLEM, f"{key.key_file} is neither an RSA nor an ed25519 key")
        return
    if not dns:
        yield Finding(check, Verdict.GOOD, "the key loads; the record was not looked up")
        return
    try:
        records = asyncio.run(txt_records(record_name(key.selector, key.domain)))
    except Unavailable as exc:
        yield Finding(check, Verdict.WARNING, f"the record could not be looked up: {exc}")
        return
    problems = problems_of(records, private.public_key())
    yield from (Finding(check, Verdict.PROBLEM, problem) for problem in problems)
    if not problems:
        yield Finding(check, Verdict.GOOD, "the published record fits the key")


def _spool(settings: Settings) -> Iterable[Finding]:
    if settings.spool_dir is None:
        return [Finding("spool", Verdict.WARNING, "spool_dir is unset: a click while the store is away is answered 503")]
    place = _nearest(settings.spool_dir)
    free = shutil.disk_usage(place).free
    if free < _SPOOL_ROOM:
        return [Finding("spool", Verdict.PROBLEM, f"{place} has only {free // 1024 // 1024} MiB left")]
    return [Finding("spool", Verdict.GOOD, f"{settings.spool_dir}, {free // 1024 // 1024 // 1024} GiB free")]


def _nearest(path: Path) -> Path:
    """Return the path, or the nearest folder above it that exists."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def _store(settings: Settings) -> Iterator[Finding]:
    try:
        warnings = asyncio.run(wiring.store_warnings(settings))
    except Misconfigured as exc:
        yield from (Finding("store", Verdict.PROBLEM, problem) for problem in exc.problems)
    except Unavailable as exc:
        yield Finding("store", Verdict.PROBLEM, f"no answer: {exc}")
    else:
        yield from (Finding("store", Verdict.WARNING, warning) for warning in warnings)
        if not warnings:
            yield Finding("store", Verdict.GOOD, "it answers, belongs to this keyring, and its settings keep every promise")
