"""One recipient: looked for by address, shown with state and history, unsubscribed or erased.

The address travels in bodies alone, never in an address of a page: those stay in browsers'
histories and proxies' logs. So the answer to a form is the page itself; sent a second time it
changes nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

from app.admin.operator.handler import OperatorRequest, trouble
from app.admin.operator.render import OperatorRenderer
from app.core.errors import AddressInvalid, StoreUnavailable
from app.core.events import SOURCE_NAMES, Event
from app.core.group_words import GroupWords
from app.core.groups import ALL
from app.core.model import Subscription
from app.http.answers import Answer
from app.http.forms import Fields
from app.usecases.administration import Administration

_HISTORY_SHOWN = 50


class State(NamedTuple):
    """What holds for all mail or for one group."""

    name: str
    subscription: Subscription
    source: str


class ShownRecipient(NamedTuple):
    """What is known of a recipient."""

    digest: str
    sequence: int
    states: Sequence[State]
    history: Sequence[Event]  # the newest first


class RecipientPages:
    """Shows and obeys `/operator/brands/{brand}/recipient`."""

    def __init__(self, renderer: OperatorRenderer, services: Administration) -> None:
        self._renderer = renderer
        self._services = services

    async def show(self, visit: OperatorRequest) -> Answer:
        """Show the empty form."""
        return self._page(visit, address="")

    async def act(self, visit: OperatorRequest, form: Fields) -> Answer:
        """Look for a recipient, and before that do what the form says."""
        address, deed = form.one("address"), form.one("do")
        try:
            self._services.recipients.digest(visit.brand, address)
        except AddressInvalid as exc:
            return self._page(
                visit, address=address, fault=f"{str(exc)[:1].upper()}{str(exc)[1:]}.", status=422
            )
        if deed == "look":
            return await self._found(visit, address)
        if not visit.may_write:
            return trouble(
                self._renderer,
                403,
                "This key may not write",
                "Nothing was changed.",
                visit.operator,
            )
        if deed == "unsubscribe":
            return await self._unsubscribe(visit, address, form.one("scope"))
        if deed == "erase" and form.one("sure") == "yes":
            return await self._erase(visit, address)
        return await self._found(
            visit, address, fault="Nothing was done: tick the box that says that you are sure."
        )

    async def _unsubscribe(self, visit: OperatorRequest, address: str, scope: str) -> Answer:
        _, copies = await self._services.recipients.unsubscribe(
            visit.brand,
            address,
            () if scope == ALL else (scope,),
            actor=visit.operator.key.id,
        )
        places = "in two places" if copies.copies > 1 else "in one place"
        return await self._found(
            visit,
            address,
            note=f"Unsubscribed. This is durable {places}, and holds for every mail from now on.",
        )

    async def _erase(self, visit: OperatorRequest, address: str) -> Answer:
        digest = self._services.recipients.digest(visit.brand, address)
        known = await self._services.erase(visit.brand, digest, actor=visit.operator.key.id)
        erased = "Erased. What this recipient had left stays suppressed under the keyed hash."
        return await self._found(
            visit, address, note=erased if known else "There was nothing to erase."
        )

    async def _found(
        self, visit: OperatorRequest, address: str, *, note: str = "", fault: str = ""
    ) -> Answer:
        try:
            words = await self._services.words(visit.brand)
            shown = await self._shown(visit, address, words)
            self._services.auditing.saw(visit.brand, visit.operator.key.id, "state", shown.digest)
        except StoreUnavailable:
            if not note:
                raise
            return self._page(
                visit, address=address, note=f"{note} The state cannot be read just now."
            )
        groups = [
            (group.id, group.name)
            for group in await self._services.groups.list(visit.brand.number)
            if not group.archived
        ]
        return self._page(
            visit, address=address, shown=shown, groups=groups, note=note, fault=fault
        )

    async def _shown(
        self, visit: OperatorRequest, address: str, words: GroupWords
    ) -> ShownRecipient:
        recipients = self._services.recipients
        state = await recipients.state(visit.brand, address)
        entries = await recipients.history(visit.brand, address, limit=_HISTORY_SHOWN)
        events = [self._services.feed.arrival(visit.brand, words, entry).event for entry in entries]
        return ShownRecipient(
            digest=recipients.digest(visit.brand, address).hex(),
            sequence=state.sequence,
            states=[
                _state("All mail", state.everything),
                *(_state(words.word(key), one) for key, one in sorted(state.groups.items())),
            ],
            history=events[::-1],
        )

    def _page(  # noqa: PLR0913 - what the page says
        self,
        visit: OperatorRequest,
        *,
        address: str,
        shown: ShownRecipient | None = None,
        groups: Sequence[tuple[str, str]] = (),
        note: str = "",
        fault: str = "",
        status: int = 200,
    ) -> Answer:
        about = {
            "operator": visit.operator,
            "brand": visit.brand,
            "here": "recipient",
            "may_write": visit.may_write,
        }
        values = {
            "address": address,
            "shown": shown,
            "groups": groups,
            "note": note,
            "fault": fault,
            "sources": SOURCE_NAMES,
        }
        return self._renderer.page("recipient", {**about, **values}, status=status)


def _state(name: str, subscription: Subscription) -> State:
    return State(
        name, subscription, SOURCE_NAMES[subscription.source] if subscription.source else ""
    )
