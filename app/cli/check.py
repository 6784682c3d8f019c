"""`signoff check`: whether mails meet the rules for promotional mail, and what to mend.

Exit 0 when no mail has a problem, 1 when one has, 2 when something given cannot be read.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import track

from app.cli import check_probe, check_report
from app.cli.check_report import Judged, ReportFormat
from app.cli.output import Exit
from app.core.errors import Misconfigured, Unavailable
from app.core.mail import lint
from app.core.mail.dkim_record import record_of
from app.core.mail.inbound_parts import entity
from app.core.mail.lint import copies, intake
from app.core.mail.lint.fields import one_click_uris
from app.core.mail.lint.rules import Finding
from app.outbound.dns import txt_records
from app.outbound.signatures import Lookup, verify

T = TypeVar("T")
R = TypeVar("R")

MAX_BYTES = 64 * 1024 * 1024
_MAILDIR = ("new", "cur")


def check(  # noqa: PLR0913, PLR0917 - the options of a command
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH…", help="raw messages: files, folders, Maildirs, mbox files; - is stdin"
        ),
    ],
    dkim_key: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="the key of s1._domainkey.acme.example, offline"),
    ] = None,
    dns: Annotated[bool, typer.Option(help="look up DKIM keys")] = True,
    probe: Annotated[
        bool, typer.Option("--probe", help="POST to each one-click URL as mailbox providers do")
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="probe URLs of others too: that UNSUBSCRIBES the recipient there"
        ),
    ] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="probe private addresses too, for trials")
    ] = False,
    ca_file: Annotated[Path | None, typer.Option(help="certificates to trust when probing")] = None,
    form: Annotated[
        ReportFormat, typer.Option("--format", help="how to report")
    ] = ReportFormat.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="the same as --format json")] = False,
) -> None:
    """Judge raw messages by RFC 8058, RFC 2369 and what Gmail and Yahoo ask of bulk senders."""
    lookup = _lookup(_given_keys(dkim_key or []), dns=dns)
    judged = _each("Judging", lambda mail: _judge(*mail, lookup), _mails(paths))
    if probe:
        prober = check_probe.Prober(yes=yes, allow_private=allow_private, ca_file=ca_file)
        judged = _each("Probing", prober, judged)
    check_report.show(judged, ReportFormat.JSON if as_json else form)
    raise typer.Exit(Exit.FINDING if any(mail.fails for mail in judged) else Exit.GOOD)


def _each(
    what: str, act: Callable[[T], Coroutine[object, object, R]], things: Sequence[T]
) -> list[R]:
    """Act on one after the other, with a progress bar when a person waits for it."""
    console = Console(stderr=True)
    return [
        asyncio.run(act(thing))
        for thing in track(
            things, what, console=console, transient=True, disable=not console.is_terminal
        )
    ]


async def _judge(name: str, octets: bytes, shared: Sequence[Finding], lookup: Lookup) -> Judged:
    if len(octets) > MAX_BYTES:
        return Judged(
            name=name,
            uris=(),
            findings=(Finding("too-large", f"more than {MAX_BYTES // 1024 // 1024} MiB"),),
        )
    try:
        findings = (*shared, *lint.judge(octets, await verify(octets, lookup)))
        return Judged(name=name, uris=tuple(one_click_uris(entity(octets))), findings=findings)
    except Exception as exc:  # a rim: the other mails get their report
        return Judged(
            name=name, uris=(), findings=(Finding("not-judged", f"{type(exc).__name__}: {exc}"),)
        )


def _mails(paths: Sequence[str]) -> list[tuple[str, bytes, Sequence[Finding]]]:
    """Return name, octets, and what only the comparison with the others shows."""
    mails = {name: octets for path in paths for name, octets in _read(path)}
    if not mails:
        raise Misconfigured([f"{', '.join(paths)}: no message in it"])
    shared: dict[str, list[Finding]] = {}
    for name, finding in copies.compare(mails):
        shared.setdefault(name, []).append(finding)
    return [(name, octets, shared.get(name, ())) for name, octets in mails.items()]


def _read(path: str) -> Iterator[tuple[str, bytes]]:
    if path == "-":
        yield from _named("stdin", sys.stdin.buffer.read(MAX_BYTES + 1))
        return
    place = Path(path)
    try:
        for file in _files(place) if place.is_dir() else [place]:
            with file.open("rb") as opened:
                yield from _named(str(file), opened.read(MAX_BYTES + 1))
    except OSError as exc:
        raise Misconfigured([f"{path}: {exc.strerror or exc}"]) from exc


def _files(folder: Path) -> list[Path]:
    """Return the messages of a Maildir, or every file of another folder."""
    places = [folder / name for name in _MAILDIR if (folder / name).is_dir()] or [folder]
    return sorted(
        file
        for place in places
        for file in place.iterdir()
        if file.is_file() and not file.name.startswith(".")
    )


def _named(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    if len(content) > MAX_BYTES:
        yield name, content
        return
    found = intake.messages(content)
    for number, octets in enumerate(found, start=1):
        yield (name if len(found) == 1 else f"{name}#{number}"), octets


def _given_keys(options: Sequence[str]) -> Mapping[str, str]:
    keys: dict[str, str] = {}
    problems: list[str] = []
    for option in options:
        name, equals, file = option.partition("=")
        try:
            keys[name.lower().rstrip(".")] = record_of(Path(file).read_bytes())
        except (OSError, ValueError) as exc:
            problems.append(f"--dkim-key {option}: {exc if equals else 'write it as NAME=FILE'}")
    if problems:
        raise Misconfigured(problems)
    return keys


def _lookup(given: Mapping[str, str], *, dns: bool) -> Lookup:
    async def look_up(name: str) -> Sequence[str]:
        if name.lower() in given:
            return [given[name.lower()]]
        if not dns:
            raise Unavailable("not looked up")
        return await txt_records(name)

    return look_up
