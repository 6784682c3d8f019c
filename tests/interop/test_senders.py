"""Programs that send, as docs/applications.md writes them: the page's own code runs, and what
arrives is stamped and signed.
"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import dkim
import pytest

from tests.support.dkim_keys import dns
from tests.support.guides import block
from tests.support.relay import relaying, url_of

pytestmark = pytest.mark.interop

GUIDE = "applications.md"
NODE_MODULES = Path(__file__).resolve().parents[2] / "var/interop/nodemailer/node_modules"


def code(title: str, kind: str, *, written: str, port: int) -> str:
    lines = block(GUIDE, title, kind)
    assert written in lines
    return lines.replace(written, written.replace("2525", str(port)))


async def run(*command: str) -> str:
    """Run a program and return what it printed."""
    environment = os.environ | {"NODE_PATH": str(NODE_MODULES)}
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_stamped(copy: bytes, relay_url: str) -> None:
    assert copy.count(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n") == 1
    assert relay_url.encode() not in copy.partition(b"\r\n\r\n")[2], (
        "the body's link shows a page; the header's is for the provider"
    )
    assert copy.count(b"*|UNSUBSCRIBE|*") == 0
    assert b"X-Signoff-" not in copy
    assert dkim.verify(copy[copy.index(b"DKIM-Signature:") :], dnsfunc=dns)


async def test_the_guides_smtplib_program_sends_a_stamped_mail(tmp_path: Path) -> None:
    """Catalogue H1, D1, X11."""
    async with relaying() as relay:
        program = tmp_path / "program.py"
        program.write_text(
            code("Python, smtplib", "python", written='"127.0.0.1", 2525', port=relay.port)
        )
        printed = await run(sys.executable, str(program))

    (received,) = relay.sink.received
    assert printed == "refused: {}\n"
    assert_stamped(received.content, url_of(received.content))
    assert relay.claims(received.content).address == "ann@example.net"


async def test_the_guides_nodemailer_program_sends_a_stamped_mail(tmp_path: Path) -> None:
    """Catalogue H1, D1, X11."""
    assert NODE_MODULES.exists(), "Nodemailer is missing: sh .ci/nodemailer"
    async with relaying() as relay:
        program = tmp_path / "program.js"
        program.write_text(
            code("Node.js, Nodemailer", "javascript", written="port: 2525", port=relay.port)
        )
        printed = await run("node", str(program))

    (received,) = relay.sink.received
    assert printed.startswith("[ 'ann@example.net' ] 250 2.0.0 ")
    assert_stamped(received.content, url_of(received.content))
    assert relay.claims(received.content).address == "ann@example.net"
