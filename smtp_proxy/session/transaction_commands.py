"""MAIL, RCPT, DATA and RSET: a transaction begins, gets its recipients and its content, and is
handed on or given up.

Serves RFC 5321 4.1.1.2 to 4.1.1.5 and RFC 2033 4.2 (LMTP: one reply for each accepted recipient).
What must hold:

1. Nobody relays without authentication over TLS or a trusted network.
2. Once the content is complete, its fate no longer depends on the connection: it is handed on,
   whether the answer is heard or not. Before that, nothing of it is handed on.
3. An error of ours is 451 with a general text, and is logged with all it has to say.
4. When it is in doubt where the content ends, the session ends: the rest must never be read as
   commands.
"""

import asyncio
from collections.abc import Sequence

from app.core.errors import SignoffError
from app.observe.log import LogEvent
from smtp_proxy import replies
from smtp_proxy.replies import Answer, Reply
from smtp_proxy.session.content import Content
from smtp_proxy.session.delivery_options import NOTHING_ASKED
from smtp_proxy.session.line_protocol import Farewell, Waiting
from smtp_proxy.session.memory import SMALL, Reservation
from smtp_proxy.session.state import SessionState
from smtp_proxy.session.submission import Envelope, Submission, read_mail, read_rcpt

_BLOCK = 1024  # octets of content that count as progress: one octet every half minute does not


def mail(state: SessionState, argument: bytes) -> Reply:
    """Obey MAIL: open a transaction, when a message of the declared size may be taken now."""
    if not state.may_relay():
        return replies.RELAY_DENIED
    if not state.helo:
        return replies.HELLO_FIRST
    if state.submission is not None:
        return replies.MAIL_AGAIN
    submission = read_mail(argument, extended=state.extended, offers=state.offers)
    if isinstance(submission, Reply):
        return submission
    if submission.size > state.config.limits.max_message_bytes:
        return replies.MESSAGE_TOO_LARGE
    kept = state.rules.kept(submission.size)
    if kept and not state.listener.memory.has_room(state.holder() if kept > SMALL else "", kept):
        return replies.OUT_OF_MEMORY
    state.submission = submission
    return replies.SENDER_OK


def rcpt(state: SessionState, argument: bytes) -> Reply:
    """Obey RCPT: add a recipient, when the listener's policy lets it in and there is room."""
    if not state.may_relay():
        return replies.RELAY_DENIED
    if state.submission is None:
        return replies.MAIL_FIRST
    config = state.config
    found = read_rcpt(argument, smtputf8=state.submission.smtputf8, dsn=state.offers.dsn)
    if found is replies.RECIPIENT_WITHOUT_DOMAIN and config.postmaster:
        found = config.postmaster, NOTHING_ASKED
    if isinstance(found, Reply):
        return found
    recipient, options = found
    if config.recipient_policy and (refusal := config.recipient_policy(recipient, state.peer)):
        return refusal
    limit = 1 if config.one_recipient else config.limits.max_recipients
    is_in = state.submission.add(recipient, limit=limit, options=options)
    return replies.RECIPIENT_OK if is_in else replies.TOO_MANY_RECIPIENTS


def data(state: SessionState, argument: bytes) -> Reply | Waiting[Reply | None]:
    """Obey DATA: read the content and hand the message on."""
    if not state.may_relay():
        return replies.RELAY_DENIED
    if state.submission is None:
        return replies.MAIL_FIRST
    if argument:
        return replies.NO_ARGUMENT_ALLOWED
    if not state.submission.recipients:
        return replies.NO_RECIPIENTS_LMTP if state.config.lmtp else replies.NO_RECIPIENTS
    return _receive(state, state.submission, Reservation(state.listener.memory, state.holder))


def rset(state: SessionState, argument: bytes) -> Reply:
    """Obey RSET: give the transaction up."""
    if argument:
        return replies.NO_ARGUMENT_ALLOWED
    state.end_transaction()
    return replies.OK


