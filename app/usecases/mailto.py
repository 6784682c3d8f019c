"""A mail to the inbox becomes statements: whose token it holds, and whether a person sent it
(catalogue M1 to M8, B1).

1. The seal of the token is the only authority; From proves nothing and is only asked which spelling
   of an address the mail is about (M4).
2. The first place with a token that opens decides: envelope, address fields, subject, text. The
   full token of the subject completes the short token of the address (campaign, address, more than
   two groups) when both name the same recipient of the same brand. When they name different people,
   the envelope decides: it is what the mail was delivered by, and a subject is easily copied along.
3. Bounces and reports never act. Automatic answers and list mail act in the mailbox of a token
   only, since nobody can guess its address; see `core.mail.inbound_nature`. The forward box obeys
   every token of a mail, also in what it quotes or attaches; of the mail that a program's own
   button wrote it obeys what the button writes, the subject and the address fields.
4. A report of abuse is no request to leave, but its recipient had better get no more mail: what
   becomes of it is the operator's choice.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from app.core.errors import AddressInvalid, NotFound, TokenError
from app.core.mail.inbound import Incoming, addresses_in
from app.core.mail.inbound_budget import ReadingBudget
from app.core.mail.inbound_mailbox import Mailbox, Mailboxes, Role
from app.core.mail.inbound_nature import AT_A_TOKEN, IN_FORWARD_BOX, Nature
from app.core.model import Claims, Purpose, Source
from app.core.subject import readings
from app.core.token import TokenCodec
from app.usecases.token_links import TokenLinks

MOST_REQUESTS = 100  # of one mail to the forward box

_OBEYED = {Role.TOKEN: AT_A_TOKEN, Role.FORWARD: IN_FORWARD_BOX}
_REASONS = {Nature.BUTTON: Nature.AUTO_REPLY}

_IN_A_LINK = Purpose.ONE_CLICK | Purpose.CALLBACK | Purpose.MAILTO


class Complaints(StrEnum):
    """What a report of abuse does."""

    IGNORE = "ignore"
    UNSUBSCRIBE = "unsubscribe"
    UNSUBSCRIBE_ALL = "unsubscribe_all"


class Place(StrEnum):
    """Where a token was found."""

    ENVELOPE = "envelope"
    ADDRESS = "address"
    SUBJECT = "subject"
    TEXT = "text"
    REPORT = "report"


class Outcome(StrEnum):
    """What became of a mail; a metric label."""

    OBEYED = "obeyed"
    IGNORED = "ignored"
    FOR_PEOPLE = "for_people"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailtoRequest:
    """One recipient's wish, and where it stood."""

    claims: Claims
    place: Place
    source: Source = Source.MAILTO


@dataclass(frozen=True, slots=True, kw_only=True)
class MailtoVerdict:
    """What a mail to one mailbox asks for. `requests` are empty unless it is obeyed; `reason` says
    why it is not.

    Where it is obeyed, a `reason` says why there may be more in it than was found.
    """

    role: Role
    recipient: str = ""  # the envelope recipient that named the mailbox first
    outcome: Outcome
    requests: tuple[MailtoRequest, ...] = ()
    reason: str = ""
    token_error: str = ""  # the code of the last token that did not open, when none did


