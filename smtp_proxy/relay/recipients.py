"""Who of a promotional mail's recipients gets a copy, and what becomes of the others.

The rules are in `app.core.preferences`. Here they meet the store and the brand's wishes: while
states cannot be read, the mail waits (`on_store_down = "tempfail"`) or goes to everyone it is
addressed to, whatever the sender's fields of groups say ("accept").

A test send goes by the same rules: to mark a mail as a test must be no way around an opt-out that
leaves no trace. Overriding one does: each copy that goes to somebody who has opted out is logged
and counted. Nothing is counted here: what is found stands in the mail.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.core.errors import AddressInvalid, MarkingInvalid, StoreUnavailable
from app.core.group_names import NO_NAMES, GroupNames
from app.core.groups import group_key
from app.core.model import (
    Brand,
    GroupId,
    GroupKey,
    OnStoreDown,
    OnSuppressed,
    Preferences,
    Recipient,
    RecipientDigest,
    UnknownGroup,
)
from app.core.preferences import OPTED_OUT, Targeting, reason_not_to_send, suppression
from app.core.visible import plain
from app.usecases.audience import Audience
from smtp_proxy import replies
from smtp_proxy.relay.mail import PromotionalMail
from smtp_proxy.replies import Deferred, Outcome, RefusedCopy, Suppressed

# of mail without groups, which is most
_ANYBODY, _OVERRIDDEN = Targeting(), Targeting(override=True)

Identify = Callable[..., RecipientDigest]  # (address, *, brand)
# None: cannot be read, and the brand prefers to send
States = Mapping[Recipient, Preferences | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientReader:
    """Identifies the recipients of a mail and reads what they have said. One instance serves all
    sessions of a process.
    """

    identify: Identify
    audience: Audience

    async def resolve_groups(self, mail: PromotionalMail) -> None:
        """Find the groups that the sender names, by id or by name, and so whom the mail is for.

        Raises MarkingInvalid for a group that the brand has not, where it wants that refused;
        StoreUnavailable.
        """
        campaign, marking = mail.campaign, mail.marking
        if not (campaign.groups or marking.labels or marking.required or marking.excluded):
            mail.targeting = _OVERRIDDEN if marking.override else _ANYBODY
            return
        names = await self._names(mail.brand)
        if names is not NO_NAMES:
            named = (*campaign.groups, *marking.required, *marking.excluded)
            mail.unknown_groups = tuple(name for name in named if not names.known(name))
        if mail.unknown_groups and mail.brand.unknown_group is UnknownGroup.REJECT:
            # A slip of the pen would make a group that nobody sees and nobody can leave.
            raise MarkingInvalid(
                f'the brand has no subscription group "{plain(mail.unknown_groups[0])}"'
            )
        groups = tuple(
            dict.fromkeys((*names.resolve(campaign.groups), *names.among(marking.labels)))
        )
        mail.campaign = replace(campaign, groups=groups)
        mail.targeting = Targeting(
            groups=_keys(groups),
            required=_keys(names.resolve(marking.required)),
            excluded=_keys(names.resolve(marking.excluded)),
            override=marking.override,
        )

    def identified(self, mail: PromotionalMail) -> tuple[list[Recipient], dict[str, Outcome]]:
        """Return who the recipients are, and the outcomes of those whose address identifies
        nobody.
        """
        recipients: list[Recipient] = []
        refused: dict[str, Outcome] = {}
        for address in mail.envelope.recipients:
            try:
                recipients.append(
                    Recipient(
                        address=address, digest=self.identify(address, brand=mail.brand.number)
                    )
                )
            except AddressInvalid:
                refused[address] = RefusedCopy(reply=replies.BAD_RECIPIENT)
        return recipients, refused

    async def states(self, mail: PromotionalMail, recipients: Sequence[Recipient]) -> States:
        """Return the state of each recipient.

        Where the brand's mail waits for states, those that cannot be read are in `mail.unread`
        instead; StoreUnavailable when none can.
        """
        try:
            found = await self.audience.states(
                mail.brand.number, [recipient.digest for recipient in recipients]
            )
        except StoreUnavailable as exc:
            return await self._states_one_by_one(mail, recipients, exc)
        return dict(zip(recipients, found, strict=True))

    async def unwanted_now(
        self, mail: PromotionalMail, recipients: Sequence[Recipient]
    ) -> dict[str, Outcome]:
        """Return the outcomes of those who are to get no copy after all, with their states as they
        are now.
        """
        try:
            states = await self.states(mail, recipients)
        except StoreUnavailable as exc:
            return {
                recipient.address: Deferred(reply=replies.for_error(exc))
                for recipient in recipients
            }
        unread = {
            recipient.address: mail.unread[recipient.address]
            for recipient in recipients
            if recipient not in states
        }
        return unread | unwanted(mail, states)

    async def _names(self, brand: Brand) -> GroupNames:
        try:
            return await self.audience.names(brand.number)
        except StoreUnavailable:
            if brand.on_store_down is OnStoreDown.TEMPFAIL:
                raise
            return NO_NAMES  # what the sender calls a group is then its id

    async def _states_one_by_one(
        self, mail: PromotionalMail, recipients: Sequence[Recipient], error: StoreUnavailable
    ) -> States:
        """Return the states that can be read: of several servers one may be away."""
        states: dict[Recipient, Preferences | None] = {}
        alone = recipients if len(recipients) > 1 else ()
        asked = [self.audience.states(mail.brand.number, [recipient.digest]) for recipient in alone]
        for recipient, found in zip(
            alone, await asyncio.gather(*asked, return_exceptions=True), strict=True
        ):
            if not isinstance(found, BaseException):
                states[recipient] = found[0]
            elif not isinstance(found, StoreUnavailable):
                raise found
        unread = [recipient for recipient in recipients if recipient not in states]
        if mail.brand.on_store_down is not OnStoreDown.TEMPFAIL:
            mail.states_missed = str(error)
            return states | dict.fromkeys(unread)
        if not states:
            raise error
        mail.unread |= {
            recipient.address: Deferred(reply=replies.for_error(error)) for recipient in unread
        }
        return states


def unwanted(mail: PromotionalMail, states: States) -> dict[str, Outcome]:
    """Return the outcomes of those who get no copy, by address; the mail keeps why, and who gets
    one in spite of an opt-out.
    """
    outcomes: dict[str, Outcome] = {}
    for recipient, state in states.items():
        if state is None:
            continue
        reason = reason_not_to_send(state, mail.targeting)
        if reason:
            mail.suppressed[recipient.address] = recipient.digest, reason
            if mail.brand.on_suppressed is OnSuppressed.REJECT:
                outcomes[recipient.address] = RefusedCopy(
                    reply=replies.SUPPRESSED if reason in OPTED_OUT else replies.NOT_TARGETED
                )
            else:
                outcomes[recipient.address] = Suppressed(reason=reason)
        elif mail.targeting.override and (opt_out := suppression(state, mail.targeting.groups)):
            mail.overridden.setdefault(recipient.address, (recipient.digest, opt_out))
    return outcomes


def _keys(groups: Sequence[GroupId]) -> tuple[GroupKey, ...]:
    return tuple(group_key(group) for group in groups)
