"""What `signoff doctor` says of other machines: it calls good only what it has tried."""

import asyncio
import json
import ssl
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from app.cli.doctor_network import all_tried, certificate_findings
from app.cli.findings import CheckVerdict, DoctorFinding
from app.settings.first_run import new_dkim_key
from tests.cli.test_doctor_and_health import FREE, signoff
from tests.support.ports import free_port
from tests.support.sink import Say, Sink

NOW = datetime(2026, 12, 1, tzinfo=UTC)


async def doctor(
    place: Path, *options: str, **settings: str
) -> tuple[int, Mapping[str, tuple[str, str]]]:
    """Run it, and return its exit code and for each check the verdict and detail; of several lines
    of a check the last.
    """
    code, out = await asyncio.to_thread(
        signoff, place, "doctor", "--no-dns", "--json", *options, **{**FREE, **settings}
    )
    assert out.startswith("["), out
    return code, {
        finding["check"]: (finding["verdict"], finding["detail"]) for finding in json.loads(out)
    }


async def test_a_downstream_that_answers_is_good_and_says_what_it_offers(tmp_path: Path) -> None:
    async with Sink(extensions=("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN")) as sink:
        _, found = await doctor(
            tmp_path, RELAY__DOWNSTREAM=f"smtp://127.0.0.1:{sink.port}?tls=none"
        )

        assert "good" == found["downstream"][0]
        assert "8BITMIME, DSN, PIPELINING, SMTPUTF8" in found["downstream"][1]
        assert [b"EHLO"] == [command[:4].upper() for command in sink.commands][:1]
        assert not sink.received


@pytest.mark.parametrize(
    ("stage", "said", "told"),
    [
        ("CONNECT", b"421 4.3.2 too busy \x1b[31m\r\n", r"421 4.3.2 too busy \x1b[31m"),
        ("EHLO", b"550 5.7.1 who are you\r\n", "550 5.7.1 who are you"),
        ("CONNECT", b"\xff\xfe what\r\n", ""),
    ],
)
async def test_a_downstream_that_declines_is_a_problem_in_its_own_words(
    tmp_path: Path, stage: str, said: bytes, told: str
) -> None:
    """Catalogue N37: whatever it says, the command ends with a report."""
    async with Sink() as sink:
        sink.always(stage, Say(said, close=True))

        code, found = await doctor(
            tmp_path, RELAY__DOWNSTREAM=f"smtp://127.0.0.1:{sink.port}?tls=none"
        )

    assert (1, "problem") == (code, found["downstream"][0])
    assert told in found["downstream"][1]


async def test_nothing_downstream_is_a_problem(tmp_path: Path) -> None:
    code, found = await doctor(tmp_path, RELAY__DOWNSTREAM=f"smtp://127.0.0.1:{free_port()}")

    assert (1, "problem") == (code, found["downstream"][0])
    assert "Connection refused" in found["downstream"][1]