class Mailto:
    """Judges mails to the inbox and saves what they ask for."""

    def __init__(
        self,
        *,
        codec: TokenCodec,
        one_click: TokenLinks,
        mailboxes: Mailboxes,
        complaints: Complaints,
    ) -> None:
        self._codec = codec
        self._one_click = one_click
        self._mailboxes = mailboxes
        self._complaints = complaints

    def mailbox(self, address: str) -> Mailbox:
        """Return the mailbox of an envelope recipient. Raises NotFound, or TokenError for a short
        token that is not genuine.
        """
        mailbox = self._mailboxes.of(address)
        if mailbox.role is Role.TOKEN:
            self._codec.open_short(mailbox.token)
        return mailbox

    def judge(self, recipients: Iterable[str], mail: Incoming) -> Sequence[MailtoVerdict]:
        """Return what the mail means in each mailbox that the recipients name, however often and in
        whatever spelling; changes nothing.

        Raises as `mailbox` does.
        """
        named: dict[Mailbox, str] = {}
        for recipient in recipients:
            named.setdefault(self.mailbox(recipient), recipient)
        search = _Search(self._codec, self._mailboxes, mail.budget)
        return [
            replace(self._judge(mailbox, mail, search), recipient=recipient)
            for mailbox, recipient in named.items()
        ]

    def unreadable(
        self, recipients: Iterable[str], *, null_sender: bool
    ) -> Sequence[MailtoVerdict]:
        """Return the verdicts on a mail that could not be read: the address of a token is a request
        by itself, else it is put aside.
        """
        verdicts: dict[Mailbox, MailtoVerdict] = {}
        for recipient in recipients:
            mailbox = self.mailbox(recipient)
            verdict = MailtoVerdict(
                role=mailbox.role,
                recipient=recipient,
                outcome=Outcome.QUARANTINED,
                reason="unreadable",
            )
            if mailbox.role is Role.TOKEN and not null_sender:
                request = MailtoRequest(
                    claims=self._codec.open_short(mailbox.token), place=Place.ENVELOPE
                )
                verdict = replace(verdict, outcome=Outcome.OBEYED, requests=(request,))
            verdicts.setdefault(mailbox, verdict)
        return tuple(verdicts.values())

    def _judge(self, mailbox: Mailbox, mail: Incoming, search: "_Search") -> MailtoVerdict:
        search.last_error = ""
        if mailbox.role is Role.PEOPLE:
            return MailtoVerdict(role=mailbox.role, outcome=Outcome.FOR_PEOPLE)
        if mail.nature is Nature.COMPLAINT or mailbox.role is Role.COMPLAINTS:
            return self._judge_complaint(mailbox, mail, search)
        if mail.nature not in _OBEYED.get(mailbox.role, (Nature.PERSONAL,)):
            return MailtoVerdict(
                role=mailbox.role,
                outcome=Outcome.IGNORED,
                reason=_REASONS.get(mail.nature, mail.nature).value,
            )
        found = (
            search.every_request(mail)
            if mailbox.role is Role.FORWARD
            else search.first_request(mail, mailbox)
        )
        return self._verdict(mailbox.role, mail, found, search)

    async def obey(self, request: MailtoRequest) -> int:
        """Save one request and return the number of durable copies, 0 for a test send; idempotent.

        Raises StoreUnavailable when nothing could be made durable.
        """
        return (await self._one_click.leave(request.claims, source=request.source)).copies

    def _judge_complaint(
        self, mailbox: Mailbox, mail: Incoming, search: "_Search"
    ) -> MailtoVerdict:
        original = (
            None if mail.nature in (Nature.BOUNCE, Nature.AUTO_REPLY) else mail.complained_about()
        )
        if original is None:
            for_people = mailbox.role is Role.COMPLAINTS and mail.nature is not Nature.COMPLAINT
            outcome = Outcome.FOR_PEOPLE if for_people else Outcome.IGNORED
            return MailtoVerdict(role=mailbox.role, outcome=outcome, reason="no_abuse")
        if self._complaints is Complaints.IGNORE:
            return MailtoVerdict(
                role=mailbox.role, outcome=Outcome.IGNORED, reason=Nature.COMPLAINT.value
            )
        everything = self._complaints is Complaints.UNSUBSCRIBE_ALL
        return self._verdict(
            mailbox.role, mail, search.complaint(original, everything=everything), search
        )

    @staticmethod
    def _verdict(
        role: Role, mail: Incoming, found: Iterable[MailtoRequest], search: "_Search"
    ) -> MailtoVerdict:
        different: dict[tuple[object, ...], MailtoRequest] = {}
        beyond = ""
        for request in found:
            different.setdefault(
                (request.claims.brand, request.claims.digest, request.claims.groups), request
            )
            if len(different) > MOST_REQUESTS:
                different.popitem()
                beyond = "too_many_requests"
                break
        cut = mail.cut if role is not Role.TOKEN else ""
        if different:
            return MailtoVerdict(
                role=role,
                outcome=Outcome.OBEYED,
                requests=tuple(different.values()),
                reason=beyond or cut,
            )
        if cut:
            return MailtoVerdict(role=role, outcome=Outcome.QUARANTINED, reason=cut)
        return MailtoVerdict(
            role=role, outcome=Outcome.IGNORED, reason="no_token", token_error=search.last_error
        )


