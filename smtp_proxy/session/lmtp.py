"""One LMTP session (RFC 2033): like SMTP, but it begins with LHLO, and a message gets one reply for each recipient that was accepted.

So the upstream hears of each recipient by itself, and sends again only to those whom it must: nothing is combined (catalogue X1, X4).
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from smtp_proxy import replies
from smtp_proxy.replies import Answer, Reply
from smtp_proxy.session.session import Session, Verb
from smtp_proxy.session.submission import Submission


class LmtpSession(Session):
    """One client's connection to an LMTP listener."""

    _no_recipients = replies.NO_RECIPIENTS_LMTP

    def _replies(self, answer: Answer, submission: Submission) -> Sequence[Reply]:
        return submission.each_reply(answer)

    _VERBS: ClassVar[Mapping[bytes, Verb]] = MappingProxyType(
        {
            **Session._VERBS,
            b"LHLO": Session.ehlo_verb,
            b"HELO": lambda _session, _argument: replies.COMMAND_UNKNOWN,  # RFC 2033 4.1: must not be accepted
            b"EHLO": lambda _session, _argument: replies.COMMAND_UNKNOWN,
        }
    )
