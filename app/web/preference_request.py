"""What the preference pages share: who came, what the brand offers, what holds for them, and
whether their form is ours.

An endpoint gives two functions: one that shows, for GET, and one that saves, for a form of our own
page. Everything that can go wrong before either is answered here, always with a page and never with
a change.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from starlette.types import Receive, Scope

from app.core import preference_form
from app.core.errors import InvalidInput, StoreUnavailable, TokenPurposeWrong
from app.core.model import GroupKey, PreferenceCentre, Preferences, Purpose, SubscriptionGroup
from app.core.page_links import PREFERENCES_PATH, UNSUBSCRIBE_PATH
from app.core.page_token import Form, PageState, PageTokens
from app.http.answers import Answer
from app.http.errors import RETRY_AFTER_SECONDS
from app.http.forms import Fields, Refusal, read_form
from app.http.requests import accept_language
from app.usecases.audience import Audience
from app.usecases.group_cache import GroupReader
from app.usecases.ports import Clock
from app.usecases.save_preferences import SavePreferences
from app.web.pages import Pages, Trouble
from app.web.pages.preference_pages import Visit
from app.web.pages.render import PageRenderer
from app.web.token_requests import RefusedToken, TokenRequests, token_text

PARAMETER = "e"
AGAIN: Mapping[str, str] = {"Retry_After": str(RETRY_AFTER_SECONDS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceParts:
    """What the preference pages are made with, beside what every page needs."""

    save: SavePreferences
    groups: GroupReader
    audience: Audience
    page_tokens: PageTokens
    public_url: str
    new_id: Callable[[], bytes]  # 16 random bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """A reader with a good link: the visit that pages speak of, and the token as it stands in a
    URL.
    """

    visit: Visit
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SentForm:
    """A form of our own page, with what that page showed."""

    fields: Fields
    page: PageState


Show = Callable[[Visitor], Awaitable[Answer]]
Save = Callable[[Visitor, SentForm], Awaitable[Answer]]

_REFUSALS = {
    Refusal.FOREIGN: (403, Trouble.FOREIGN),
    Refusal.TOO_LARGE: (413, Trouble.TOO_LARGE),
    Refusal.MALFORMED: (400, Trouble.MALFORMED),
}


class PreferenceRequests:
    """Receives the readers of both preference pages."""

    def __init__(
        self,
        *,
        tokens: TokenRequests,
        parts: PreferenceParts,
        renderer: PageRenderer,
        pages: Pages,
        clock: Clock,
    ) -> None:
        self._tokens = tokens
        self._parts = parts
        self._renderer = renderer
        self._pages = pages
        self._clock = clock
        url = urlsplit(parts.public_url)
        self._base = url.path
        self._origin = f"{url.scheme}://{url.netloc}"

    async def receive(
        self, scope: Scope, receive: Receive, *, show: Show, save: Save
    ) -> Answer | None:
        """Return the answer to one request; None when the client went away before its request was
        complete.
        """
        form = (
            await read_form(scope, receive, own_origin=self._origin)
            if scope["method"] == "POST"
            else None
        )
        if form is Refusal.GONE:
            return None
        languages = accept_language(scope)
        opened = self._tokens.open(scope, purpose=Purpose.PREFERENCES, parameter=PARAMETER)
        if isinstance(opened, RefusedToken):
            return self._refused(opened, languages)
        visit = Visit(
            claims=opened, brand=self._renderer.brand(opened.brand), accept_language=languages
        )
        visitor = Visitor(visit=visit, token=quote(token_text(scope, PARAMETER), safe=""))
        try:
            return await show(visitor) if form is None else await self._save(visitor, form, save)
        except StoreUnavailable:
            return self.trouble(
                visitor,
                503,
                Trouble.UNREAD,
                link=f"{self._base}{scope['path']}?{PARAMETER}={visitor.token}",
                fields=AGAIN,
            )

    async def _save(self, visitor: Visitor, form: Fields | Refusal, save: Save) -> Answer:
        if isinstance(form, Refusal):
            return self.trouble(visitor, *_REFUSALS[form])
        try:
            page = self._parts.page_tokens.open(form.one("page"), visitor.visit.claims)
        except InvalidInput:
            return self.trouble(visitor, 403, Trouble.FOREIGN)
        return await save(visitor, SentForm(fields=form, page=page))

    def _refused(self, refused: RefusedToken, languages: str) -> Answer:
        if refused.throttled:
            return self._pages.trouble(
                429, Trouble.TOO_MANY, languages, fields={"Retry_After": "60"}
            )
        if isinstance(refused.error, TokenPurposeWrong):  # catalogue T4
            return self._pages.trouble(403, Trouble.WRONG_PURPOSE, languages)
        return self._pages.trouble(404, Trouble.NO_ADDRESS, languages)

    def trouble(  # noqa: PLR0913 - what an answer consists of
        self,
        visitor: Visitor,
        status: int,
        trouble: Trouble,
        *,
        again: Sequence[tuple[str, str]] = (),
        link: str = "",
        fields: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return a page that says why not; see `Pages.trouble`."""
        return self._pages.trouble(
            status,
            trouble,
            visitor.visit.accept_language,
            again=again,
            link=link,
            fields=fields or {},
        )

    async def groups(self, visitor: Visitor) -> Sequence[SubscriptionGroup]:
        """Return all groups of the visitor's brand. Raises StoreUnavailable when they were never
        read.
        """
        return (
            await self._parts.groups.groups(visitor.visit.claims.brand)
            if visitor.visit.brand
            else ()
        )

    async def preferences(self, visitor: Visitor) -> Preferences:
        """Return what holds for the visitor now. Raises StoreUnavailable."""
        claims = visitor.visit.claims
        (found,) = await self._parts.audience.states(claims.brand, [claims.digest])
        return found

    def expired(self, page: PageState) -> bool:
        """Tell whether the page is too old to decide."""
        return page.expired(self._clock())

    def page_token(
        self,
        visitor: Visitor,
        form: Form,
        preferences: Preferences | None,
        groups: Sequence[GroupKey],
    ) -> str:
        """Return the token of a page that shows these groups as they are now; of what cannot be
        read, as subscribed.
        """
        known = preferences or Preferences()
        state = PageState(
            form=form,
            made_ms=self._clock(),
            sequence=known.sequence,
            shown=preference_form.shown(known, groups),
        )
        return self._parts.page_tokens.sign(state, visitor.visit.claims)

    def centre_link(self, visitor: Visitor) -> str:
        """Return the address of the visitor's preference centre."""
        return f"{self._base}{PREFERENCES_PATH}?{PARAMETER}={visitor.token}"

    def leave_link(self, visitor: Visitor) -> str:
        """Return the address of the visitor's group unsubscribe page."""
        return f"{self._base}{UNSUBSCRIBE_PATH}?{PARAMETER}={visitor.token}"

    def manage_link(self, visitor: Visitor, groups: Sequence[SubscriptionGroup]) -> str:
        """Return the address of the preference centre while there is something to choose in it,
        else nothing.
        """
        brand = visitor.visit.brand
        offered = brand is not None and brand.preference_centre is not PreferenceCentre.NONE
        return (
            self.centre_link(visitor)
            if offered and any(not group.archived for group in groups)
            else ""
        )