class _Search:
    """The search for tokens in one mail, as far as its budget goes."""

    def __init__(self, codec: TokenCodec, mailboxes: Mailboxes, budget: ReadingBudget) -> None:
        self._codec = codec
        self._mailboxes = mailboxes
        self._budget = budget
        # each of a hundred mailboxes asks again
        self._in_subject: dict[Incoming, tuple[Claims, ...]] = {}
        self.last_error = ""

    def first_request(self, mail: Incoming, mailbox: Mailbox) -> Iterator[MailtoRequest]:
        """Yield the one request of a mail that a person sent, if there is any."""
        if mailbox.role is Role.TOKEN:
            yield MailtoRequest(
                claims=self._completed(self._codec.open_short(mailbox.token), mail),
                place=Place.ENVELOPE,
            )
            return
        for place, claims in self._places(mail, quoted=False):
            yield MailtoRequest(claims=self._completed(claims, mail), place=place)
            return

    def every_request(self, mail: Incoming) -> Iterator[MailtoRequest]:
        """Yield the requests of a forwarded mail: its own, and those of the mails inside it."""
        by_button = mail.nature is Nature.BUTTON
        for place, claims in self._places(mail, quoted=True, words_only=by_button):
            yield MailtoRequest(claims=self._completed(claims, mail), place=place)
        for inner in () if by_button else mail.attached():
            if inner.nature in IN_FORWARD_BOX:
                yield from self.every_request(inner)

    def complaint(self, original: Incoming, *, everything: bool) -> Iterator[MailtoRequest]:
        """Yield the request that the links of the mail complained about stand for."""
        links = (
            self._opened(original.link_tokens(), purpose=_IN_A_LINK),
            self._in_addresses(original.link_addresses()),
        )
        for claims in (found for link in links for found in link):
            scoped = claims._replace(groups=()) if everything else claims
            yield MailtoRequest(claims=scoped, place=Place.REPORT, source=Source.COMPLAINT)
            return

    def _places(
        self, mail: Incoming, *, quoted: bool, words_only: bool = False
    ) -> Iterator[tuple[Place, Claims]]:
        for claims in self._in_addresses(mail.recipients()):
            yield Place.ADDRESS, claims
        for claims in self._of_subject(mail):
            yield Place.SUBJECT, claims
        for text in () if words_only else mail.texts(quoted=quoted):
            for claims in self._in_texts([text]):
                yield Place.TEXT, claims
            for claims in self._in_addresses(addresses_in(text, self._budget) if quoted else ()):
                yield Place.TEXT, claims

    def _completed(self, claims: Claims, mail: Incoming) -> Claims:
        """Return what the mail knows beyond the token: rule 2, and the address when From is the one
        that the digest stands for.
        """
        who = (claims.brand, claims.digest)
        full = next(
            (found for found in self._of_subject(mail) if (found.brand, found.digest) == who),
            claims,
        )
        if full.address:
            return full
        return full._replace(
            address=next((sender for sender in mail.senders() if self._is(sender, claims)), "")
        )

    def _of_subject(self, mail: Incoming) -> tuple[Claims, ...]:
        if mail not in self._in_subject:
            self._in_subject[mail] = tuple(self._in_texts(mail.subjects()))
        return self._in_subject[mail]

    def _is(self, sender: str, claims: Claims) -> bool:
        try:
            return self._codec.digest(sender, brand=claims.brand) == claims.digest
        except AddressInvalid:
            return False

    def _in_texts(self, texts: Iterable[str]) -> Iterator[Claims]:
        for text in texts:
            yield from self._opened(
                readings(text, may_begin=self._budget.candidate), purpose=Purpose.MAILTO
            )

    def _opened(self, texts: Iterable[str], *, purpose: Purpose) -> Iterator[Claims]:
        for text in texts:
            if (
                claims := self._attempt(partial(self._codec.open, text, purpose=purpose))
            ) is not None:
                yield claims

    def _in_addresses(self, addresses: Iterable[str]) -> Iterator[Claims]:
        for address in addresses:
            with suppress(NotFound):
                mailbox = self._mailboxes.of(address)
                if (
                    mailbox.role is Role.TOKEN
                    and (claims := self._attempt(partial(self._codec.open_short, mailbox.token)))
                    is not None
                ):
                    yield claims

    def _attempt(self, open_token: Callable[[], Claims]) -> Claims | None:
        if not self._budget.candidate():
            return None
        try:
            return open_token()
        except TokenError as exc:
            self.last_error = exc.code
            return None
