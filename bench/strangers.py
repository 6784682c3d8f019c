"""Hostile mails beside other people's: how long another session and `/livez` of the inbox wait
(catalogue N16).

    python -m bench.strangers

An inbox process as in production. One client sends mails of one megabyte, made to be slow, each to
a hundred mailboxes; meanwhile a probe asks `/livez` and sends small mails, one after the other, and
notes the slowest answer. Goal: 300 ms each.
"""

import os
import smtplib
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from app.core.model import BrandId
from app.settings.load import load
from app.settings.model import Settings
from app.wiring import brands, now_ms, token_codec
from bench.processes import Program, listens

_OCTETS = 1_000_000
_HTML = "Content-Type: text/html\r\n"
_MIXED = "Content-Type: multipart/mixed; boundary=b\r\n"
_PATIENCE = 120.0


def _repeated(text: str) -> str:
    return (text * (_OCTETS // len(text) + 1))[:_OCTETS]


# What the mail says it is, and its text.
_TEXTS: Mapping[str, tuple[str, str]] = {
    "beginnings of tokens": ("", _repeated(" AQxxxxxxxxxxxxxx")),
    "internationalised addresses": ("", _repeated("a@ü.ö ")),
    "at signs": ("", _repeated("@")),
    "marks before a token": ("", _repeated("cattr:-AQ ")),
    "character references": (_HTML, _repeated("&a")),
    "a reference without end": (_HTML, "<p>&#" + "1" * _OCTETS + ";"),
    "tags": (_HTML, _repeated("<div ")),
    "quotes in tags": (_HTML, _repeated("<a '\"")),
    "white space": ("", _repeated(" ")),
    "quote marks": ("", _repeated("> \n")),
    "heads of quoted mails": ("", _repeated("From: x\n")),
    "soft breaks": ("Content-Transfer-Encoding: quoted-printable\r\n", _repeated("=3D")),
    "parts": (_MIXED, _repeated("\r\n--b\r\n\r\nx")),
    "mails in mails": (
        _MIXED,
        _repeated("\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: AQ\r\n\r\n"),
    ),
}


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.chdir(folder)
        settings = load()
        port = int(settings.inbox.listen.rpartition(":")[2])
        program = Program(
            [sys.executable, "-m", "smtp_proxy", "inbox"], log=Path(folder) / "inbox.log"
        )
        stack.enter_context(program).ready(lambda: listens(port))
        boxes = _boxes(settings)
        print(
            "| text of 1 MB, to 100 mailboxes | its own answer, ms | slowest mail of another, ms |"
            " slowest /livez, ms |"
        )
        print("| --- | --- | --- | --- |")
        print(f"| none | – | {_row(settings, port, lambda: time.sleep(2))[1]} |")
        for name, (fields, text) in _TEXTS.items():
            content = f"From: a@x.example\r\nTo: b@y.example\r\nSubject: AQ\r\n{fields}\r\n{text}\r\n".encode()
            own, others = _row(settings, port, lambda content=content: _send(port, boxes, content))  # type: ignore[misc]
            print(f"| {name} | {own:.0f} | {others} |", flush=True)


def _boxes(settings: Settings) -> list[str]:
    """Return the mailboxes of 97 copies, and the three that everybody knows."""
    domain, codec, brand = (
        settings.inbox.domain,
        token_codec(settings),
        brands(settings).by_id(BrandId("acme")).number,
    )
    minter = codec.short_minter(brand=brand, groups=(), at_ms=now_ms())
    tokens = [
        minter.mint(codec.digest(f"reader{each}@example.net", brand=brand)) for each in range(97)
    ]
    known = ("unsubscribe", f"unsubscribe-dc{settings.data_centre:02}", "complaints")
    return [*(f"u-{token}@{domain}" for token in tokens), *(f"{name}@{domain}" for name in known)]


def _row(settings: Settings, port: int, work: Callable[[], object]) -> tuple[float, str]:
    """Return how long the work took, and the slowest answers that others got meanwhile, as two
    cells.
    """
    slowest = {"mail": 0.0, "livez": 0.0}
    done = threading.Event()
    probe = threading.Thread(target=_probe, args=(settings, port, slowest, done))
    probe.start()
    began = time.perf_counter()
    work()
    own = (time.perf_counter() - began) * 1000
    done.set()
    probe.join()
    return own, f"{slowest['mail']:.0f} | {slowest['livez']:.0f}"


def _probe(settings: Settings, port: int, slowest: dict[str, float], done: threading.Event) -> None:
    while not done.is_set():
        began = time.perf_counter()
        urllib.request.urlopen(
            f"http://{settings.inbox.health_listen}/livez", timeout=_PATIENCE
        ).read()
        slowest["livez"] = max(slowest["livez"], (time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        _send(port, [f"unsubscribe@{settings.inbox.domain}"], b"Subject: hello\r\n\r\nhello\r\n")
        slowest["mail"] = max(slowest["mail"], (time.perf_counter() - began) * 1000)


def _send(port: int, recipients: list[str], content: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=_PATIENCE) as client:
        client.sendmail("a@x.example", recipients, content)


if __name__ == "__main__":
    main()
