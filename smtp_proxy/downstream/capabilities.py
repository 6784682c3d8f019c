"""What a downstream offered at EHLO or LHLO, and which copies it therefore cannot get (RFC 5321 4.1.1.1; catalogue C3).

A copy is never converted: its signature covers the bytes as they are. An upstream that used an extension was offered it, from what was
known then: it hears 451, and next time the extension is not offered. Only octets above 127 that it did not declare are refused for good.
"""

from dataclasses import dataclass

from smtp_proxy.downstream.peer_reply import PeerReply
from smtp_proxy.downstream.transaction import Transaction
from smtp_proxy.replies import Deferred, Refused, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """The extensions of one session."""

    size: int | None = None  # None: SIZE is not offered; 0: offered without a limit (RFC 1870 4)
    pipelining: bool = False
    eightbit: bool = False
    smtputf8: bool = False
    enhanced: bool = False
    dsn: bool = False
    xforward: frozenset[str] = frozenset()  # attributes
    starttls: bool = False
    auth: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, greeting: PeerReply) -> "Capabilities":
        """Read the lines after the first one; keywords in any case, unknown ones passed over."""
        offered: dict[str, list[str]] = {}
        for line in greeting.lines[1:]:
            words = line.decode("ascii", "replace").upper().split()
            if words:
                offered[words[0]] = words[1:]
        return cls(
            size=_limit(offered["SIZE"]) if "SIZE" in offered else None,
            pipelining="PIPELINING" in offered,
            eightbit="8BITMIME" in offered,
            smtputf8="SMTPUTF8" in offered,
            enhanced="ENHANCEDSTATUSCODES" in offered,
            dsn="DSN" in offered,
            xforward=frozenset(offered.get("XFORWARD", ())),
            starttls="STARTTLS" in offered,
            auth=frozenset(offered.get("AUTH", ())),
        )

    def refuse(self, transaction: Transaction) -> Deferred | Refused | None:
        """Return why this peer cannot get the copy, or None."""
        if transaction.needs_smtputf8 and not self.smtputf8:
            return Deferred(reply=Reply(451, "4.6.7", "Downstream does not take internationalized mail (SMTPUTF8)"))  # RFC 6531 3.5
        if not self.eightbit and transaction.holds_8bit():  # RFC 6152 3
            if transaction.body_8bit:
                return Deferred(reply=Reply(451, "4.6.3", "Downstream does not take 8-bit content (8BITMIME)"))
            return Refused(reply=Reply(554, "5.6.3", "Downstream does not take 8-bit content (8BITMIME): encode it before it is signed"))
        if self.size and transaction.size > self.size:
            return Refused(reply=Reply(552, "5.3.4", "Message is larger than downstream takes"))
        return None


UNSEEN = Capabilities(eightbit=True, smtputf8=True, dsn=True)  # until a downstream was seen, it is taken to have what we pass on


def _limit(words: list[str]) -> int:
    return int(words[0]) if words and words[0].isdecimal() else 0
