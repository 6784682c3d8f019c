"""A mail to the inbox, read for what it may say about leaving. Nothing here decides; every octet is
a stranger's.

Whatever can be repeated in a mail is counted in its budget before it is looked at, and the reading
ends with the budget.

Where a token may stand, in the order of catalogue M1: the envelope (which the mail does not know),
the address fields, the subject, the text. Quoted text and attached mails are kept apart, since they
count in the forward box only (M5).
"""

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import islice

from app.core.mail import inbound_parts, inbound_text
from app.core.mail.inbound_budget import ReadingBudget
from app.core.mail.inbound_nature import Nature, nature
from app.core.mail.inbound_parts import MAX_DEPTH, MAX_READ_BYTES, Entity, Parts

MAX_ADDRESSES = 20

_LOCAL = re.compile(r"[^\s<>()\[\],;:\"@]{1,64}+")  # of an address, backwards
_DOMAIN = re.compile(r"[^\s<>()\[\],;:\"@]{1,253}+")
_RECIPIENT_FIELDS = (b"delivered-to", b"x-original-to", b"envelope-to", b"to")
_LINK_TOKEN = re.compile(r"[?&]qmoe=([A-Za-z0-9_-]{40,168})(?![A-Za-z0-9_-])")


def addresses_in(text: str, budget: ReadingBudget) -> Iterator[str]:
    """Yield whatever looks like an address in a text."""
    at = text.find("@")
    while at >= 0 and budget.candidate():
        local, domain = _LOCAL.match(text[max(at - 64, 0) : at][::-1]), _DOMAIN.match(text, at + 1)
        if local and domain:
            yield f"{local[0][::-1]}@{domain[0]}"
        at = text.find("@", at + 1)


class Incoming:
    """One mail, read as far as somebody asks."""

    def __init__(
        self,
        mail: Entity,
        budget: ReadingBudget,
        *,
        null_sender: bool,
        too_long: bool = False,
        depth: int = 0,
    ) -> None:
        self.budget = budget
        self._mail = mail
        self._too_long = too_long
        self._depth = depth
        self.nature = nature(mail, null_sender=null_sender)

    @classmethod
    def read(
        cls,
        content: bytes | bytearray | memoryview,
        *,
        null_sender: bool,
        budget: ReadingBudget | None = None,
    ) -> "Incoming":
        """Return the mail that came with DATA; of a very long one only the first MAX_READ_BYTES
        count. Never raises.

        Without a budget it gets one that no clock ends.
        """
        view = memoryview(content)
        head = inbound_parts.entity(bytes(view[:MAX_READ_BYTES]))
        return cls(
            head,
            budget or ReadingBudget(lambda: 0.0),
            null_sender=null_sender,
            too_long=len(view) > MAX_READ_BYTES,
        )

    @property
    def cut(self) -> str:
        """Return why not all of the mail was read; empty when all was."""
        return "too_long" if self._too_long else self._parts.cut or self.budget.spent

    def senders(self) -> Iterator[str]:
        """Yield the addresses of From, which authorise nothing (catalogue M4)."""
        yield from self._addresses((b"from",))

    def recipients(self) -> Iterator[str]:
        """Yield the addresses that the mail says it was delivered to or written to."""
        yield from self._addresses(_RECIPIENT_FIELDS)

    def subjects(self) -> Iterator[str]:
        """Yield every way in which the subject can be read."""
        yield from inbound_text.subject_readings(self._mail.value(b"subject"))

    def texts(self, *, quoted: bool) -> Iterator[str]:
        """Yield the texts of the mail; `quoted`: with the mail that they quote."""
        for part in self._parts.texts:
            if not self.budget.text(len(part.body)):
                return
            text = inbound_parts.decoded_text(part)
            if part.media_type == "text/html":
                yield inbound_text.text_of_html(text, quoted=quoted)
            else:
                yield inbound_text.whole_text(text) if quoted else inbound_text.own_text(text)

    def attached(self) -> Iterator["Incoming"]:
        """Yield the mails inside this one."""
        if self._depth < MAX_DEPTH:
            for mail in self._parts.attached:
                if not self.budget.candidate():
                    return
                yield Incoming(mail, self.budget, null_sender=False, depth=self._depth + 1)

    def complained_about(self) -> "Incoming | None":
        """Return the mail that a report complains about, or None when this is no report of abuse
        (RFC 5965; Microsoft's own form).

        A report that says `not-spam`, or anything else, is none.
        """
        original = next(self.attached(), None)
        if self.nature is Nature.COMPLAINT:
            kinds = {
                value.strip().lower()
                for report in self._parts.reports
                for value in report.values(b"feedback-type")
            }
            return original if kinds == {"abuse"} else None
        return original if original and original._mail.value(b"x-hmxmroriginalrecipient") else None

    def link_tokens(self) -> Iterator[str]:
        """Yield what may be a token in the List-Unsubscribe fields of a mail of ours."""
        for value in self._mail.values(b"list-unsubscribe"):
            yield from (found[1] for found in _LINK_TOKEN.finditer("".join(value.split())))

    def link_addresses(self) -> Iterator[str]:
        """Yield the addresses in the List-Unsubscribe fields."""
        for value in self._mail.values(b"list-unsubscribe"):
            yield from addresses_in(
                "".join(value.split()).replace("mailto:", " ").replace("?", " "), self.budget
            )

    @cached_property
    def _parts(self) -> Parts:
        if not self.budget.text(len(self._mail.body)):
            return Parts(texts=(), attached=(), reports=(), cut=self.budget.spent)
        return inbound_parts.parts(self._mail)

    def _addresses(self, names: tuple[bytes, ...]) -> Iterator[str]:
        every = (
            address
            for value in self._mail.values(*names)
            for address in addresses_in(value, self.budget)
        )
        for address in islice(every, MAX_ADDRESSES):
            yield address.encode("latin-1").decode("utf-8", "replace")
