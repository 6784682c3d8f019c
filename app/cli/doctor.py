"""`signoff doctor`: everything of an installation that can be tried without sending a mail. What
others answer for: `doctor_network`.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

from app import wiring
from app.cli.doctor_network import all_tried, ask_around, certificate_findings
from app.cli.findings import CheckVerdict, DoctorFinding
from app.cli.output import Exit, show
from app.core.errors import Misconfigured, SignoffError, Unavailable
from app.core.mail.dkim_record import problems_of, record_name, record_of, zone_line
from app.core.visible import visible
from app.outbound.dns import txt_records
from app.settings import keyring_file
from app.settings.brand import DkimSettings
from app.settings.load import load
from app.settings.model import Settings
from app.wiring import validation

_SPOOL_ROOM = 256 * 1024 * 1024
_OPEN_TO_OTHERS = 0o007
_MOST_WORDS = 300


def doctor(
    dns: Annotated[bool, typer.Option(help="look up DKIM and MX records")] = True,
    offline: Annotated[
        bool, typer.Option("--offline", help="ask no other machine but the store")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Try what an installation needs: configuration, keys, certificates, spool, store, listeners,
    downstream, DNS, public URL, webhooks.

    No mail, event or click is sent. Exit 1 when there is a problem.
    """
    settings = load()
    findings = [
        *_guarded("configuration", _configuration(settings)),
        *_guarded("keyring", _keyring(settings)),
        *_guarded("certificates", _certificates(settings)),
        *asyncio.run(_dkim(settings, dns=dns and not offline)),
        *_guarded("spool", _spool(settings)),
        *_guarded("store", _store(settings)),
        *asyncio.run(ask_around(settings, dns=dns, offline=offline)),
    ]
    show([finding._asdict() for finding in findings], as_json=as_json)
    raise typer.Exit(
        Exit.FINDING
        if any(finding.verdict is CheckVerdict.PROBLEM for finding in findings)
        else Exit.GOOD
    )


def _guarded(check: str, findings: Iterator[DoctorFinding]) -> Iterator[DoctorFinding]:
    """Yield the findings of a check, and why it broke off where it does: that hides no other
    check.
    """
    try:
        yield from findings
    except Exception as exc:  # a rim: whatever a file or the store answers is a line of the report
        yield DoctorFinding(
            check, CheckVerdict.PROBLEM, visible(str(exc) or type(exc).__name__, most=_MOST_WORDS)
        )


def _configuration(settings: Settings) -> Iterator[DoctorFinding]:
    """Say what every process would say before it starts."""
    yield from (
        DoctorFinding("configuration", CheckVerdict.PROBLEM, problem)
        for problem in validation.problems_of(settings)
    )
    if not settings.development and not settings.web.security_contact and not settings.inbox.domain:
        words = (
            "unset, and there is no inbox.domain, so there is no security.txt: name who is told of"
            " a weakness"
        )
        yield DoctorFinding("web.security_contact", CheckVerdict.WARNING, words)


def _keyring(settings: Settings) -> Iterator[DoctorFinding]:
    path = settings.keyring_file
    try:
        keyring = keyring_file.load(path)
        keyring.minting_key(wiring.now_ms())
    except SignoffError as exc:
        yield DoctorFinding("keyring", CheckVerdict.PROBLEM, str(exc))
        return
    if path.stat().st_mode & _OPEN_TO_OTHERS:
        yield DoctorFinding(
            "keyring",
            CheckVerdict.WARNING,
            f"{path} can be read by every user of this machine; chmod 600",
        )
        return
    yield DoctorFinding(
        "keyring",
        CheckVerdict.GOOD,
        f"{path}, fingerprint of the pepper {keyring.identity().pepper}",
    )


async def _dkim(settings: Settings, *, dns: bool) -> Sequence[DoctorFinding]:
    none = "no DKIM key: promotional mail cannot carry one-click (RFC 8058 4)"
    without = [
        DoctorFinding(f"brand {name}", CheckVerdict.PROBLEM, none)
        for name, brand in settings.brands.items()
        if not brand.dkim
    ]
    checks = {
        f"dkim {record_name(key.selector, key.domain)}": key
        for brand in settings.brands.values()
        for key in brand.dkim
    }
    return [
        *without,
        *await all_tried(
            (check, _one_key(check, key, settings, dns=dns)) for check, key in checks.items()
        ),
    ]


