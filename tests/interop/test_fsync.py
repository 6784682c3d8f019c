"""What a 200 promises, seen from the kernel: the statement is on the disk before the first byte of
the answer is on the wire.

The processes run under strace. In its report of one process's calls the request is read, the file
is synced, the answer is written, in this order; whatever stands between them, a power loss after
the answer finds the statement.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.core.model import Purpose
from app.core.subject import encode
from tests.support import circles
from tests.support.ports import free_port
from tests.support.redis_server import redis_server
from tests.support.services import port, running_services
from tests.support.upstream import connected

pytestmark = pytest.mark.interop

ADDRESS = "ann@mail.example"
_CALLS = "read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,fsync,fdatasync"
_BEGUN = re.compile(r"(?P<pid>\d+) +(?P<call>\w+)\(\d+<(?P<file>[^>]*)>")
_RESUMED = re.compile(r"(?P<pid>\d+) +<\.\.\. (?P<call>\w+) resumed>")
_IN, _OUT, _SYNC = (
    {"read", "readv", "recvfrom", "recvmsg"},
    {"write", "writev", "sendto", "sendmsg", "pwrite64"},
    {"fsync", "fdatasync"},
)


def tracer(report: Path) -> Sequence[str]:
    """Return the command that writes down what a process and its threads ask of the kernel; the
    process stays our own child.
    """
    return ("strace", "-D", "-f", "-y", "-s", "5000", "-e", f"trace={_CALLS}", "-o", str(report))


def order(report: Path, *, asked: str, answered: str, file: str) -> list[str]:
    """Return what happened from the first reading of `asked` to the first writing of `answered`,
    each once it was done: what of this test's campaign was written to `file`, and that `file` was
    synced."""
    files: dict[str, str] = {}  # of each thread's call under way, which may end on another line
    found: list[str] = []
    for line in report.read_text(errors="replace").splitlines():
        if begun := _BEGUN.match(line):
            files[begun["pid"]] = begun["file"]
        call = begun or _RESUMED.match(line)
        if call is None:
            continue
        to_file = file in files.get(call["pid"], "")
        if call["call"] in _IN and asked in line and not found:
            found = ["asked"]
        elif found and call["call"] in _OUT and to_file and circles.CAMPAIGN in line:
            found.append("written")
        elif found and call["call"] in _SYNC and to_file and line.endswith("= 0"):
            found.append("synced")
        elif found and call["call"] in _OUT and not to_file and answered in line:
            return [*found, "answered"]
    return found


def promised(happened: Sequence[str]) -> bool:
    """Say whether what was asked had been written and then synced when it was answered."""
    written = happened.index("written") if "written" in happened else len(happened)
    return (
        happened[:1] == ["asked"]
        and happened[-1:] == ["answered"]
        and "synced" in happened[written:]
    )


async def test_the_web_process_syncs_its_spool_between_the_click_and_the_200(
    tmp_path: Path,
) -> None:
    """Catalogue E8: no store is there, so the spool alone holds what was promised."""
    report = tmp_path / "strace"
    async with running_services(
        tmp_path, STORE__URL=f"redis://127.0.0.1:{free_port()}"
    ) as services:
        await services.add("web", wrapper=tracer(report)).start()
        status = await circles.click(services, ADDRESS)

    assert status == 200
    assert promised(
        order(report, asked='"POST /u?qmoe=', answered="HTTP/1.1 200", file="/var/spool/spool-")
    )


async def test_the_inbox_syncs_its_spool_between_the_mail_and_the_250(tmp_path: Path) -> None:
    """Catalogue E8, M6."""
    report = tmp_path / "strace"
    async with running_services(
        tmp_path, STORE__URL=f"redis://127.0.0.1:{free_port()}"
    ) as services:
        await services.add("inbox", wrapper=tracer(report)).start()
        async with connected(port(services.settings.inbox.listen)) as client:
            await client.begin(
                sender=ADDRESS, recipients=(f"unsubscribe@{services.settings.inbox.domain}",)
            )
            subject = encode("ID 7", circles.token(services, ADDRESS, Purpose.MAILTO))
            await client.send(
                f"Subject: {subject}\r\nX-Test: the mail of this test\r\n\r\n.\r\n".encode()
            )
            reply = await client.reply()

    assert reply.startswith("250 ")
    assert promised(
        order(
            report,
            asked="the mail of this test",
            answered="250 2.0.0 Accepted",
            file="/var/spool/spool-",
        )
    )


async def test_the_store_syncs_its_file_between_the_script_and_its_answer(tmp_path: Path) -> None:
    """Catalogue E8, Q3: no spool is there, so the store alone holds what was promised; with
    `appendfsync always` it keeps it.
    """
    report = tmp_path / "strace"
    async with redis_server(tmp_path / "redis", wrapper=tracer(report)) as server:
        async with running_services(
            tmp_path, "web", STORE__URL=server.url, SPOOL_DIR="/proc/no-spool-here"
        ) as services:
            status = await circles.click(services, ADDRESS)
        await server.end()

    assert status == 200
    assert promised(
        order(report, asked=r"\r\n$4\r\nEVAL\r\n", answered=r'"$13\r\n', file="/appendonly.aof.")
    )
