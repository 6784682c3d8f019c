"""Many mails through one relay, and what is to be seen of each that has left: told by patterns, not
by the relay's own parser.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.core.model import Promotional
from smtp_proxy.relay.policy import Policy
from tests.support.relay import ACME, relaying, without_trace

PATIENCE = 20.0  # a bound for liveness, never what a test decides by
REFUSAL = re.compile(r"5(?:50 5\.7\.1|52 5\.3\.4|54 5\.6\.0|54 5\.4\.6) [ -~]+")
_STAMP = re.compile(
    rb"DKIM-Signature: [^\r]*\r\n(?:[ \t][^\r]*\r\n)*"
    rb"List-Unsubscribe: <https://unsubscribe\.example\.com/u\?qmoe=[A-Za-z0-9_-]+>\r\n"
    rb"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    rb"(?:Date: Tue, 03 Mar 2026 10:00:00 \+0000\r\n)?(?:Message-ID: <id\d+@relay\.example>\r\n)?"
)
_CONTROL = rb"x-signoff-[^\r:]*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What became of one mail: how it came, the reply to it, and the copy without its Received
    field; empty when none left.
    """

    mail: bytes
    reply: str
    copy: bytes

    @property
    def is_refused_with_reason(self) -> bool:
        """Say whether nothing left, and a reply of the documented ones said why."""
        return not self.copy and REFUSAL.fullmatch(self.reply) is not None

    @property
    def is_unchanged(self) -> bool:
        """Say whether the copy is what came, less the control fields."""
        return self.reply.startswith("250 ") and self.copy == _without(self.mail, _CONTROL)

    @property
    def is_unchanged_below_our_stamp(self) -> bool:
        """Say whether the copy is our stamp, and below it what came, less the fields that must not
        leave with it.
        """
        stamp = _STAMP.match(self.copy)
        left = _without(self.mail, _CONTROL + rb"|list-unsubscribe(?:-post)?|bcc")
        return (
            self.reply.startswith("250 ") and stamp is not None and self.copy[stamp.end() :] == left
        )


async def passages(promotional: Promotional, mails: Mapping[str, bytes]) -> dict[str, Passage]:
    """Send each mail, with a relay that holds all of its brand's mail for promotional, or none."""
    found = {}
    async with relaying(
        replace(ACME, promotional=promotional),
        policy=Policy(hostname="relay.example", pass_repeated=True),
    ) as relay:
        for name, mail in mails.items():
            async with asyncio.timeout(PATIENCE):
                reply = await relay.relayed(mail)
            copies = [without_trace(copy.content) for copy in relay.sink.received]
            relay.sink.received.clear()
            found[name] = Passage(mail=mail, reply=reply, copy=b"".join(copies))
    return found


def _without(mail: bytes, names: bytes) -> bytes:
    # SMTP ends every message with a line end
    whole = mail if mail.endswith(b"\r\n") else mail + b"\r\n"
    head, mark, body = whole.partition(b"\r\n\r\n")
    kept = re.sub(
        rb"(?i)(?:\A|(?<=\n))(?:%s):[^\n]*\n(?:[ \t][^\n]*\n)*" % names, b"", head + mark[:2]
    )
    return kept + mark[2:] + body