def _receive(state: SessionState, submission: Submission, memory: Reservation) -> Waiting[Reply]:
    """Read the content and hand the message on. From then on the memory belongs to the task that
    does so.
    """
    try:
        content, refusal = yield from _read_content(state, memory)
    except Exception as error:
        memory.release()
        if not isinstance(error, Farewell):
            state.log_error(error)
        # The rest of the content is still to come, and must never be read as commands.
        raise Farewell(
            error.reply if isinstance(error, Farewell) else replies.LOCAL_ERROR
        ) from error
    except GeneratorExit:  # the client has left
        memory.release()
        raise
    forwarded = tuple(state.forwarded.items())
    state.end_transaction()
    if refusal is not None:
        return _refuse(state, refusal, submission)
    envelope = Envelope(
        id=state.config.new_id(),
        sender=submission.sender,
        recipients=submission.recipients,
        body_8bit=submission.body_8bit,
        smtputf8=submission.smtputf8,
        client=state.client(smtputf8=submission.smtputf8),
        forwarded=forwarded,
        options=submission.options,
        recipient_options=submission.recipient_options,
        each=state.config.lmtp,
        listens=state.line.listens,
    )
    answer = yield from state.line.until(_hand_on(state, envelope, content, memory))
    return _tell(state, answer, submission)


def _refuse(state: SessionState, refusal: Reply, submission: Submission) -> Reply:
    state.config.log.info(LogEvent.MESSAGE_REFUSED, peer=state.peer, reply=str(refusal))
    last = _tell(state, refusal, submission)
    # rule 4: the client may have seen its message end elsewhere
    if refusal is replies.CONTENT_MALFORMED:
        state.line.say(last)
        raise Farewell(replies.END_IN_DOUBT)
    return last


def _tell(state: SessionState, answer: Answer, submission: Submission) -> Reply:
    """Put all replies to a message in line but the last, and return that."""
    *others, last = _replies(state, answer, submission)
    for reply in others:
        state.line.say(reply)
    return last


def _replies(state: SessionState, answer: Answer, submission: Submission) -> Sequence[Reply]:
    """Return what is said to a message: by SMTP one reply, however many recipients there are."""
    if state.config.lmtp:
        return submission.each_reply(answer)
    return (answer,) if isinstance(answer, Reply) else answer


def _read_content(
    state: SessionState, memory: Reservation
) -> Waiting[tuple[bytearray, Reply | None]]:
    line, limits = state.line, state.config.limits
    line.say_raw(b"354 End data with <CR><LF>.<CR><LF>\r\n")
    content = Content(line.lines.buffer, state.rules, memory)
    # not yet begun: the wait for DATA may have used up the time of this wait
    next_block = content.size
    start = line.now()
    end = start + limits.session_seconds
    while not content.advance():
        if content.size >= next_block:
            next_block = content.size + _BLOCK
            pace = (
                start + limits.data_seconds + max(content.size, 0) / limits.least_octets_per_second
            )
            line.renew(min(limits.data_seconds, min(end, pace) - line.now()))
        yield None
    message, rest = content.finish()
    line.lines.buffer = rest
    return message, content.refusal


async def _hand_on(
    state: SessionState, envelope: Envelope, content: bytearray, memory: Reservation
) -> Answer:
    """Return the handler's answer, within the time that the client waits for it."""
    config, peer = state.config, state.peer
    try:
        async with asyncio.timeout(config.limits.answer_seconds):
            return await config.handler(envelope, content)
    except SignoffError as error:
        reply = replies.for_error(error)
        config.log.warning(
            LogEvent.MESSAGE_REFUSED,
            id=envelope.id,
            peer=peer,
            error=error.code,
            reply=str(reply),
            detail=str(error),
        )
        return reply
    except TimeoutError:
        config.log.error(
            LogEvent.MESSAGE_REFUSED, id=envelope.id, peer=peer, reply=str(replies.TOO_LATE)
        )
        return replies.TOO_LATE
    except Exception as error:
        config.log.exception(LogEvent.UNEXPECTED_ERROR, id=envelope.id, peer=peer)
        return replies.for_error(error)
    finally:
        memory.release()
