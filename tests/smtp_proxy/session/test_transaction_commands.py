"""MAIL, RCPT and RSET, without a socket. The grammar of paths and parameters is tested in
tests/smtp_proxy/test_submission.py.
"""

import pytest

from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.commands import Command
from smtp_proxy.session.hello import ehlo
from smtp_proxy.session.limits import Limits
from smtp_proxy.session.memory import MemoryBudget
from smtp_proxy.session.state import SessionState
from smtp_proxy.session.transaction_commands import data, mail, rcpt, rset
from tests.support.commands import obey, session_state


async def greeted(**config: object) -> SessionState:
    state = session_state(**config)
    await obey(state, ehlo, b"client.example")
    return state


async def opened(**config: object) -> SessionState:
    """A session with an open transaction."""
    state = await greeted(**config)
    await obey(state, mail, b"FROM:<a@acme.example>")
    return state


async def test_mail_opens_a_transaction() -> None:
    state = await greeted()

    assert [str(replies.SENDER_OK)] == await obey(
        state, mail, b"FROM:<a@acme.example> SIZE=1000 BODY=8BITMIME"
    )
    assert state.submission is not None
    assert ("a@acme.example", 1000, True) == (
        state.submission.sender,
        state.submission.size,
        state.submission.body_8bit,
    )


async def test_the_null_sender_opens_one_too() -> None:
    state = await greeted()

    assert [str(replies.SENDER_OK)] == await obey(state, mail, b"FROM:<>")


async def test_mail_needs_a_hello_and_comes_once() -> None:
    state = session_state()
    assert [str(replies.HELLO_FIRST)] == await obey(state, mail, b"FROM:<a@acme.example>")

    state = await opened()
    assert [str(replies.MAIL_AGAIN)] == await obey(state, mail, b"FROM:<b@acme.example>")
    assert state.submission is not None
    assert "a@acme.example" == state.submission.sender


@pytest.mark.parametrize(
    ("argument", "reply"),
    [
        (b"", replies.SENDER_MALFORMED),
        (b"TO:<a@acme.example>", replies.SENDER_MALFORMED),
        (b"FROM:<a@acme..example>", replies.SENDER_MALFORMED),
        (b"FROM:<a@acme.example> SIZE=much", replies.PARAMETER_MALFORMED),
        (b"FROM:<a@acme.example> COLOUR=red", replies.PARAMETER_UNSUPPORTED),
        (b"FROM:<a@acme.example> SIZE=99999999999", replies.MESSAGE_TOO_LARGE),
    ],
)
async def test_a_bad_mail_opens_nothing(argument: bytes, reply: Reply) -> None:
    state = await greeted()

    assert [str(reply)] == await obey(state, mail, argument)
    assert state.submission is None


async def test_a_declared_size_that_does_not_fit_now_is_put_off() -> None:
    state = await greeted()
    state.listener.memory = MemoryBudget(999)

    assert [str(replies.OUT_OF_MEMORY)] == await obey(
        state, mail, b"FROM:<a@acme.example> SIZE=1000"
    )
    assert [str(replies.SENDER_OK)] == await obey(state, mail, b"FROM:<a@acme.example> SIZE=999")


@pytest.mark.parametrize(
    ("command", "argument"),
    [(mail, b"FROM:<a@acme.example>"), (rcpt, b"TO:<b@x.example>"), (data, b"")],
)
async def test_a_stranger_may_not_send(command: Command, argument: bytes) -> None:
    state = await greeted(trusted_networks=())

    assert [str(replies.RELAY_DENIED)] == await obey(state, command, argument)


async def test_rcpt_adds_a_recipient_once() -> None:
    state = await opened()

    for argument in (b"TO:<b@x.example>", b"TO:<b@X.EXAMPLE>", b"TO:<c@x.example>"):
        assert [str(replies.RECIPIENT_OK)] == await obey(state, rcpt, argument)

    assert state.submission is not None
    assert ("b@x.example", "c@x.example") == state.submission.recipients


async def test_rcpt_needs_a_mail() -> None:
    state = await greeted()

    assert [str(replies.MAIL_FIRST)] == await obey(state, rcpt, b"TO:<b@x.example>")


@pytest.mark.parametrize(
    ("argument", "reply"),
    [
        (b"", replies.RECIPIENT_MALFORMED),
        (b"TO:<>", replies.RECIPIENT_MALFORMED),
        (b"TO:<b>", replies.RECIPIENT_MALFORMED),
        (b"TO:<postmaster>", replies.RECIPIENT_WITHOUT_DOMAIN),
        (b"TO:<b@x.example> NOTIFY=NEVER", replies.PARAMETER_UNSUPPORTED),
        ("TO:<é@x.example>".encode(), replies.ADDRESS_NEEDS_SMTPUTF8),
    ],
)
async def test_a_bad_recipient_is_not_added(argument: bytes, reply: Reply) -> None:
    state = await opened()

    assert [str(reply)] == await obey(state, rcpt, argument)
    assert state.submission is not None
    assert () == state.submission.recipients


async def test_a_bare_postmaster_is_the_address_that_stands_behind_it() -> None:
    """RFC 5321 4.5.1."""
    state = await opened(postmaster="ops@relay.example")

    assert [str(replies.RECIPIENT_OK)] == await obey(state, rcpt, b"TO:<Postmaster>")
    assert state.submission is not None
    assert ("ops@relay.example",) == state.submission.recipients


async def test_the_policy_of_the_listener_decides_with_the_clients_address() -> None:
    def policy(recipient: str, peer: str) -> Reply | None:
        return (
            None if (recipient, peer) == ("b@x.example", "127.0.0.1") else replies.NO_SUCH_MAILBOX
        )

    state = await opened(recipient_policy=policy)

    assert [str(replies.RECIPIENT_OK)] == await obey(state, rcpt, b"TO:<b@x.example>")
    assert [str(replies.NO_SUCH_MAILBOX)] == await obey(state, rcpt, b"TO:<c@x.example>")


@pytest.mark.parametrize(
    "config", [{"limits": Limits(max_recipients=1)}, {"one_recipient": True}], ids=["bound", "one"]
)
async def test_recipients_beyond_the_bound_come_in_another_transaction(
    config: dict[str, object],
) -> None:
    state = await opened(**config)
    await obey(state, rcpt, b"TO:<b@x.example>")

    assert [str(replies.TOO_MANY_RECIPIENTS)] == await obey(state, rcpt, b"TO:<c@x.example>")
    assert [str(replies.RECIPIENT_OK)] == await obey(state, rcpt, b"TO:<b@x.example>")


async def test_rset_gives_the_transaction_up_and_keeps_the_client() -> None:
    state = await opened()

    assert [str(replies.OK)] == await obey(state, rset)
    assert (None, "client.example") == (state.submission, state.helo)
    assert [str(replies.OK)] == await obey(state, rset)


async def test_rset_takes_no_argument() -> None:
    state = await opened()

    assert [str(replies.NO_ARGUMENT_ALLOWED)] == await obey(state, rset, b"now")
    assert state.submission is not None