@asynccontextmanager
async def web(answer: bytes, place: Path) -> AsyncIterator[int]:
    """Answer every request over TLS with these bytes; the certificate lies where development has
    its own.
    """
    authority = trustme.CA()
    (place / "var/tls").mkdir(parents=True, exist_ok=True)
    own = authority.issue_cert("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.configure_cert(context)
    chain = place / "chain.pem"
    chain.write_bytes(own.cert_chain_pems[0].bytes() + authority.cert_pem.bytes())
    key = place / "key.pem"
    key.write_bytes(own.private_key_pem.bytes())

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(answered, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("answer", "verdict", "told"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nUser-agent: *\nDisallow: /\n", "good", "answered by Signoff"),
        (b"HTTP/1.1 200 OK\r\n\r\nWelcome to nginx!", "problem", "another program"),
        (b"HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n", "problem", "no redirect"),
        (b"SSH-2.0-OpenSSH\r\n", "warning", "no HTTP"),
        (b"", "warning", "no HTTP"),
    ],
)
async def test_the_public_url_is_good_when_signoff_answers_there(
    tmp_path: Path, answer: bytes, verdict: str, told: str
) -> None:
    async with web(answer, tmp_path) as port:
        chain, key = str(tmp_path / "chain.pem"), str(tmp_path / "key.pem")
        place = {
            "WEB__TLS_LISTEN": f"127.0.0.1:{port}",
            "WEB__TLS_CERT_FILE": chain,
            "WEB__TLS_KEY_FILE": key,
        }
        _, found = await doctor(tmp_path, **place)

    assert verdict == found["public_url"][0], found["public_url"]
    assert told in found["public_url"][1]


@pytest.mark.parametrize(("is_there", "verdict"), [(True, "good"), (False, "problem")])
async def test_a_webhook_is_good_when_its_host_takes_connections_and_hears_nothing(
    tmp_path: Path, is_there: bool, verdict: str
) -> None:
    heard: list[bytes] = []

    async def receiver(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(receiver, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1] if is_there else free_port()
    (tmp_path / "s1.pem").write_bytes(new_dkim_key())
    (tmp_path / "secret").write_text("whsec_" + "QUJD" * 10)
    (tmp_path / "signoff.toml").write_text(
        '[brands.acme]\nsender_domains = ["acme.example"]\nwebhooks = [{ url ='
        f' "http://127.0.0.1:{port}/hidden-path", secret_file = "{tmp_path}/secret"'
        ' }]\n[[brands.acme.dkim]]\ndomain = "acme.example"\nselector = "s1"\nkey_file ='
        f' "{tmp_path}/s1.pem"\n'
    )
    async with server:
        _, found = await doctor(tmp_path)

    assert verdict == found["webhook of acme, standard"][0], found
    assert "hidden-path" not in str(found)
    assert not any(heard)


async def test_receivers_are_tried_side_by_side_and_none_hides_another() -> None:
    """Each trial waits for the others of its kind, so one after the other would never end."""
    met, arrived = asyncio.Event(), 0

    async def meeting(number: int) -> list[DoctorFinding]:
        nonlocal arrived
        arrived += 1
        if arrived == 3:
            met.set()
        await met.wait()
        if number == 1:
            raise ValueError("an answer of no known kind")
        return [DoctorFinding(f"webhook {number}", CheckVerdict.GOOD, "")]

    async with asyncio.timeout(60):
        found = await all_tried((f"webhook {number}", meeting(number)) for number in range(3))

    assert [("webhook 0", "good"), ("webhook 1", "problem"), ("webhook 2", "good")] == [
        (one.check, one.verdict) for one in found
    ]


async def test_a_port_that_another_program_holds_and_an_address_of_no_machine_are_told(
    tmp_path: Path,
) -> None:
    async with Sink() as sink:
        _, found = await doctor(
            tmp_path, RELAY__LISTEN=f"127.0.0.1:{sink.port}", INBOX__LISTEN="192.0.2.7:2526"
        )

    assert ("warning", "in use") == (
        found["relay.listen"][0],
        found["relay.listen"][1].split(": ")[1][:6],
    )
    assert ("problem", "no such address") == (
        found["inbox.listen"][0],
        found["inbox.listen"][1].partition("has ")[2],
    )


async def test_the_spool_is_good_only_when_it_takes_a_row(tmp_path: Path) -> None:
    """Catalogue N23, N30: a damaged file of a process that has ended is told, and so is a folder
    that takes nothing.
    """
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "spool-0.db").write_bytes(b"no database at all " * 400)

    _, damaged = await doctor(tmp_path, SPOOL_DIR=str(spool))
    (spool / "spool-0.db").unlink()
    _, good = await doctor(tmp_path, SPOOL_DIR=str(spool))

    assert ("problem", True) == (damaged["spool"][0], "spool-0.db" in damaged["spool"][1])
    assert ("good", True) == (good["spool"][0], "took a row" in good["spool"][1])
    assert [] == [path.name for path in spool.iterdir() if path.name.startswith("probe")]
    assert stat.S_ISDIR(spool.stat().st_mode)


@pytest.mark.parametrize(
    ("days", "verdicts"),
    [
        (90, []),
        (14, []),
        (13, [CheckVerdict.WARNING]),
        (1, [CheckVerdict.WARNING]),
        (0, [CheckVerdict.PROBLEM]),
        (-3, [CheckVerdict.PROBLEM]),
    ],
)
def test_the_end_of_a_certificate_is_told_two_weeks_before(
    days: int, verdicts: list[CheckVerdict]
) -> None:
    assert verdicts == [
        one.verdict for one in certificate_findings("x", NOW + timedelta(days=days), now=NOW)
    ]
