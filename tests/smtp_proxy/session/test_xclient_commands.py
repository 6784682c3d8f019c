"""XCLIENT and XFORWARD, without a socket. The attributes' grammar is tested in
tests/smtp_proxy/test_xclient.py.
"""

from ipaddress import ip_network

import pytest

from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.commands import Command
from smtp_proxy.session.hello import ehlo
from smtp_proxy.session.limits import Limits
from smtp_proxy.session.line_protocol import Farewell
from smtp_proxy.session.state import SessionState
from smtp_proxy.session.transaction_commands import mail, rset
from smtp_proxy.session.xclient import xclient, xforward
from tests.support.commands import obey, session_state
from tests.support.upstream import LOOPBACK


async def proxied(**config: object) -> SessionState:
    """A listed proxy that has said EHLO."""
    state = session_state(xclient_networks=LOOPBACK, **config)
    await obey(state, ehlo, b"proxy.example")
    return state


async def test_the_session_goes_on_as_that_of_the_stated_client() -> None:
    state = await proxied()

    lines = await obey(
        state,
        xclient,
        b"ADDR=203.0.113.9 NAME=mail.example HELO=client.example PROTO=ESMTP LOGIN=news",
    )

    assert ["220 relay.example ESMTP"] == lines
    assert ("203.0.113.9", "mail.example", "client.example", True) == (
        state.peer,
        state.peer_name,
        state.helo,
        state.extended,
    )
    assert (False, None, True) == (state.trusted, state.account, state.speaks_for_others)


async def test_a_stated_client_in_a_trusted_network_is_trusted() -> None:
    state = await proxied(trusted_networks=(ip_network("203.0.113.0/24"),))
    assert not state.may_relay()

    await obey(state, xclient, b"ADDR=203.0.113.9")

    assert state.may_relay()


async def test_an_unknown_client_is_trusted_nowhere() -> None:
    state = await proxied(trusted_networks=(ip_network("0.0.0.0/0"), ip_network("::/0")))

    await obey(state, xclient, b"ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL]")

    assert ("", "", False) == (state.peer, state.peer_name, state.trusted)


async def test_the_stated_client_counts_against_its_own_bound() -> None:
    state = await proxied(limits=Limits(max_connections_per_address=1))
    state.listener.connections.enter("203.0.113.9")

    with pytest.raises(Farewell) as end:
        await obey(state, xclient, b"ADDR=203.0.113.9")

    assert replies.TOO_MANY_FROM_ADDRESS is end.value.reply


async def test_what_the_next_server_shall_hear_is_kept_for_one_transaction() -> None:
    state = await proxied()

    assert [str(replies.OK)] == await obey(state, xforward, b"ADDR=203.0.113.9 NAME=[UNAVAILABLE]")
    assert [str(replies.OK)] == await obey(state, xforward, b"HELO=client.example")
    assert {
        b"ADDR": b"203.0.113.9",
        b"NAME": b"[UNAVAILABLE]",
        b"HELO": b"client.example",
    } == state.forwarded

    await obey(state, rset)
    assert {} == state.forwarded


@pytest.mark.parametrize("command", [xclient, xforward])
async def test_nobody_else_is_heard(command: Command) -> None:
    state = session_state()

    assert [str(replies.MAY_NOT_SPEAK_FOR_OTHERS)] == await obey(
        state, command, b"ADDR=203.0.113.9"
    )
    assert "127.0.0.1" == state.peer


@pytest.mark.parametrize("command", [xclient, xforward])
async def test_it_comes_outside_of_transactions(command: Command) -> None:
    state = await proxied()
    await obey(state, mail, b"FROM:<a@acme.example>")

    assert [str(replies.MAIL_AGAIN)] == await obey(state, command, b"ADDR=203.0.113.9")


@pytest.mark.parametrize("command", [xclient, xforward])
@pytest.mark.parametrize(
    ("argument", "reply"),
    [
        (b"", replies.ATTRIBUTE_UNKNOWN),
        (b"ADDR", replies.ATTRIBUTE_UNKNOWN),
        (b"COLOUR=red", replies.ATTRIBUTE_UNKNOWN),
        (b"ADDR=nowhere", replies.ATTRIBUTE_MALFORMED),
    ],
)
async def test_what_is_no_attribute_changes_nothing(
    command: Command, argument: bytes, reply: Reply
) -> None:
    state = await proxied()

    assert [str(reply)] == await obey(state, command, argument)
    assert ("127.0.0.1", "proxy.example", {}) == (state.peer, state.helo, state.forwarded)
