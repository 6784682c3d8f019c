"""MAIL, RCPT and RSET: a transaction begins, gets its recipients, or is given up.

Serves RFC 5321 4.1.1.2, 4.1.1.3 and 4.1.1.5. Nobody relays without authentication over TLS or a
trusted network.
"""

from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.delivery_options import NOTHING_ASKED
from smtp_proxy.session.memory import SMALL
from smtp_proxy.session.state import SessionState
from smtp_proxy.session.submission import read_mail, read_rcpt


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
    is_in = state.submission.add(recipient, limit=config.max_recipients, options=options)
    return replies.RECIPIENT_OK if is_in else replies.TOO_MANY_RECIPIENTS


def rset(state: SessionState, argument: bytes) -> Reply:
    """Obey RSET: give the transaction up."""
    if argument:
        return replies.NO_ARGUMENT_ALLOWED
    state.end_transaction()
    return replies.OK
