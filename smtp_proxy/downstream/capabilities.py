"""What a downstream offered at EHLO or LHLO (RFC 5321 4.1.1.1)."""

from dataclasses import dataclass

from smtp_proxy.downstream.peer_reply import PeerReply


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


# until a downstream was seen, it is taken to have what we pass on
UNSEEN = Capabilities(eightbit=True, smtputf8=True, dsn=True)


def _limit(words: list[str]) -> int:
    return int(words[0]) if words and words[0].isdecimal() else 0
