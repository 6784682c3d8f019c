"""The group unsubscribe page: GET shows what its one button leaves and changes nothing, POST leaves
it, or takes that back.

A campaign with groups: those groups. Without: all mail. Taking back is for whoever has just left by
this page: its form carries, signed, what this page switched off and the sequence of the state after
it (catalogue Q6, Q13).
"""

from collections.abc import Sequence

from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from app.core import preference_form
from app.core.errors import StoreUnavailable, Unavailable
from app.core.groups import EVERYTHING, group_key
from app.core.model import GroupKey, Preferences, Source, SubscriptionGroup
from app.core.page_token import Form
from app.core.preference_form import Wish
from app.http.answers import Answer
from app.usecases.save_preferences import SavedPreferences, SavePreferences
from app.web.pages import Trouble
from app.web.pages.preference_pages import GroupLine, Note, PreferencePages, Scope
from app.web.preference_request import AGAIN, PreferenceRequests, SentForm, Visitor


class GroupUnsubscribeEndpoint:
    """Answers GET, HEAD and POST on `/unsubscribe`."""

    def __init__(
        self, *, requests: PreferenceRequests, save: SavePreferences, pages: PreferencePages
    ) -> None:
        self._requests = requests
        self._save_preferences = save
        self._pages = pages

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = await self._requests.receive(scope, receive, show=self._show, save=self._save)
        if answer:
            await answer(scope, receive, send)

    async def _show(self, visitor: Visitor, note: Note | None = None, status: int = 200) -> Answer:
        groups = await self._groups(visitor)
        preferences = await self._preferences(visitor)
        keys = _scope_keys(visitor, groups)
        scope, manage = _scope(keys, groups), self._requests.manage_link(visitor, groups)
        if preferences and not visitor.visit.claims.test and _all_left(preferences, keys):
            return self._pages.already(
                visitor.visit, scope, manage=manage, note=note, status=status
            )
        token = self._requests.page_token(visitor, Form.LEAVE, preferences, keys)
        return self._pages.leave(
            visitor.visit, scope, page_token=token, manage=manage, note=note, status=status
        )

    async def _save(self, visitor: Visitor, reply: SentForm) -> Answer:
        if reply.page.form not in (Form.LEAVE, Form.RESUBSCRIBE):
            return self._requests.trouble(visitor, 400, Trouble.MALFORMED)
        if self._requests.expired(reply.page):
            return await self._show(visitor, Note.LATE, 409)
        return await (self._leave if reply.page.form is Form.LEAVE else self._resubscribe)(
            visitor, reply
        )

    async def _leave(self, visitor: Visitor, reply: SentForm) -> Answer:
        claims = visitor.visit.claims
        try:
            await self._save_preferences(
                claims,
                Wish(leave=claims.groups or (EVERYTHING,)),
                source=Source.GROUP_PAGE,
                expected_sequence=reply.page.sequence,
            )
        except Unavailable:
            return self._requests.trouble(
                visitor, 503, Trouble.UNAVAILABLE, again=reply.fields.pairs, fields=AGAIN
            )
        groups = await self._groups(visitor)
        keys = _scope_keys(visitor, groups)
        return self._pages.left(
            visitor.visit,
            _scope(keys, groups),
            page_token=await self._undo(visitor, reply),
            manage=self._requests.manage_link(visitor, groups),
        )

    async def _undo(self, visitor: Visitor, reply: SentForm) -> str:
        """Return the page token that takes back what this leave switched off; empty when it was
        nothing, or cannot be known.
        """
        seen = reply.page.shown
        turned = [group for group, was_on in seen.groups.items() if was_on]
        after = await self._preferences(visitor)
        if (
            visitor.visit.claims.test
            or not after
            or not seen.everything
            or (seen.groups and not turned)
        ):
            return ""
        return self._requests.page_token(visitor, Form.RESUBSCRIBE, after, turned)

    async def _resubscribe(self, visitor: Visitor, reply: SentForm) -> Answer:
        keys = tuple(reply.page.shown.groups)
        wish = Wish(join=keys or (EVERYTHING,))
        try:
            saved = await self._save_preferences(
                visitor.visit.claims,
                wish,
                source=Source.GROUP_PAGE,
                expected_sequence=reply.page.sequence,
            )
        except Unavailable:
            return self._requests.trouble(
                visitor, 503, Trouble.UNSAVED, again=reply.fields.pairs, fields=AGAIN
            )
        if saved is SavedPreferences.STALE:
            return await self._show(visitor, Note.MOVED, 409)
        groups = await self._groups(visitor)
        return self._pages.back(
            visitor.visit,
            _scope(keys, groups),
            leave=self._requests.leave_link(visitor),
            manage=self._requests.manage_link(visitor, groups),
        )

    async def _groups(self, visitor: Visitor) -> Sequence[SubscriptionGroup]:
        """Return the brand's groups; none when they cannot be read: leaving must not wait for
        names.
        """
        try:
            return await self._requests.groups(visitor)
        except StoreUnavailable:
            return ()

    async def _preferences(self, visitor: Visitor) -> Preferences | None:
        try:
            return await self._requests.preferences(visitor)
        except StoreUnavailable:
            return None


def _scope_keys(visitor: Visitor, groups: Sequence[SubscriptionGroup]) -> tuple[GroupKey, ...]:
    """Return the groups that the link is about; a test link shows every group that there is."""
    if visitor.visit.claims.test:
        return tuple(group_key(group.id) for group in groups if not group.archived)
    return visitor.visit.claims.groups


def _scope(keys: Sequence[GroupKey], groups: Sequence[SubscriptionGroup]) -> Scope:
    named = [
        GroupLine(name=group.name, description=group.description)
        for group in groups
        if group_key(group.id) in keys
    ]
    return Scope(everything=not keys, groups=named, unnamed=len(keys) - len(named))


def _all_left(preferences: Preferences, keys: Sequence[GroupKey]) -> bool:
    seen = preference_form.shown(preferences, keys)
    return not seen.everything or (bool(keys) and not any(seen.groups.values()))
