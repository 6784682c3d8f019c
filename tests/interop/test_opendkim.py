"""OpenDKIM, an implementation that shares nothing with ours, judges what left the relay."""

import re
import subprocess
from pathlib import Path

import pytest

from app.core.mail.canonical import BodyMode
from tests.support.corpus import NAMED
from tests.support.dkim_keys import RSA_KEY, dkim_key, dns_record
from tests.support.relay import relaying

pytestmark = pytest.mark.interop


PASS = "verification (s=s1, d=acme.example, 2048-bit key) succeeded"
FAIL = "failed: signature verification failed"


def verdict(copy: bytes, folder: Path) -> str:
    """Return what opendkim says of a mail, with the key from a file instead of the DNS."""
    (folder / "dns").write_text(f"s1._domainkey.acme.example {dns_record(RSA_KEY)}\n")
    (folder / "conf").write_text(f"Mode v\nTestDNSData file:{folder}/dns\nSyslog no\n")
    (folder / "copy.eml").write_bytes(copy)
    done = subprocess.run(
        ["/usr/sbin/opendkim", "-x", folder / "conf", "-t", folder / "copy.eml"],
        capture_output=True,
        check=True,
        timeout=20,
    )
    return (done.stdout + done.stderr).decode(errors="replace")


def promotional(mail: bytes) -> bytes:
    return b"X-Signoff-Class: promotional\r\n" + re.sub(
        rb"(?im)^X-Signoff-[^\r]*(?:\r\n[ \t][^\r]*)*\r\n", b"", mail
    )


@pytest.mark.parametrize("mode", list(BodyMode))
async def test_opendkim_verifies_every_sample_that_left_the_relay(
    mode: BodyMode, tmp_path: Path
) -> None:
    """Catalogue D1, D5, D11: a second, independent verifier."""
    async with relaying(keys=(dkim_key(mode=mode),)) as relay:
        replies = {name: await relay.relayed(promotional(mail)) for name, mail in NAMED.items()}

    verdicts = [verdict(received.content, tmp_path) for received in relay.sink.received]
    passed = [text for text in verdicts if PASS in text]
    assert (
        len(passed) == len(verdicts) == sum(reply.startswith("250 ") for reply in replies.values())
    )
    assert len(passed) >= 25


@pytest.mark.parametrize(
    "field",
    [
        b"List-Unsubscribe: <https://evil.example/>",
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        b"Cc: e@evil.example",
    ],
)
async def test_opendkim_notices_a_field_that_was_put_on_top(field: bytes, tmp_path: Path) -> None:
    """Catalogue D2."""
    async with relaying() as relay:
        await relay.relayed(promotional(NAMED["newsletter"]))

    assert PASS in verdict(relay.sink.received[0].content, tmp_path)
    assert FAIL in verdict(field + b"\r\n" + relay.sink.received[0].content, tmp_path)
