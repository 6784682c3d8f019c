"""The one tree of errors.

Whether trying again can help is a fact of the class (`temporary`), never of the place that raised
it. A rim turns a class into its answer by one table each: `app.http.errors` into HTTP,
`smtp_proxy.replies` into SMTP. What goes wrong in the expected way of things (a suppressed
recipient, a refused copy) is a value and does not stand here.

The text of an error is for the log and the operator; a rim shows its own generic text. Where `told`
is set, the text is about what the peer sent, and the SMTP reply tells it too. Either way it holds
no address, token or key.
"""

from collections.abc import Sequence
from typing import ClassVar


class SignoffError(Exception):
    """Root of the tree; `code` names the class in logs, metrics and problem documents."""

    temporary: ClassVar[bool] = False
    told: ClassVar[bool] = False
    code: ClassVar[str] = "error"


class InvalidInput(SignoffError):
    """What came in can never be accepted as it is."""

    code = "invalid_input"


class TokenError(InvalidInput):
    """A qmoe that does not open."""

    code = "token_invalid"


class TokenMalformed(TokenError):
    """Not the shape of a token: alphabet, length or version."""

    code = "token_malformed"


class TokenKeyUnknown(TokenError):
    """Minted under a key, brand or data centre that this keyring does not hold, or that was
    revoked.
    """

    code = "token_key_unknown"


class TokenTagInvalid(TokenError):
    """The seal does not verify: a changed or foreign token."""

    code = "token_tag_invalid"


class TokenPurposeWrong(TokenError):
    """A genuine token, presented where it has no right to act (catalogue T4)."""

    code = "token_purpose_wrong"


class AddressInvalid(InvalidInput):
    """Not an address this service can relay to or identify (RFC 5321 4.1.2, RFC 6531)."""

    code = "address_invalid"


class MalformedMessage(InvalidInput):
    """Bytes that cannot be stamped and signed without guessing (catalogue D9, S1)."""

    code = "message_malformed"
    told = True


class MessageTooLarge(InvalidInput):
    """A header block beyond what receivers take: whole block, number of fields, or one field
    (catalogue H16).
    """

    code = "message_too_large"
    told = True


class RuleViolation(InvalidInput):
    """Well-formed, but against a rule of the brand or the product, such as a From of another
    brand.
    """

    code = "rule_violation"
    told = True


class MarkingInvalid(RuleViolation):
    """A field by which the sender marks a mail for us that cannot be understood (catalogue H20,
    L2).
    """

    code = "marking_invalid"


class PlaceholderUnusable(InvalidInput):
    """A placeholder stands where it cannot be replaced without harm, and is never sent as it is
    (catalogue X11).
    """

    code = "placeholder_unusable"
    told = True

    def __init__(self, detail: str, *, written: str = "") -> None:
        super().__init__(detail)
        self.written = written  # the placeholder as the mail has it, where there is one


class MailLoop(InvalidInput):
    """The mail has been here, or everywhere, too often (catalogue X8)."""

    code = "mail_loop"


class NotFound(InvalidInput):
    """The named thing does not exist."""

    code = "not_found"


class Conflict(InvalidInput):
    """The thing has moved on since the caller looked, such as a resubscribe with a stale
    sequence.
    """

    code = "conflict"


class Unavailable(SignoffError):
    """A part we depend on cannot answer now; the same request may succeed later."""

    temporary = True
    code = "unavailable"


class StoreUnavailable(Unavailable):
    """Redis or Valkey did not answer in time, or answered that it cannot write now."""

    code = "store_unavailable"


class SpoolUnavailable(Unavailable):
    """The local spool could not make a row durable: full disk, read-only volume, lost lock."""

    code = "spool_unavailable"


class DownstreamUnavailable(Unavailable):
    """The downstream cannot be reached, or went away before it answered."""

    code = "downstream_unavailable"


class TryUnderWay(Unavailable):
    """An earlier try of the same message is still under way in another process."""

    code = "try_under_way"


class SignerUnavailable(Unavailable):
    """No key signs for this sender domain, so nothing that needs a signature may leave (catalogue
    H3).
    """

    code = "signer_unavailable"


class Overloaded(Unavailable):
    """A bound of memory, connections or queue length is reached."""

    code = "overloaded"


class Refused(SignoffError):
    """The peer refused for good; its own reply travels with the outcome, this is the error of last
    resort.
    """

    code = "refused"


class Misconfigured(SignoffError):
    """The configuration cannot be used. `problems` holds every finding at once, each as `key: what
    is wrong`.
    """

    code = "misconfigured"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
