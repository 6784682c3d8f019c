"""The preference centre: a toggle for each active group and one for all mail. GET changes nothing,
POST saves the form.

What a form means is decided in `app.core.preference_form`; the page token says what the reader had
seen, and only what was on that page can be saved.
"""

import re

from starlette.types import Receive, Scope, Send

from app.core import preference_form
from app.core.errors import StoreUnavailable, Unavailable
from app.core.groups import EVERYTHING, group_key
from app.core.model import GroupKey, PreferenceCentre, Source
from app.core.page_token import Form, PageState
from app.core.preference_form import Shown
from app.http.answers import Answer
from app.http.forms import Fields
from app.usecases.save_preferences import SavedPreferences, SavePreferences
from app.web.pages import Trouble
from app.web.pages.preference_pages import Centre, GroupLine, Note, PreferencePages
from app.web.preference_request import AGAIN, PreferenceRequests, SentForm, Visitor

_KEY = re.compile(r"[0-9a-f]{8}")


class PreferencesEndpoint:
    """Answers GET, HEAD and POST on `/preferences`."""

    def __init__(
        self, *, requests: PreferenceRequests, save: SavePreferences, pages: PreferencePages
    ) -> None:
        self._requests = requests
        self._save_preferences = save
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = await self._requests.receive(scope, receive, show=self._show, save=self._save)
        if answer:
            await answer(scope, receive, send)

    async def _show(
        self,
        visitor: Visitor,
        note: Note | None = None,
        status: int = 200,
        chosen: Shown | None = None,
    ) -> Answer:
        """Return the page as things stand now; with `chosen`, its toggles as the reader had set
        them. Raises StoreUnavailable.
        """
        if not _offered(visitor):
            return self._requests.trouble(visitor, 404, Trouble.NO_CENTRE)
        active = [group for group in await self._requests.groups(visitor) if not group.archived]
        keys = [group_key(group.id) for group in active]
        preferences = await self._requests.preferences(visitor)
        seen = preference_form.shown(preferences, keys)
        on = (
            seen
            if chosen is None
            else Shown(everything=chosen.everything, groups={**seen.groups, **chosen.groups})
        )
        lines = [
            GroupLine(
                name=group.name,
                description=group.description,
                value=f"{key:08x}",
                on=on.groups[key],
            )
            for group, key in zip(active, keys, strict=True)
        ]
        token = self._requests.page_token(visitor, Form.PREFERENCES, preferences, keys)
        centre = Centre(everything=on.everything, groups=lines)
        return self._pages.centre(visitor.visit, centre, page_token=token, note=note, status=status)

    async def _save(self, visitor: Visitor, reply: SentForm) -> Answer:
        if not _offered(visitor):
            return self._requests.trouble(visitor, 404, Trouble.NO_CENTRE)
        chosen = _chosen(reply.fields, reply.page)
        if chosen is None:
            return self._requests.trouble(visitor, 400, Trouble.MALFORMED)
        if self._requests.expired(reply.page):
            return await self._show(visitor, Note.LATE, 409, chosen)
        on = {group for group, is_on in chosen.groups.items() if is_on}
        wish = preference_form.wish(reply.page.shown, everything=chosen.everything, on=on)
        try:
            saved = await self._save_preferences(
                visitor.visit.claims,
                wish,
                source=Source.PREFERENCE_CENTRE,
                expected_sequence=reply.page.sequence,
            )
        except Unavailable:
            return self._requests.trouble(
                visitor, 503, Trouble.UNSAVED, again=reply.fields.pairs, fields=AGAIN
            )
        if saved is SavedPreferences.STALE:
            return await self._show(visitor, Note.STALE, 409)
        if saved is SavedPreferences.ONLY_LEFT:
            return self._requests.trouble(
                visitor, 503, Trouble.PARTLY, link=self._requests.centre_link(visitor), fields=AGAIN
            )
        centre = await self._now(
            visitor, chosen, all_on_again=EVERYTHING in wish.join and not chosen.everything
        )
        return self._pages.saved(visitor.visit, centre, link=self._requests.centre_link(visitor))

    async def _now(self, visitor: Visitor, chosen: Shown, *, all_on_again: bool) -> Centre | None:
        """Return the state as it is read again, or for a test link what would have been saved; None
        when it cannot be read.
        """
        try:
            active = [group for group in await self._requests.groups(visitor) if not group.archived]
            preferences = await self._requests.preferences(visitor)
        except StoreUnavailable:
            return None
        keys = [group_key(group.id) for group in active]
        seen = chosen if visitor.visit.claims.test else preference_form.shown(preferences, keys)
        lines = [
            GroupLine(name=group.name, on=seen.groups.get(key, True))
            for group, key in zip(active, keys, strict=True)
        ]
        return Centre(everything=seen.everything, groups=lines, all_on_again=all_on_again)


def _offered(visitor: Visitor) -> bool:
    return (
        visitor.visit.brand is not None
        and visitor.visit.brand.preference_centre is not PreferenceCentre.NONE
    )


def _chosen(fields: Fields, page: PageState) -> Shown | None:
    """Return how the form's toggles were set; None when it is no form of this page, or names a
    group that the page did not show.
    """
    values = fields.all("group")
    on = {GroupKey(int(value, 16)) for value in values if _KEY.fullmatch(value)}
    known = all(_KEY.fullmatch(value) for value in values) and on <= page.shown.groups.keys()
    if page.form is not Form.PREFERENCES or not known or fields.one("all") not in ("", "on"):
        return None
    return Shown(
        everything=fields.one("all") == "on",
        groups={group: group in on for group in page.shown.groups},
    )
