"""What the operator has decided for the whole relay."""

from dataclasses import dataclass
from enum import StrEnum


class UnknownOutcome(StrEnum):
    """What a further try does with a copy of which nobody knows whether the downstream took it."""

    RESEND = "resend"  # perhaps twice, never lost
    DROP = "drop"  # perhaps lost, never twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The relay's own settings, as far as they decide over a message."""

    hostname: str
    max_received: int = 50
    # relay mail of no brand's sender domain, untouched, instead of refusing it
    pass_foreign_from: bool = False
    # stamp without List-Unsubscribe-Post when no key signs, instead of deferring
    pass_unsigned: bool = False
    # stamp a mail that repeats a field which may stand once, instead of refusing it
    pass_repeated: bool = False
    # the downstream takes one DKIM-Signature, so those of others go where ours comes
    one_signature: bool = False
    unknown: UnknownOutcome = UnknownOutcome.RESEND
