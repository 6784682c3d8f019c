"""One relay process as the operator sees it: how it stops, how it reads its configuration again,
and that it answers in time.
"""

import asyncio
import signal
from pathlib import Path

import dkim

from app.settings.first_run import new_dkim_key
from smtp_proxy.relay.sign import SigningKey
from tests.support.dkim_keys import dns_record
from tests.support.relay import PROMOTIONAL
from tests.support.relay_process import relay_process
from tests.support.sink import Say, Silence, Sink
from tests.support.upstream import connected

END = b".\r\n"


async def promotional(port: int) -> str:
    async with connected(port) as upstream:
        return await upstream.mail(PROMOTIONAL + END, sender="bounce@acme.example")


async def greeting(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    line = await reader.readline()
    writer.close()
    return line.decode()


async def test_a_stop_finishes_what_is_in_flight_and_takes_nothing_new(tmp_path: Path) -> None:
    """Catalogue X18, X13, E19: one mail under way in DATA, one waiting for the downstream, one
    client idle, one client new.
    """
    async with Sink() as sink, relay_process(tmp_path, sink) as relay:
        port = await relay.port()
        async with (
            connected(port) as handed_on,
            connected(port) as sending,
            connected(port) as idle,
        ):
            sink.may_read.clear()
            await handed_on.begin(sender="bounce@acme.example")
            await handed_on.send(PROMOTIONAL + END)
            await sink.reached("DATA")
            await sending.begin(sender="bounce@acme.example")
            await sending.send(PROMOTIONAL[:100])
            relay.send(signal.SIGTERM)
            farewell = await idle.reply()
            new = await greeting(port)
            sink.may_read.set()
            await sending.send(PROMOTIONAL[100:] + END)
            answers = [await handed_on.reply(), await sending.reply()]
            ends = [await handed_on.reply(), await sending.reply()]
        code = await relay.ended()

    assert [answer[:9] for answer in answers] == ["250 2.0.0"] * 2
    assert [end[:9] for end in (*ends, farewell, new)] == ["421 4.3.2"] * 4
    assert code == 0
    assert len(sink.received) == 2


async def test_a_stop_has_an_end_though_the_downstream_never_answers(tmp_path: Path) -> None:
    """Catalogue X12: the copy's own deadline ends it within the grace."""
    async with Sink() as sink, relay_process(tmp_path, sink, RELAY__DOWNSTREAM_SECONDS=2) as relay:
        sink.always("DOT", Silence())
        async with connected(await relay.port()) as upstream:
            await upstream.begin(sender="bounce@acme.example")
            await upstream.send(PROMOTIONAL + END)
            await sink.reached("DOT")
            relay.send(signal.SIGTERM)
            answer = await upstream.reply()
        code = await relay.ended()

    assert answer.startswith("451 4.4.2")
    assert code == 0


async def test_a_downstream_that_sleeps_is_answered_for_before_the_client_gives_up(
    tmp_path: Path,
) -> None:
    """Catalogue X12."""
    async with Sink() as sink, relay_process(tmp_path, sink, RELAY__DOWNSTREAM_SECONDS=1) as relay:
        sink.on("DOT", Silence())
        port = await relay.port()
        first, second = await promotional(port), await promotional(port)

    assert first.startswith("451 4.4.2")
    assert second.startswith("250 2.0.0")


def settings_with(folder: Path, *selectors: str) -> None:
    """Write a configuration whose brand signs with these selectors' keys."""
    keys = "".join(
        f'[[brands.acme.dkim]]\ndomain = "acme.example"\nselector = "{selector}"\nkey_file ='
        f' "{folder}/{selector}.pem"\n'
        for selector in selectors
    )
    (folder / "signoff.toml").write_text(
        f'[brands.acme]\nsender_domains = ["acme.example"]\n{keys}'
    )


def selectors_of(copy: bytes) -> list[str]:
    return [
        tag.decode()
        for line in copy.split(b"DKIM-Signature:")[1:]
        for tag in [line.partition(b" s=")[2].partition(b";")[0]]
    ]


def verifies(copy: bytes, keys: dict[str, SigningKey]) -> bool:
    def dns(name: bytes, timeout: int = 5) -> bytes:
        return dns_record(keys[name.decode().partition(".")[0]]).encode()

    result: bool = dkim.verify(copy, dnsfunc=dns)
    return result


async def test_a_new_selector_signs_without_a_restart_and_the_old_one_still_verifies(
    tmp_path: Path,
) -> None:
    """Catalogue D19."""
    keys = {}
    for selector in ("old", "new"):
        (tmp_path / f"{selector}.pem").write_bytes(new_dkim_key())
        keys[selector] = SigningKey.from_pem((tmp_path / f"{selector}.pem").read_bytes())
    settings_with(tmp_path, "old")

    async with Sink() as sink, relay_process(tmp_path, sink) as relay:
        port = await relay.port()
        async with connected(port) as lasting:
            await lasting.mail(PROMOTIONAL + END, sender="bounce@acme.example")
            settings_with(tmp_path, "new")
            relay.send(signal.SIGHUP)
            await relay.told("configuration_reloaded")
            await promotional(port)
            await lasting.mail(PROMOTIONAL + END, sender="bounce@acme.example")

        copies = [received.content for received in sink.received]
    # a session keeps what it began with
    assert [selectors_of(copy) for copy in copies] == [["old"], ["new"], ["old"]]
    assert all(verifies(copy, keys) for copy in copies)


async def test_a_configuration_that_cannot_be_used_changes_nothing_and_is_told_whole(
    tmp_path: Path,
) -> None:
    """Catalogue D19."""
    (tmp_path / "s1.pem").write_bytes(new_dkim_key())
    settings_with(tmp_path, "s1")

    async with Sink() as sink, relay_process(tmp_path, sink) as relay:
        port = await relay.port()
        (tmp_path / "junk.pem").write_text("junk")
        settings_with(tmp_path, "junk")
        with (tmp_path / "signoff.toml").open("a") as file:
            file.write('[relay]\nmax_recipients = "many"\nno_such_key = 1\n')
        relay.send(signal.SIGHUP)
        syntax = await relay.told("configuration_refused")
        settings_with(tmp_path, "junk")
        relay.send(signal.SIGHUP)
        key = await relay.told("configuration_refused", 2)
        answer = await promotional(port)
        settings_with(tmp_path, "s1")
        with (tmp_path / "signoff.toml").open("a") as file:
            file.write("[relay]\nmax_recipients = 2\nmax_in_flight_bytes = 30000000\n")
        relay.send(signal.SIGHUP)
        await relay.told("configuration_reloaded")
        capped = await recipients(port)

    assert [problem.partition(":")[0] for problem in problems(syntax)] == [
        "relay.max_recipients",
        "relay.no_such_key",
    ]
    assert [problem.partition(":")[0] for problem in problems(key)] == [
        "brands.acme.dkim.0.key_file"
    ]
    assert answer.startswith("250 2.0.0")
    assert capped == ["250", "250", "452"]
    assert [record["problem"] for record in relay.logged("configuration_warning")][-1:] == [
        "relay.max_in_flight_bytes: the change needs a restart"
    ]


def problems(record: dict[str, object]) -> list[str]:
    found = record["problems"]
    assert isinstance(found, list)
    return found


async def recipients(port: int) -> list[str]:
    async with connected(port) as upstream:
        await upstream.say("MAIL FROM:<bounce@acme.example>")
        return [(await upstream.say(f"RCPT TO:<{name}@example.net>"))[:3] for name in "abc"]


async def offered(port: int) -> set[str]:
    async with connected(port, hello="") as upstream:
        return {
            line[4:].partition(" ")[0].strip()
            for line in (await upstream.say("EHLO client.example")).splitlines()
        }


async def test_a_downstream_that_was_not_seen_yet_costs_no_mail_that_needs_its_extensions(
    tmp_path: Path,
) -> None:
    """RFC 6531, RFC 6152, RFC 3461: what is not known is offered, and the mail waits at its
    sender's.
    """
    async with Sink() as sink, relay_process(tmp_path, sink) as relay:
        sink.always("CONNECT", Say(b"421 4.3.2 not yet, sorry\r\n", close=True))
        port = await relay.port()
        before = await offered(port)
        async with connected(port) as upstream:
            sender = await upstream.say(
                "MAIL FROM:<bounce@acme.example> BODY=8BITMIME SMTPUTF8 RET=HDRS"
            )
            recipient = await upstream.say("RCPT TO:<jörg@example.net> NOTIFY=NEVER")
            await upstream.say("DATA")
            await upstream.send(PROMOTIONAL + END)
            answer = await upstream.reply()
        failure = relay.logged("downstream_failed")[-1]
        sink.always("CONNECT", Say(b"220 sink.example\r\n"))
        seen = await relay.becomes(lambda: b"EHLO" in {line[:4] for line in sink.commands})
        after = await offered(port)
        while "DSN" in after:
            after = await offered(port)

    assert {"8BITMIME", "SMTPUTF8", "DSN"} <= before
    assert [sender[:3], recipient[:3]] == ["250", "250"]
    assert answer == "451 4.4.1 Downstream declined a session: 421 4.3.2 not yet, sorry"
    assert failure["detail"] == "answered 421 4.3.2 not yet, sorry"
    assert seen
    assert {"8BITMIME", "SMTPUTF8"} <= after  # the sink has both, and no DSN
