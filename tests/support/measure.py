"""How much code one promotional mail and one click pass: `make measure`, or `python -m
tests.support.measure`.

The real processes run in this one, one after the other: `serve_relay` and `serve_web` as the
commands start them, with the embedded store. A thread beside them is the upstream and the browser.
`sys.setprofile` sees what the process's own thread enters, from MAIL to the 250 and from the
request to the 200; what counts is code of `app` and `smtp_proxy`. Everything is warm: of several
equal mails, the figures are those of the one with the fewest calls, for whatever runs in the
background only adds to them.

A call is every entry into a frame, so a coroutine that goes on after an await counts again, and up
to CPython 3.11 a comprehension too. Functions and classes are distinct ones; a switch is a call in
another file than the call before it. The second row of each leaves out the client of the store,
which tests with the store's twin in memory do not pass.

`--files` prints the files in their order, `--calls` every call.
"""

import io
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType

from app import wiring
from app.core.model import BrandId, CampaignId, Purpose
from app.settings.load import load
from app.settings.model import Settings
from app.wiring.web import serve_web
from smtp_proxy.wiring.relay import serve_relay
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = tuple(f"{ROOT / name}{os.sep}" for name in ("app", "smtp_proxy"))
WARM, MEASURED = 30, 15
PATIENCE = 30.0  # seconds for a process to listen, and for each answer
# after the answer: what the process still does for this mail or click counts too
_SETTLE_SECONDS = 0.02
_EXTENSIONS = (
    b"250-sink.example\r\n250-PIPELINING\r\n250-SIZE 30000000\r\n250-8BITMIME\r\n250"
    b" ENHANCEDSTATUSCODES\r\n"
)
_MAIL = (
    b"From: Acme <news@acme.example>\r\nTo: ann@example.net\r\nSubject:"
    b" Spring\r\nX-Signoff-Campaign: spring-24\r\nMessage-ID: <%d@acme.example>\r\nDate: Tue, 03"
    b" Mar 2026 09:00:00 +0000\r\n\r\nHello Ann\r\n.\r\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What one mail or click has passed: the code of each call, in order."""

    calls: tuple[CodeType, ...]

    @property
    def files(self) -> list[str]:
        """The files, in the order in which they are first met."""
        return list(dict.fromkeys(code.co_filename for code in self.calls))

    @property
    def figures(self) -> Sequence[int]:
        """Calls, functions, classes, files, switches between files."""
        names = [(code.co_filename, code.co_qualname) for code in self.calls]
        files = [file for file, _ in names]
        classes = {
            (file, name.rpartition(".")[0])
            for file, name in names
            if "." in name and "<locals>" not in name
        }
        switches = sum(1 for before, after in pairwise(files) if before != after)
        return (len(names), len(set(names)), len(classes), len(set(files)), switches)

    def without(self, folder: Path) -> "Passage":
        """Return what is left when the code of a folder is not looked at."""
        return Passage(
            calls=tuple(
                code for code in self.calls if not code.co_filename.startswith(f"{folder}{os.sep}")
            )
        )


class Recorder:
    """Sees the calls of the thread that it is installed in, while `on`."""

    def __init__(self) -> None:
        self.on = False
        self.calls: list[CodeType] = []

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if self.on and event == "call" and frame.f_code.co_filename.startswith(PACKAGES):
            self.calls.append(frame.f_code)

    def passage(self, work: Callable[[], None]) -> Passage:
        """Return what the thread passes while another one does this work."""
        self.calls = []
        self.on = True
        work()
        time.sleep(_SETTLE_SECONDS)
        self.on = False
        return Passage(calls=tuple(self.calls))


class Lines:
    """A connection that speaks in lines."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        self._connection = connection
        self._file = connection.makefile("rb")

    def send(self, octets: bytes) -> None:
        """Write octets."""
        self._connection.sendall(octets)

    def line(self) -> bytes:
        """Read one line; b"" when the peer has gone."""
        return self._file.readline()

    def octets(self, number: int) -> bytes:
        """Read so many octets."""
        return self._file.read(number)

    def ask(self, command: bytes, expected: bytes) -> None:
        """Send one command and read its reply, all lines of it."""
        self.send(command)
        while (line := self.line())[3:4] == b"-":
            pass
        assert line.startswith(expected), line


def main() -> int:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="signoff-measure-") as folder:
        os.chdir(folder)
        sink = socket.create_server(("127.0.0.1", 0))
        os.environ |= _settings_of(sink.getsockname()[1])
        threading.Thread(target=_serve_sink, args=(sink,), daemon=True).start()
        settings = load()
        passages = {
            "mail": _measured(serve_relay, settings, _mails(settings)),
            "click": _measured(serve_web, settings, _clicks(settings)),
        }
        os.chdir(ROOT)
    print(
        "| | calls | functions | classes | files | switches between files |\n| --- | --- | --- |"
        " --- | --- | --- |"
    )
    for name, passage in passages.items():
        for label, part in (
            (name, passage),
            (f"{name}, without the store's client", passage.without(ROOT / "app/store")),
        ):
            print(f"| {label} | {' | '.join(str(figure) for figure in part.figures)} |")
    if "--files" in sys.argv:
        for name, passage in passages.items():
            print(f"\nThe files of a {name}, with the calls in each:")
            calls = Counter(code.co_filename for code in passage.calls)
            print(
                "\n".join(
                    f"{calls[file]:5} {Path(file).relative_to(ROOT)}" for file in passage.files
                )
            )
    if "--calls" in sys.argv:
        for passage in passages.values():
            print(
                "\n".join(
                    f"{Path(code.co_filename).relative_to(ROOT)} {code.co_qualname}"
                    for code in passage.calls
                )
            )
    return 0


def _measured(
    serve: Callable[[Settings], None],
    settings: Settings,
    works: Callable[[], Sequence[Callable[[], None]]],
) -> Passage:
    """Run a process in this thread until another one has done these works, and return what the one
    with the fewest calls has passed.
    """
    recorder, passages, failures = Recorder(), list[Passage](), list[BaseException]()

    def work() -> None:
        try:
            done = works()
            for warming in done[:WARM]:
                warming()
            passages.extend(recorder.passage(measured) for measured in done[WARM:])
        except BaseException as failure:
            failures.append(failure)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    client = threading.Thread(target=work)
    log = io.StringIO()
    with redirect_stderr(log):
        client.start()
        sys.setprofile(recorder)
        try:
            serve(settings)
        finally:
            sys.setprofile(None)
            client.join()
    if failures:
        raise RuntimeError(log.getvalue()) from failures[0]
    return min(passages, key=lambda passage: len(passage.calls))


def _mails(settings: Settings) -> Callable[[], Sequence[Callable[[], None]]]:
    def connect() -> Sequence[Callable[[], None]]:
        upstream = _connected(settings.relay.listen)
        assert upstream.line().startswith(b"220")
        upstream.ask(b"EHLO client.example\r\n", b"250")

        def send(number: int) -> None:
            upstream.ask(b"MAIL FROM:<news@acme.example>\r\n", b"250")
            upstream.ask(b"RCPT TO:<ann%d@example.net>\r\n" % number, b"250")
            upstream.ask(b"DATA\r\n", b"354")
            upstream.ask(_MAIL % number, b"250")

        return [lambda number=number: send(number) for number in range(WARM + MEASURED)]  # type: ignore[misc] # bound by its default

    return connect


def _clicks(settings: Settings) -> Callable[[], Sequence[Callable[[], None]]]:
    codec, brand = (
        wiring.token_codec(settings),
        wiring.brands(settings).by_id(BrandId("acme")).number,
    )
    minter = codec.minter(
        brand=brand,
        purpose=Purpose.ONE_CLICK,
        at_ms=wiring.now_ms(),
        campaign=CampaignId("spring-24"),
    )
    addresses = [f"ann{number}@example.net" for number in range(WARM + MEASURED)]
    tokens = [
        minter.mint(address=address, digest=codec.digest(address, brand=brand))
        for address in addresses
    ]

    def connect() -> Sequence[Callable[[], None]]:
        _connected(settings.web.listen)
        return [lambda token=token: _click(settings.web.listen, token) for token in tokens]  # type: ignore[misc] # as above

    return connect


def _click(address: str, token: str) -> None:
    """Leave as a mailbox provider does, on a connection of its own."""
    body = b"List-Unsubscribe=One-Click"
    browser = _connected(address)
    browser.send(
        f"POST /u?qmoe={token} HTTP/1.1\r\nHost: {address}\r\nContent-Type:"
        f" application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\nConnection:"
        " close\r\n\r\n".encode("ascii")
        + body
    )
    assert browser.line().startswith(b"HTTP/1.1 200"), "the click was not answered by 200"
    while browser.line():
        pass


def _connected(address: str) -> Lines:
    """Connect as soon as somebody listens there."""
    host, _, port = address.rpartition(":")
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return Lines(socket.create_connection((host, int(port)), timeout=PATIENCE))
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def _settings_of(sink: int) -> dict[str, str]:
    names = (
        "RELAY__LISTEN",
        "RELAY__LMTP_LISTEN",
        "RELAY__HEALTH_LISTEN",
        "WEB__LISTEN",
        "WEB__TLS_LISTEN",
        "WEB__HEALTH_LISTEN",
        "WEB__ADMIN_LISTEN",
    )
    chosen = {f"SIGNOFF_{name}": f"127.0.0.1:{free_port()}" for name in names}
    return {
        **chosen,
        "SIGNOFF_RELAY__DOWNSTREAM": f"smtp://127.0.0.1:{sink}?tls=none",
        "SIGNOFF_LOG_FORMAT": "json",
    }


def _serve_sink(server: socket.socket) -> None:
    while True:
        connection, _ = server.accept()
        threading.Thread(target=_take_mails, args=(Lines(connection),), daemon=True).start()


def _take_mails(relay: Lines) -> None:
    relay.send(b"220 sink.example ESMTP\r\n")
    while command := relay.line():
        verb = command[:4].upper()
        if verb == b"EHLO":
            relay.send(_EXTENSIONS)
        elif verb == b"DATA":
            relay.send(b"354 Go on\r\n")
            while relay.line() != b".\r\n":
                pass
            relay.send(b"250 2.0.0 queued\r\n")
        else:
            relay.send(b"250 2.0.0 OK\r\n")


if __name__ == "__main__":
    sys.exit(main())
