"""DATA, without a socket. The end of content and its bounds are tested in
tests/smtp_proxy/test_content.py.
"""

from collections.abc import Generator

import pytest

from app.core.errors import StoreUnavailable
from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.hello import ehlo
from smtp_proxy.session.limits import Limits
from smtp_proxy.session.line_protocol import Farewell
from smtp_proxy.session.memory import MemoryBudget
from smtp_proxy.session.state import SessionState
from smtp_proxy.session.submission import Client, Envelope
from smtp_proxy.session.transaction_commands import data, mail, rcpt
from tests.support.commands import obey, said, session_state
from tests.support.upstream import Recorder

GO_ON = "354 End data with <CR><LF>.<CR><LF>"
TWO = Reply(550, "5.1.1", "No such person")


async def with_recipients(
    handler: Recorder | None = None, *recipients: str, **config: object
) -> SessionState:
    """A session whose transaction has recipients: `b@x.example` unless said."""
    state = session_state(handler, **config)
    await obey(state, ehlo, b"client.example")
    await obey(state, mail, b"FROM:<a@acme.example>")
    for recipient in recipients or ("b@x.example",):
        await obey(state, rcpt, f"TO:<{recipient}>".encode())
    return state


async def test_the_message_is_handed_on_octet_for_octet() -> None:
    handler = Recorder()
    state = await with_recipients(handler, new_id=lambda: "id1")

    lines = await obey(state, data, then=b"Subject: x\r\n\r\n..dot\r\n.\r\nNOOP\r\n")

    assert [GO_ON, str(replies.ACCEPTED)] == lines
    assert [b"Subject: x\r\n\r\n.dot\r\n"] == handler.contents
    client = Client(address="127.0.0.1", helo="client.example", protocol="ESMTP", account=None)
    expected = Envelope(
        id="id1",
        sender="a@acme.example",
        recipients=("b@x.example",),
        body_8bit=False,
        smtputf8=False,
        client=client,
    )
    assert [expected] == handler.envelopes
    assert (None, b"NOOP\r\n") == (state.submission, bytes(state.line.lines.buffer))


async def test_by_lmtp_each_accepted_recipient_gets_its_reply() -> None:
    """RFC 2033 4.2."""

    async def answer(envelope: Envelope) -> tuple[Reply, ...]:
        return (replies.ACCEPTED, TWO)

    handler = Recorder(answer)
    state = await with_recipients(handler, "b@x.example", "c@x.example", "b@x.example", lmtp=True)

    lines = await obey(state, data, then=b"x\r\n.\r\n")

    assert [GO_ON, str(replies.ACCEPTED), str(TWO), str(replies.ACCEPTED)] == lines
    assert (True, "LMTP") == (handler.envelopes[0].each, handler.envelopes[0].client.protocol)


async def test_data_needs_a_mail_and_a_recipient() -> None:
    state = session_state()
    await obey(state, ehlo, b"client.example")
    assert [str(replies.MAIL_FIRST)] == await obey(state, data)

    await obey(state, mail, b"FROM:<a@acme.example>")
    assert [str(replies.NO_RECIPIENTS)] == await obey(state, data)


async def test_by_lmtp_data_without_recipients_is_out_of_order() -> None:
    """RFC 2033 4.2: 503."""
    state = session_state(lmtp=True)
    await obey(state, ehlo, b"client.example")
    await obey(state, mail, b"FROM:<a@acme.example>")

    assert [str(replies.NO_RECIPIENTS_LMTP)] == await obey(state, data)


async def test_data_takes_no_argument() -> None:
    state = await with_recipients()

    assert [str(replies.NO_ARGUMENT_ALLOWED)] == await obey(state, data, b"now")
    assert state.submission is not None


@pytest.mark.parametrize(
    ("error", "reply"),
    [(StoreUnavailable("x"), replies.LOCAL_ERROR), (KeyError("x"), replies.LOCAL_ERROR)],
)
async def test_an_error_of_the_handler_is_451_and_tells_nothing(
    error: Exception, reply: Reply
) -> None:
    async def fail(envelope: Envelope) -> Reply:
        raise error

    state = await with_recipients(Recorder(fail))

    assert [GO_ON, str(reply)] == await obey(state, data, then=b"x\r\n.\r\n")
    assert 0 == state.listener.memory.used


async def test_a_message_beyond_the_bound_is_read_to_its_end_and_refused() -> None:
    handler = Recorder()
    state = await with_recipients(handler, limits=Limits(max_message_bytes=10))

    assert [GO_ON, str(replies.MESSAGE_TOO_LARGE)] == await obey(
        state, data, then=b"x" * 20 + b"\r\n.\r\n"
    )
    assert ([], 0) == (handler.envelopes, state.listener.memory.used)


async def test_a_message_that_does_not_fit_now_is_put_off() -> None:
    state = await with_recipients()
    state.listener.memory = MemoryBudget(5)

    assert [GO_ON, str(replies.OUT_OF_MEMORY)] == await obey(state, data, then=b"longer\r\n.\r\n")


async def test_where_the_end_is_in_doubt_the_session_ends() -> None:
    handler = Recorder()
    state = await with_recipients(handler)

    with pytest.raises(Farewell) as end:
        await obey(state, data, then=b"x\n.\nMAIL FROM:<evil@x.example>\r\n.\r\n")

    assert ([GO_ON, str(replies.CONTENT_MALFORMED)], replies.END_IN_DOUBT) == (
        said(state),
        end.value.reply,
    )
    assert [] == handler.envelopes


async def test_a_client_that_leaves_within_its_content_leaves_no_memory_held() -> None:
    state = await with_recipients()
    state.line.lines.buffer += b"half a message\r\n"
    steps = data(state, b"")
    assert isinstance(steps, Generator)
    assert next(steps) is None
    assert state.listener.memory.used > 0

    steps.close()

    assert 0 == state.listener.memory.used
