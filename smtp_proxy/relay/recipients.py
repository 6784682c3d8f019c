"""Who of a promotional mail's recipients gets a copy, and what becomes of the others (catalogue Q1, Q11, X17).

The rules are in `app.core.preferences`. Here they meet the store and the brand's wishes: while states cannot be read, the mail waits
(`on_store_down = "tempfail"`) or goes to everyone it is addressed to, whatever the sender's fields of groups say ("accept").

A test send goes by the same rules: to mark a mail as a test must be no way around an opt-out that leaves no trace. Overriding one does:
each copy that goes to somebody who has opted out is logged and counted.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.core.audit import AuditAction
from app.core.errors import AddressInvalid, MarkingInvalid, StoreUnavailable
from app.core.group_names import NO_NAMES, GroupNames
from app.core.groups import group_key
from app.core.mail.classify import Marking
from app.core.model import (
    Brand,
    Campaign,
    GroupId,
    GroupKey,
    OnStoreDown,
    OnSuppressed,
    Preferences,
    Recipient,
    RecipientDigest,
    UnknownGroup,
)
from app.core.preferences import OPTED_OUT, SuppressionReason, Targeting, reason_not_to_send, suppression
from app.core.visible import plain
from app.observe import metrics
from app.observe.log import LogEvent, Logger
from app.observe.metrics import labelled
from app.usecases.audience import Audience
from app.usecases.auditing import Auditing
from smtp_proxy import replies
from smtp_proxy.replies import Deferred, Outcome, Refused, Suppressed
from smtp_proxy.session.submission import Envelope

_ANYBODY, _OVERRIDDEN = Targeting(), Targeting(override=True)  # of mail without groups, which is most

Identify = Callable[..., RecipientDigest]  # (address, *, brand)
States = Mapping[Recipient, Preferences | None]  # None: cannot be read, and the brand prefers to send


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Selects for all messages of a process. Raises MarkingInvalid for a group that the brand has not, where it wants that refused."""

    identify: Identify
    audience: Audience
    log: Logger
    auditing: Auditing | None = None

    async def of(self, envelope: Envelope, brand: Brand, marking: Marking) -> "Selection":
        """Return the selection of one message: its groups resolved, nobody's state read."""
        campaign, targeting = await self._resolved(envelope, brand, marking)
        return Selection(self, envelope, brand, campaign, targeting)

    async def _resolved(self, envelope: Envelope, brand: Brand, marking: Marking) -> tuple[Campaign, Targeting]:
        campaign = marking.campaign
        if not (campaign.groups or marking.labels or marking.required or marking.excluded):
            return campaign, _OVERRIDDEN if marking.override else _ANYBODY
        names = await self._names(brand)
        if names is not NO_NAMES:
            self._check(
                envelope, brand, [name for name in (*campaign.groups, *marking.required, *marking.excluded) if not names.known(name)]
            )
        groups = tuple(dict.fromkeys((*names.resolve(campaign.groups), *names.among(marking.labels))))
        targeting = Targeting(
            groups=_keys(groups),
            required=_keys(names.resolve(marking.required)),
            excluded=_keys(names.resolve(marking.excluded)),
            override=marking.override,
        )
        return replace(campaign, groups=groups), targeting

    def _check(self, envelope: Envelope, brand: Brand, unknown: Sequence[GroupId]) -> None:
        """Refuse or report names that are those of no group: a slip of the pen makes a group that nobody sees and nobody can leave."""
        if not unknown:
            return
        if brand.unknown_group is UnknownGroup.REJECT:
            raise MarkingInvalid(f'the brand has no subscription group "{plain(unknown[0])}"')
        metrics.UNKNOWN_GROUPS.inc(len(unknown))
        self.log.warning(LogEvent.GROUP_UNKNOWN, id=envelope.id, brand=brand.id, groups=list(unknown))

    async def _names(self, brand: Brand) -> GroupNames:
        try:
            return await self.audience.names(brand.number)
        except StoreUnavailable:
            if brand.on_store_down is OnStoreDown.TEMPFAIL:
                raise
            return NO_NAMES  # what the sender calls a group is then its id


