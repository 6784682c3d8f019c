"""The group unsubscribe page: GET shows what its one button leaves and changes nothing, POST leaves it, or takes that back (seed 001).

A campaign with groups: those groups. Without: all mail. Taking back is for whoever has just left by this page: its form carries, signed,
what this page switched off and the sequence of the state after it (catalogue Q6, Q13).
"""

from collections.abc import Sequence

from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from app.core import choices
from app.core.choices import Wish
from app.core.errors import StoreUnavailable, Unavailable
from app.core.groups import EVERYTHING, group_key
from app.core.model import GroupKey, Preferences, Source, SubscriptionGroup
from app.core.page_token import Form
from app.usecases.save_preferences import Saved
from app.web.answers import Answer
from app.web.desk import AGAIN, Desk, Guest, Reply
from app.web.gate import Gate
from app.web.pages import Trouble
from app.web.pages.preference_pages import GroupLine, Note, PreferencePages, Scope


class GroupUnsubscribeEndpoint:
    """Answers GET, HEAD and POST on `/unsubscribe`."""

    def __init__(self, *, desk: Desk, gate: Gate, pages: PreferencePages) -> None:
        self._desk = desk
        self._gate = gate
        self._pages = pages

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = await self._desk.receive(scope, receive, show=self._show, save=self._save)
        if answer:
            await answer(scope, receive, send)

    async def _show(self, guest: Guest, note: Note | None = None, status: int = 200) -> Answer:
        groups = await self._groups(guest)
        preferences = await self._preferences(guest)
        keys = _scope_keys(guest, groups)
        scope, manage = _scope(keys, groups), self._desk.manage_link(guest, groups)
        if preferences and not guest.visit.claims.test and _all_left(preferences, keys):
            return self._pages.already(guest.visit, scope, manage=manage, note=note, status=status)
        token = self._desk.page_token(guest, Form.LEAVE, preferences, keys)
        return self._pages.leave(guest.visit, scope, page_token=token, manage=manage, note=note, status=status)

    async def _save(self, guest: Guest, reply: Reply) -> Answer:
        if reply.page.form not in (Form.LEAVE, Form.RESUBSCRIBE):
            return self._desk.trouble(guest, 400, Trouble.MALFORMED)
        if self._desk.expired(reply.page):
            return await self._show(guest, Note.LATE, 409)
        return await (self._leave if reply.page.form is Form.LEAVE else self._resubscribe)(guest, reply)

    async def _leave(self, guest: Guest, reply: Reply) -> Answer:
        claims = guest.visit.claims
        try:
            await self._gate.save(
                claims, Wish(leave=claims.groups or (EVERYTHING,)), source=Source.GROUP_PAGE, sequence=reply.page.sequence
            )
        except Unavailable:
            return self._desk.trouble(guest, 503, Trouble.UNAVAILABLE, again=reply.fields.pairs, fields=AGAIN)
        groups = await self._groups(guest)
        keys = _scope_keys(guest, groups)
        return self._pages.left(
            guest.visit, _scope(keys, groups), page_token=await self._undo(guest, reply), manage=self._desk.manage_link(guest, groups)
        )

    async def _undo(self, guest: Guest, reply: Reply) -> str:
        """Return the page token that takes back what this leave switched off; empty when it was nothing, or cannot be known."""
        seen = reply.page.shown
        turned = [group for group, was_on in seen.groups.items() if was_on]
        after = await self._preferences(guest)
        if guest.visit.claims.test or not after or not seen.everything or (seen.groups and not turned):
            return ""
        return self._desk.page_token(guest, Form.RESUBSCRIBE, after, turned)

    async def _resubscribe(self, guest: Guest, reply: Reply) -> Answer:
        keys = tuple(reply.page.shown.groups)
        wish = Wish(join=keys or (EVERYTHING,))
        try:
            saved = await self._gate.save(guest.visit.claims, wish, source=Source.GROUP_PAGE, sequence=reply.page.sequence)
        except Unavailable:
            return self._desk.trouble(guest, 503, Trouble.UNSAVED, again=reply.fields.pairs, fields=AGAIN)
        if saved is Saved.STALE:
            return await self._show(guest, Note.MOVED, 409)
        groups = await self._groups(guest)
        return self._pages.back(
            guest.visit, _scope(keys, groups), leave=self._desk.leave_link(guest), manage=self._desk.manage_link(guest, groups)
        )

    async def _groups(self, guest: Guest) -> Sequence[SubscriptionGroup]:
        """Return the brand's groups; none when they cannot be read: leaving must not wait for names."""
        try:
            return await self._desk.groups(guest)
        except StoreUnavailable:
            return ()

    async def _preferences(self, guest: Guest) -> Preferences | None:
        try:
            return await self._desk.preferences(guest)
        except StoreUnavailable:
            return None


def _scope_keys(guest: Guest, groups: Sequence[SubscriptionGroup]) -> tuple[GroupKey, ...]:
    """Return the groups that the link is about; a test link shows every group that there is (seed 001)."""
    if guest.visit.claims.test:
        return tuple(group_key(group.id) for group in groups if not group.archived)
    return guest.visit.claims.groups


def _scope(keys: Sequence[GroupKey], groups: Sequence[SubscriptionGroup]) -> Scope:
    named = [GroupLine(name=group.name, description=group.description) for group in groups if group_key(group.id) in keys]
    return Scope(everything=not keys, groups=named, unnamed=len(keys) - len(named))


def _all_left(preferences: Preferences, keys: Sequence[GroupKey]) -> bool:
    seen = choices.shown(preferences, keys)
    return not seen.everything or (bool(keys) and not any(seen.groups.values()))