async def _one_key(
    check: str, key: DkimSettings, settings: Settings, *, dns: bool
) -> Sequence[DoctorFinding]:
    try:
        private = load_pem_private_key(key.key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as exc:
        if settings.dkim_keys == "relay" and isinstance(exc, OSError):
            return [
                DoctorFinding(
                    check,
                    CheckVerdict.SKIPPED,
                    f"{key.key_file} is for the relay alone (dkim_keys): ask where it runs",
                )
            ]
        return [DoctorFinding(check, CheckVerdict.PROBLEM, f"{key.key_file}: {exc}")]
    if not isinstance(private, RSAPrivateKey | Ed25519PrivateKey):
        return [
            DoctorFinding(
                check, CheckVerdict.PROBLEM, f"{key.key_file} is neither an RSA nor an ed25519 key"
            )
        ]
    if not dns:
        return [
            DoctorFinding(check, CheckVerdict.GOOD, "the key loads; the record was not looked up")
        ]
    if settings.development:
        return [
            DoctorFinding(
                check,
                CheckVerdict.SKIPPED,
                "development: the key loads; nobody outside looks for its record",
            )
        ]
    try:
        records = await txt_records(record_name(key.selector, key.domain))
    except Unavailable as exc:
        return [
            DoctorFinding(check, CheckVerdict.WARNING, f"the record could not be looked up: {exc}")
        ]
    if not records:
        name = record_name(key.selector, key.domain)
        line = zone_line(name, record_of(key.key_file.read_bytes()))
        return [
            DoctorFinding(
                check,
                CheckVerdict.PROBLEM,
                f"no record is published, so nobody can verify the signature; publish: {line}",
            )
        ]
    problems = problems_of(records, private.public_key())
    good = DoctorFinding(check, CheckVerdict.GOOD, "the published record fits the key")
    return [DoctorFinding(check, CheckVerdict.PROBLEM, problem) for problem in problems] or [good]


def _certificates(settings: Settings) -> Iterator[DoctorFinding]:
    now = datetime.now(UTC)
    for section in ("web", "relay", "inbox"):
        path: Path | None = getattr(settings, section).tls_cert_file
        if path is None:
            continue
        key = f"{section}.tls_cert_file"
        try:
            chain = load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError) as exc:
            yield DoctorFinding(key, CheckVerdict.PROBLEM, f"{path}: {exc}")
            continue
        begins = max(one.not_valid_before_utc for one in chain)
        # clients trust none of it longer than its shortest
        ends = min(one.not_valid_after_utc for one in chain)
        if begins > now:
            yield DoctorFinding(
                key,
                CheckVerdict.PROBLEM,
                f"{path} is good only from {begins:%Y-%m-%d %H:%M} UTC on",
            )
        yield from certificate_findings(key, ends, now=now) or [
            DoctorFinding(key, CheckVerdict.GOOD, f"{path}, until {ends:%Y-%m-%d}")
        ]


def _spool(settings: Settings) -> Iterator[DoctorFinding]:
    state = wiring.spool_state(settings)
    if settings.spool_dir is None or state is None:
        yield DoctorFinding(
            "spool",
            CheckVerdict.WARNING,
            "spool_dir is unset: a click while the store is away is answered 503",
        )
        return
    place = _nearest(settings.spool_dir)
    free = shutil.disk_usage(place).free
    problems = [f"{place} has only {free // 1024 // 1024} MiB left"] if free < _SPOOL_ROOM else []
    if state.failure:
        problems.append(f"{settings.spool_dir} takes no row: {state.failure}")
    problems += [f"{name} cannot be used: {reason}" for name, reason in state.unusable.items()]
    if not state.exists and not os.access(place, os.W_OK):
        problems.append(f"{settings.spool_dir} is not there, and this user may not make it")
    yield from (DoctorFinding("spool", CheckVerdict.PROBLEM, problem) for problem in problems)
    for path in state.damaged:
        yield DoctorFinding(
            "spool",
            CheckVerdict.WARNING,
            f"{path} was set aside as damaged; look at it, then remove it (docs/operations.md)",
        )
    if state.waiting:
        yield DoctorFinding(
            "spool",
            CheckVerdict.WARNING,
            f"{state.waiting} rows of processes that have ended wait for one that runs",
        )
    if not problems:
        tried = "took a row" if state.exists else "will be made at the first start"
        yield DoctorFinding(
            "spool",
            CheckVerdict.GOOD,
            f"{settings.spool_dir} {tried}, {free // 1024 // 1024 // 1024} GiB free",
        )


def _nearest(path: Path) -> Path:
    """Return the path, or the nearest folder above it that exists."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def _store(settings: Settings) -> Iterator[DoctorFinding]:
    try:
        warnings = asyncio.run(wiring.store_warnings(settings))
    except Misconfigured as exc:
        yield from (
            DoctorFinding("store", CheckVerdict.PROBLEM, problem) for problem in exc.problems
        )
    except Unavailable as exc:
        yield DoctorFinding("store", CheckVerdict.PROBLEM, f"no answer: {exc}")
    else:
        yield from (DoctorFinding("store", CheckVerdict.WARNING, warning) for warning in warnings)
        if not warnings:
            yield DoctorFinding(
                "store",
                CheckVerdict.GOOD,
                "it answers, belongs to this keyring, and its settings keep every promise",
            )
