"""Every reply line of the SMTP side, the error table, and how the outcomes of several copies become one reply.

A reply always carries an enhanced status code (RFC 2034, RFC 3463), so ENHANCEDSTATUSCODES can be offered (catalogue S13).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply. `text` is a single ASCII line; a downstream's longer reply is joined and cleaned before it gets here."""

    code: int
    enhanced: str
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}"


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
    unknown: bool = False  # the downstream went away after the last byte, so it may have it all the same (catalogue X14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The copy will never be taken."""

    reply: Reply


Outcome = Delivered | Suppressed | Deferred | Refused
