"""Every reply line of the SMTP side, the error table, and how the outcomes of several copies become
one reply.

A reply always carries an enhanced status code (RFC 2034, RFC 3463), so ENHANCEDSTATUSCODES can be
offered (catalogue S13). Only the greeting, the answer to HELO and EHLO, and the intermediate 334
and 354 have none, as RFC 2034 section 4 wants it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

from app.core import errors
from app.core.visible import plain


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply. `text` is a single ASCII line; a downstream's longer reply is joined and
    cleaned before it gets here.
    """

    code: int
    enhanced: str
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}"


# to a message: one reply, or by LMTP one for each recipient of its envelope, in order
Answer = Reply | tuple[Reply, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The downstream took the copy."""

    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """We decided not to relay the copy; `reason` is a metric label."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """Nobody has the copy; trying again later can help."""

    reply: Reply
    # the downstream went away after the last byte, so it may have it all the same (catalogue X14)
    unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedCopy:
    """The copy will never be taken."""

    reply: Reply


Outcome = Delivered | Suppressed | Deferred | RefusedCopy

OK = Reply(250, "2.0.0", "OK")
SENDER_OK = Reply(250, "2.1.0", "Sender OK")
RECIPIENT_OK = Reply(250, "2.1.5", "Recipient OK")
ACCEPTED = Reply(250, "2.0.0", "Message accepted")
GOODBYE = Reply(221, "2.0.0", "Goodbye")
READY_FOR_TLS = Reply(220, "2.0.0", "Ready to start TLS")
AUTHENTICATED = Reply(235, "2.7.0", "Authenticated")
HELP = Reply(214, "2.0.0", "See RFC 5321")
CANNOT_VERIFY = Reply(252, "2.5.0", "Cannot verify, but will try to relay")

COMMAND_UNKNOWN = Reply(500, "5.5.1", "Command not recognised")
COMMAND_NOT_IMPLEMENTED = Reply(502, "5.5.1", "Command not implemented")
COMMAND_MALFORMED = Reply(
    500, "5.5.2", "A command is one line that ends with CR LF, without other control characters"
)
COMMAND_TOO_LONG = Reply(500, "5.5.2", "Command line too long")
NO_ARGUMENT_ALLOWED = Reply(501, "5.5.4", "This command takes no argument")
HELLO_NEEDS_NAME = Reply(501, "5.5.4", "A host name or address literal is needed")
HELLO_FIRST = Reply(503, "5.5.1", "Send EHLO first")
MAIL_FIRST = Reply(503, "5.5.1", "Send MAIL first")
MAIL_AGAIN = Reply(503, "5.5.1", "A transaction is open: send RSET first")
NO_RECIPIENTS = Reply(554, "5.5.1", "No valid recipients")
NO_RECIPIENTS_LMTP = Reply(503, "5.5.1", "No valid recipients")  # RFC 2033 4.2

SENDER_MALFORMED = Reply(
    501, "5.1.7", "Malformed sender address: MAIL FROM:<local@domain> is needed"
)
RECIPIENT_MALFORMED = Reply(
    501, "5.1.3", "Malformed recipient address: RCPT TO:<local@domain> is needed"
)
RECIPIENT_WITHOUT_DOMAIN = Reply(
    550, "5.1.1", "No mailbox is local here: a recipient needs a domain, postmaster too"
)
ADDRESS_NEEDS_SMTPUTF8 = Reply(550, "5.6.7", "An address outside ASCII needs SMTPUTF8")
PARAMETER_UNSUPPORTED = Reply(555, "5.5.4", "Parameter not supported, or given twice")
PARAMETER_MALFORMED = Reply(501, "5.5.4", "Parameter value not understood")
TOO_MANY_RECIPIENTS = Reply(
    452, "4.5.3", "Too many recipients, send the rest in another transaction"
)

RELAY_DENIED = Reply(530, "5.7.0", "Authentication required")
ENCRYPTION_REQUIRED = Reply(538, "5.7.11", "Encryption required for authentication")
MECHANISM_UNKNOWN = Reply(504, "5.5.4", "Authentication mechanism not supported")
CREDENTIALS_INVALID = Reply(535, "5.7.8", "Authentication credentials invalid")
AUTH_MALFORMED = Reply(501, "5.5.2", "Authentication response not understood")
AUTH_CANCELLED = Reply(501, "5.7.0", "Authentication cancelled")
AUTH_NOT_NOW = Reply(503, "5.5.1", "Authentication is not possible now")
AUTH_LATER = Reply(454, "4.7.0", "Too many failed authentications, try again later")
AUTH_UNAVAILABLE = Reply(454, "4.7.0", "Authentication cannot be checked now")
MAY_NOT_SPEAK_FOR_OTHERS = Reply(550, "5.7.0", "Insufficient authorization")
ATTRIBUTE_UNKNOWN = Reply(501, "5.5.4", "Known attributes as name=value are needed")
ATTRIBUTE_MALFORMED = Reply(501, "5.5.4", "Attribute value not understood")
TLS_ACTIVE = Reply(503, "5.5.1", "TLS is already active")

CONTENT_MALFORMED = Reply(550, "5.6.0", "Message holds a bare CR, a bare LF or a NUL")
LINE_TOO_LONG = Reply(550, "5.6.0", "Message holds a line of more than 998 octets")
MESSAGE_MALFORMED = Reply(554, "5.6.0", "Message is not well-formed")
PLACEHOLDER_UNUSABLE = Reply(
    554, "5.6.0", "A placeholder cannot be filled in (docs/placeholders.md)"
)
MESSAGE_TOO_LARGE = Reply(552, "5.3.4", "Message is larger than the limit")
OUT_OF_MEMORY = Reply(452, "4.3.1", "Too much mail in flight, try again later")
LOCAL_ERROR = Reply(451, "4.3.0", "Temporary local problem, try again later")
NOT_CONFIGURED = Reply(451, "4.3.5", "This service is not able to handle the message now")
NOT_PERMITTED = Reply(550, "5.7.1", "Not permitted")
MARKING_INVALID = Reply(550, "5.7.1", "A field that marks the message is refused")
BAD_RECIPIENT = Reply(553, "5.1.3", "Recipient address not acceptable")
NO_SUCH_MAILBOX = Reply(550, "5.1.1", "No such mailbox here")
TOO_MANY_UNKNOWN = Reply(
    450, "4.7.1", "Too many unknown mailboxes from your network, try again later"
)
SUPPRESSED = Reply(550, "5.7.1", "The recipient has unsubscribed")
NOT_TARGETED = Reply(550, "5.7.1", "The recipient is not in the groups that the message is for")
TOO_LATE = Reply(451, "4.4.1", "The mail could not be handed on in time, try again later")
PARTLY_DEFERRED = Reply(451, "4.3.0", "Some recipients could not be served now, try again later")

TOO_MANY_CONNECTIONS = Reply(421, "4.3.2", "Too many connections, try again later")
TOO_MANY_FROM_ADDRESS = Reply(421, "4.7.0", "Too many connections from your address")
TOO_MANY_COMMANDS = Reply(421, "4.7.0", "Too many commands in one connection")
TOO_MANY_BAD_COMMANDS = Reply(421, "4.7.0", "Too many bad commands")
TOO_MANY_BAD_LOGINS = Reply(421, "4.7.0", "Too many failed authentications")
SESSION_TOO_LONG = Reply(421, "4.4.2", "Session took too long, connect again")
TOO_SLOW = Reply(421, "4.4.2", "Timeout, closing the connection")
END_IN_DOUBT = Reply(421, "4.7.0", "Closing the connection after a bare CR, LF or NUL")
SHUTTING_DOWN = Reply(421, "4.3.2", "Service is shutting down, try again later")

SMTP_REPLY: Mapping[type[errors.SignoffError], Reply] = MappingProxyType(
    {
        errors.SignoffError: LOCAL_ERROR,
        errors.InvalidInput: NOT_PERMITTED,
        errors.TokenError: NOT_PERMITTED,
        errors.TokenMalformed: NOT_PERMITTED,
        errors.TokenKeyUnknown: NOT_PERMITTED,
        errors.TokenTagInvalid: NOT_PERMITTED,
        errors.TokenPurposeWrong: NOT_PERMITTED,
        errors.AddressInvalid: BAD_RECIPIENT,
        errors.MalformedMessage: MESSAGE_MALFORMED,
        errors.MessageTooLarge: MESSAGE_TOO_LARGE,
        errors.RuleViolation: NOT_PERMITTED,
        errors.MarkingInvalid: MARKING_INVALID,
        errors.PlaceholderUnusable: PLACEHOLDER_UNUSABLE,
        errors.MailLoop: Reply(554, "5.4.6", "Mail loop detected"),
        errors.NotFound: NOT_PERMITTED,
        errors.Conflict: NOT_PERMITTED,
        errors.Unavailable: LOCAL_ERROR,
        errors.StoreUnavailable: LOCAL_ERROR,
        errors.SpoolUnavailable: LOCAL_ERROR,
        errors.DownstreamUnavailable: Reply(
            451, "4.4.1", "The next mail server cannot be reached, try again later"
        ),
        errors.TryUnderWay: Reply(
            451, "4.3.0", "An earlier try of this message is still under way, try again later"
        ),
        errors.SignerUnavailable: NOT_CONFIGURED,
        errors.Overloaded: OUT_OF_MEMORY,
        errors.Refused: Reply(554, "5.0.0", "Refused by the next mail server"),
        errors.Misconfigured: NOT_CONFIGURED,
    }
)


_MAX_FAULT_CHARS = 300  # RFC 5321 4.5.3.1.5: a reply line has at most 512 octets


def for_error(error: Exception) -> Reply:
    """Return the reply that an upstream gets for an error: by its nearest class, and 451 for
    anything unexpected (catalogue D9).

    What is wrong with the message itself is told with it (`SignoffError.told`).
    """
    reply = next(
        (SMTP_REPLY[kind] for kind in type(error).__mro__ if kind in SMTP_REPLY), LOCAL_ERROR
    )
    if (
        isinstance(error, errors.SignoffError)
        and error.told
        and (fault := plain(str(error), most=_MAX_FAULT_CHARS))
    ):
        return replace(reply, text=f"{reply.text}: {fault}")
    return reply


@lru_cache(maxsize=256)  # nearly all are of the constants above
def wire(reply: Reply) -> bytes:
    """Return the reply as one line for the wire; anything that is not printable ASCII becomes `?`,
    so no text can end the line early.
    """
    text = str(reply)
    if not (text.isascii() and text.isprintable()):
        text = "".join(char if " " <= char <= "~" else "?" for char in text)
    return text.encode("ascii") + b"\r\n"


def combine(outcomes: Sequence[Outcome]) -> Reply:
    """Return the one reply for all copies of a message.

    Any deferred: 4yz, and the upstream sends all of it again, of which the ledger keeps the
    finished copies back. All refused: the downstream's own 5yz. Anything else: 250, and a refused
    copy among others is answered by a delivery status notification, never by a reply that makes the
    upstream send again (catalogue X3). The reply about a single copy is the downstream's own
    (catalogue X2, X6). Raises ValueError without an outcome.
    """
    if not outcomes:
        raise ValueError("a reply needs at least one outcome")
    deferred = [outcome.reply for outcome in outcomes if isinstance(outcome, Deferred)]
    if deferred:
        return (
            _temporary(deferred[0], alone=len(outcomes) == 1)
            if _all_equal(deferred)
            else PARTLY_DEFERRED
        )
    refused = [outcome.reply for outcome in outcomes if isinstance(outcome, RefusedCopy)]
    if len(refused) == len(outcomes):
        return final(refused[0])
    delivered = [outcome.reply for outcome in outcomes if isinstance(outcome, Delivered)]
    return (
        Reply(250, "2.0.0", delivered[0].text) if len(delivered) == len(outcomes) == 1 else ACCEPTED
    )


def final(reply: Reply) -> Reply:
    """Return the reply of a refusal as one that cannot be taken for anything else, whatever the
    downstream put into it.
    """
    return _in_class(reply, 5, fallback=554)


def _all_equal(replies: Sequence[Reply]) -> bool:
    return all(reply == replies[0] for reply in replies)


def _temporary(reply: Reply, *, alone: bool) -> Reply:
    """Keep the code of a single copy. 421 would end the upstream's connection for a problem that is
    not on it (catalogue X6).
    """
    reply = _in_class(reply, 4, fallback=451)
    return reply if alone and reply.code != 421 else replace(reply, code=451)  # noqa: PLR2004 - the reply code


def _in_class(reply: Reply, digit: int, *, fallback: int) -> Reply:
    """Repair a downstream that contradicts itself, such as `550 4.2.0`: the outcome is what has
    been decided on.
    """
    code = reply.code if reply.code // 100 == digit else fallback
    enhanced = reply.enhanced if reply.enhanced.startswith(f"{digit}.") else f"{digit}.0.0"
    return (
        reply
        if (code, enhanced) == (reply.code, reply.enhanced)
        else Reply(code, enhanced, reply.text)
    )