class Selection:
    """The recipients of one message. `campaign` has its groups by their ids."""

    def __init__(self, selector: Selector, envelope: Envelope, brand: Brand, campaign: Campaign, targeting: Targeting) -> None:
        self.campaign = campaign
        self._selector = selector
        self._envelope = envelope
        self._brand = brand
        self._targeting = targeting
        self._overridden: set[str] = set()
        self.unread: dict[str, Outcome] = {}  # by address: whose state could not be read, while those of others could

    def identified(self) -> tuple[list[Recipient], dict[str, Outcome]]:
        """Return who the recipients are, and the outcomes of those whose address identifies nobody."""
        recipients: list[Recipient] = []
        refused: dict[str, Outcome] = {}
        for address in self._envelope.recipients:
            try:
                digest = self._selector.identify(address, brand=self._brand.number)
            except AddressInvalid:
                refused[address] = Refused(reply=replies.BAD_RECIPIENT)
            else:
                recipients.append(Recipient(address=address, digest=digest))
        return recipients, refused

    async def states(self, recipients: Sequence[Recipient]) -> States:
        """Return the state of each recipient.

        Where the brand's mail waits for states, who has none that can be read is in `unread` instead; StoreUnavailable when nobody has.
        """
        try:
            found = await self._selector.audience.states(self._brand.number, [recipient.digest for recipient in recipients])
        except StoreUnavailable as exc:
            return await self._one_by_one(recipients, exc)
        return dict(zip(recipients, found, strict=True))

    async def _one_by_one(self, recipients: Sequence[Recipient], error: StoreUnavailable) -> States:
        """Return the states that can be read: of several servers one may be away."""
        states: dict[Recipient, Preferences | None] = {}
        alone = recipients if len(recipients) > 1 else ()
        asked = [self._selector.audience.states(self._brand.number, [recipient.digest]) for recipient in alone]
        for recipient, found in zip(alone, await asyncio.gather(*asked, return_exceptions=True), strict=True):
            if not isinstance(found, BaseException):
                states[recipient] = found[0]
            elif not isinstance(found, StoreUnavailable):
                raise found
        unread = [recipient for recipient in recipients if recipient not in states]
        if self._brand.on_store_down is not OnStoreDown.TEMPFAIL:
            self._selector.log.error(LogEvent.STATES_UNKNOWN, id=self._envelope.id, brand=self._brand.id, reason=str(error))
            return states | dict.fromkeys(unread)
        if not states:
            raise error
        self.unread |= {recipient.address: Deferred(reply=replies.for_error(error)) for recipient in unread}
        return states

    def unwanted(self, states: States) -> dict[str, Outcome]:
        """Return the outcomes of those who get no copy, by address."""
        outcomes: dict[str, Outcome] = {}
        for recipient, state in states.items():
            if state is None:
                continue
            reason = reason_not_to_send(state, self._targeting)
            if reason:
                outcomes[recipient.address] = self._suppressed(recipient, reason)
            elif self._targeting.override:
                self._note_override(recipient, suppression(state, self._targeting.groups))
        return outcomes

    async def recheck(self, recipients: Sequence[Recipient]) -> dict[str, Outcome]:
        """Return the outcomes of those who are to get no copy after all, with their states as they are now (catalogue Q1)."""
        try:
            states = await self.states(recipients)
        except StoreUnavailable as exc:
            return {recipient.address: Deferred(reply=replies.for_error(exc)) for recipient in recipients}
        unread = {recipient.address: self.unread[recipient.address] for recipient in recipients if recipient not in states}
        return unread | self.unwanted(states)

    async def note_overrides(self) -> None:
        """Write into the brand's audit how many copies went to who has opted out, on the sender's word."""
        if self._overridden and self._selector.auditing:
            campaign, copies = self.campaign.id, str(len(self._overridden))
            detail = {"campaign": campaign, "copies": copies}
            await self._selector.auditing.note(self._brand, "relay", AuditAction.OPT_OUTS_OVERRIDDEN, self._envelope.id, **detail)

    def _suppressed(self, recipient: Recipient, reason: SuppressionReason) -> Outcome:
        labelled(metrics.RECIPIENTS_SUPPRESSED, reason).inc()
        self._log(LogEvent.COPY_SUPPRESSED, recipient, reason)
        if self._brand.on_suppressed is OnSuppressed.REJECT:
            return Refused(reply=replies.SUPPRESSED if reason in OPTED_OUT else replies.NOT_TARGETED)
        return Suppressed(reason=reason)

    def _note_override(self, recipient: Recipient, reason: SuppressionReason | None) -> None:
        if reason is None or recipient.address in self._overridden:
            return
        self._overridden.add(recipient.address)
        labelled(metrics.OPT_OUTS_OVERRIDDEN, reason).inc()
        self._log(LogEvent.OPT_OUT_OVERRIDDEN, recipient, reason)

    def _log(self, event: LogEvent, recipient: Recipient, reason: SuppressionReason) -> None:
        self._selector.log.info(
            event,
            id=self._envelope.id,
            brand=self._brand.id,
            campaign=self.campaign.id,
            recipient=recipient.digest.hex(),
            reason=reason,
        )


def _keys(groups: Sequence[GroupId]) -> tuple[GroupKey, ...]:
    return tuple(group_key(group) for group in groups)
