"""One session over a connection in memory: every command has its one reply, and what ends the
dialogue.
"""

import pytest

from smtp_proxy import replies
from smtp_proxy.session.commands import (
    Command,
    commands_of,
    help_,
    noop,
    not_implemented,
    quit_,
    vrfy,
)
from smtp_proxy.session.config import ListenerState
from smtp_proxy.session.limits import Limits
from smtp_proxy.session.line_protocol import Farewell
from smtp_proxy.session.session import Session
from tests.support.commands import StoreConnection, obey, session_state
from tests.support.upstream import Recorder, config_for


def connected(**config: object) -> tuple[Session, StoreConnection]:
    session, wire = Session(ListenerState(config_for(Recorder(), **config))), StoreConnection()
    session.line.connection_made(wire)
    return session, wire


@pytest.mark.parametrize(
    ("command", "argument", "reply"),
    [
        (noop, b"whatever", replies.OK),
        (help_, b"MAIL", replies.HELP),
        (vrfy, b"somebody", replies.CANNOT_VERIFY),
        (not_implemented, b"", replies.COMMAND_NOT_IMPLEMENTED),
        (quit_, b"now", replies.NO_ARGUMENT_ALLOWED),
    ],
)
async def test_commands_that_change_nothing_are_obeyed_at_any_time(
    command: Command, argument: bytes, reply: replies.Reply
) -> None:
    state = session_state()

    assert [str(reply)] == await obey(state, command, argument)


async def test_quit_says_goodbye_and_closes_at_once() -> None:
    with pytest.raises(Farewell) as end:
        await obey(session_state(), quit_)

    assert (replies.GOODBYE, True) == (end.value.reply, end.value.at_once)


async def test_a_pipelined_group_gets_its_replies_in_order_and_in_one_write() -> None:
    """RFC 2920 3.1."""
    session, wire = connected()
    wire.written.clear()

    session.line.data_received(
        b"ehlo c.example\r\nMAIL FROM:<a@acme.example>\r\nRCPT TO:<b@x.example>\r\nWHAT\r\nQUIT\r\n"
    )

    codes = [line[:3] for line in wire.written.split(b"\r\n")[:-1] if line[3:4] == b" "]
    assert [b"250", b"250", b"250", b"500", b"221"] == codes
    assert wire.closed
    session.line.connection_lost(None)
    assert (0, set()) == (session.state.listener.connections.count, session.state.listener.sessions)


async def test_by_lmtp_the_dialogue_begins_with_lhlo() -> None:
    """RFC 2033 4.1."""
    session, wire = connected(lmtp=True)

    session.line.data_received(b"EHLO c.example\r\nLHLO c.example\r\n")

    greeting, refused, *hello, _ = bytes(wire.written).split(b"\r\n")
    assert (b"220 relay.example LMTP", str(replies.COMMAND_UNKNOWN).encode()) == (greeting, refused)
    assert b"250-relay.example" == hello[0]
    session.line.connection_lost(None)


async def test_a_connection_beyond_the_bound_hears_why_and_is_not_counted() -> None:
    session, wire = connected(limits=Limits(max_connections=0))

    session.line.data_received(b"EHLO c.example\r\n")

    assert (f"{replies.TOO_MANY_CONNECTIONS}\r\n".encode(), True) == (
        bytes(wire.written),
        wire.closed,
    )
    assert 0 == session.state.listener.connections.count


async def test_too_many_bad_commands_end_the_session() -> None:
    session, wire = connected(limits=Limits(max_bad_commands=1))

    session.line.data_received(b"WHAT\r\nWHAT\r\nNOOP\r\n")

    assert wire.written.endswith(
        f"{replies.COMMAND_UNKNOWN}\r\n{replies.TOO_MANY_BAD_COMMANDS}\r\n".encode()
    )
    session.line.connection_lost(None)


def test_both_protocols_know_every_command_of_the_extensions_that_are_offered() -> None:
    for word in (
        b"STARTTLS",
        b"AUTH",
        b"XCLIENT",
        b"XFORWARD",
        b"MAIL",
        b"RCPT",
        b"DATA",
        b"RSET",
        b"NOOP",
        b"QUIT",
        b"VRFY",
    ):
        assert commands_of(lmtp=False)[word] is commands_of(lmtp=True)[word]
