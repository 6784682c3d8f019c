"""What a brand's own page may do through CleverTap's Web SDK: look, leave, come back, choose
groups.

1. Leaving needs nothing but the link, and goes the durable way of every unsubscribe. It means all
   mail, as at CleverTap, with `page_type=group` the campaign's groups.
2. The page is told, as `cUsY`, what it was shown and the sequence of that state, signed and bound
   to its link (`app.core.page_token`). What it switches on counts against that alone: without it,
   or when the state has moved on, nothing is switched on.
3. After leaving, `cUsY` also holds the right to take that back. It lives in the page, so it ends
   with it, as at CleverTap. It is not given, and is worth nothing, where the reader had left, or
   has since left again, by another way than a brand's page.
4. A test link does all this and saves nothing.
"""

from collections.abc import Iterable, Mapping, Sequence

from app.core import preference_form
from app.core.errors import InvalidInput, StoreUnavailable
from app.core.group_names import GroupNames
from app.core.groups import EVERYTHING, group_key
from app.core.model import Claims, GroupKey, Preferences, Source, SubscriptionGroup
from app.core.page_token import Form, PageState
from app.core.preference_form import Shown, Wish
from app.core.preferences import state_of
from app.http.answers import Answer
from app.usecases.ports import Clock
from app.usecases.save_preferences import SavedPreferences
from app.web.endpoints.web_sdk_call import Act, SdkCall
from app.web.endpoints.web_sdk_script import Reason, failed, fetched, group_lines, subscription
from app.web.preference_request import PreferenceParts

_NOT_SAVED = {SavedPreferences.STALE: Reason.CHANGED, SavedPreferences.ONLY_LEFT: Reason.PARTLY}
_BETWEEN = "."  # no page token holds one
_NOTHING = "-"  # makes the page forget what it was told before, which no longer holds


class LandingPage:
    """Does what the page of a brand asks for."""

    def __init__(self, *, parts: PreferenceParts, clock: Clock) -> None:
        self._parts = parts
        self._clock = clock
        self._acts = {
            Act.LOOK: self._look,
            Act.LEAVE: self._leave,
            Act.COME_BACK: self._come_back,
            Act.CHOOSE: self._choose,
        }

    async def do(self, act: Act, call: SdkCall, claims: Claims) -> Answer:
        """Return the script that tells the page what became of it. Raises Unavailable when that is
        nothing.
        """
        return await self._acts[act](call, claims)

    async def _look(self, call: SdkCall, claims: Claims) -> Answer:
        try:
            groups = await self._parts.groups.groups(claims.brand)
            preferences = await self._read(claims)
        except StoreUnavailable:
            if call.with_groups:
                raise
            return _fetched(claims, [], told="")  # who wants to leave need not wait for it
        offered = _offered(call, claims, groups) if call.with_groups else ()
        shown = preference_form.shown(preferences, [group_key(group.id) for group in offered])
        lines = [
            (group.name, group.description, not shown.groups[group_key(group.id)])
            for group in offered
        ]
        # a page that looks again is still the same page
        undo = self._seen(call, claims).get(Form.RESUBSCRIBE)
        kept = undo if undo and undo.sequence == preferences.sequence else None
        return _fetched(claims, lines, told=self._told(claims, preferences, groups, undo=kept))

    async def _leave(self, call: SdkCall, claims: Claims) -> Answer:
        scope = _scope(call, claims)
        before = await self._readable(claims)
        await self._parts.save(
            claims, Wish(leave=scope), source=Source.LANDING_PAGE, expected_sequence=0
        )
        return await self._done(
            claims, subscribed=False, taken_back=_left_here(before, scope) if before else ()
        )

    async def _come_back(self, call: SdkCall, claims: Claims) -> Answer:
        if claims.test:
            return await self._done(claims, subscribed=True)
        now = await self._read(claims)
        seen = self._seen(call, claims)
        page = seen.get(Form.RESUBSCRIBE)
        if page is None:
            shown = seen.get(Form.LANDING)
            never_left = (
                shown is not None
                and shown.sequence == now.sequence
                and _all_on(now, _scope(call, claims))
            )
            return (
                await self._done(claims, subscribed=True)
                if never_left
                else failed(Reason.NOT_HERE, looking=False)
            )
        keys = tuple(page.shown.groups) or (EVERYTHING,)
        if any(state_of(now, key).source is not Source.LANDING_PAGE for key in keys):
            return failed(Reason.CHANGED, looking=False)
        saved = await self._parts.save(
            claims, Wish(join=keys), source=Source.LANDING_PAGE, expected_sequence=page.sequence
        )
        if saved in _NOT_SAVED:
            return failed(_NOT_SAVED[saved], looking=False)
        return await self._done(claims, subscribed=True)

    async def _choose(self, call: SdkCall, claims: Claims) -> Answer:
        groups = await self._parts.groups.groups(claims.brand)
        chosen = _chosen(call, claims, groups)
        if chosen is None:
            return failed(Reason.GROUPS, looking=False)
        page = self._seen(call, claims).get(Form.LANDING)
        shown = (
            page.shown
            if page
            else preference_form.shown(
                await self._readable(claims) or Preferences(), _active(groups)
            )
        )
        seen = Shown(
            everything=shown.everything,
            groups={**dict.fromkeys(chosen, shown.everything), **shown.groups},
        )
        on = {group for group, was_on in seen.groups.items() if chosen.get(group, was_on)}
        wish = preference_form.wish(seen, everything=seen.everything, on=on)
        if wish.join and page is None:
            await self._parts.save(
                claims,
                Wish(leave=wish.leave if seen.everything else ()),
                source=Source.LANDING_PAGE,
                expected_sequence=0,
            )
            return failed(Reason.CHANGED, looking=False)
        saved = await self._parts.save(
            claims, wish, source=Source.LANDING_PAGE, expected_sequence=page.sequence if page else 0
        )
        if saved in _NOT_SAVED:
            return failed(_NOT_SAVED[saved], looking=False)
        has_left = any(was_on and group not in on for group, was_on in seen.groups.items())
        return await self._done(
            claims, subscribed=not has_left and (bool(on) if seen.groups else seen.everything)
        )

    async def _done(
        self, claims: Claims, *, subscribed: bool, taken_back: Sequence[GroupKey] = ()
    ) -> Answer:
        """Return the script for what is saved, with what the page needs for its next request;
        without that while it cannot be known.
        """
        try:
            groups = await self._parts.groups.groups(claims.brand)
            after = await self._read(claims)
            keys = [key for key in taken_back if key != EVERYTHING]
            undo = self._state(Form.RESUBSCRIBE, after, keys) if taken_back else None
            told = self._told(claims, after, groups, undo=undo)
        except StoreUnavailable:
            told = _NOTHING
        return subscription(subscribed=subscribed, told=told)

    def _told(
        self,
        claims: Claims,
        preferences: Preferences,
        groups: Sequence[SubscriptionGroup],
        *,
        undo: PageState | None,
    ) -> str:
        """Return `cUsY`: what a page is shown, and what it may take back."""
        shown = self._state(Form.LANDING, preferences, _active(groups))
        return _BETWEEN.join(
            self._parts.page_tokens.sign(state, claims) for state in (shown, undo) if state
        )

    def _state(self, form: Form, preferences: Preferences, keys: Iterable[GroupKey]) -> PageState:
        return PageState(
            form=form,
            made_ms=self._clock(),
            sequence=preferences.sequence,
            shown=preference_form.shown(preferences, keys),
        )

    def _seen(self, call: SdkCall, claims: Claims) -> Mapping[Form, PageState]:
        """Return what the page was told, as far as it is genuine, for this link, and not too old to
        decide.
        """
        pages = []
        for text in (call.data.told if call.data else "").split(_BETWEEN, 1):
            try:
                pages.append(self._parts.page_tokens.open(text, claims))
            except InvalidInput:
                continue
        return {page.form: page for page in pages if not page.expired(self._clock())}

    async def _read(self, claims: Claims) -> Preferences:
        (found,) = await self._parts.audience.states(claims.brand, [claims.digest])
        return found

    async def _readable(self, claims: Claims) -> Preferences | None:
        try:
            return await self._read(claims)
        except StoreUnavailable:
            return None


def _fetched(claims: Claims, lines: Sequence[tuple[str, str, bool]], *, told: str) -> Answer:
    identity = claims.address or claims.digest.hex()
    return fetched(
        claims.address,
        {"groups": group_lines(lines), "campaignId": claims.campaign, "identity": identity},
        told=told,
    )


def _active(groups: Iterable[SubscriptionGroup]) -> list[GroupKey]:
    return [group_key(group.id) for group in groups if not group.archived]


def _of_campaign(
    call: SdkCall, claims: Claims, groups: Sequence[SubscriptionGroup]
) -> Sequence[SubscriptionGroup]:
    """Return the groups that the page is about; a test link is about every group that there is."""
    if claims.test or not call.of_campaign:
        return groups
    return [group for group in groups if group_key(group.id) in claims.groups]


def _offered(
    call: SdkCall, claims: Claims, groups: Sequence[SubscriptionGroup]
) -> Sequence[SubscriptionGroup]:
    return [group for group in _of_campaign(call, claims, groups) if not group.archived]


def _chosen(
    call: SdkCall, claims: Claims, groups: Sequence[SubscriptionGroup]
) -> Mapping[GroupKey, bool] | None:
    """Return which groups the page wants on; None when one of them is none of those the page is
    about, or is wanted both on and off.

    An archived group still has its name on pages that were opened before.
    """
    if call.data is None or call.data.chosen is None:
        return None
    names = GroupNames(_of_campaign(call, claims, groups))
    wanted: dict[GroupKey, bool] = {}
    for name, is_off in call.data.chosen.items():
        group = names.known(name)
        if group is None or wanted.setdefault(group_key(group), not is_off) is is_off:
            return None
    return wanted


def _scope(call: SdkCall, claims: Claims) -> tuple[GroupKey, ...]:
    """Return what leaving means on this page."""
    return (call.of_campaign and claims.groups) or (EVERYTHING,)


def _all_on(preferences: Preferences, scope: Iterable[GroupKey]) -> bool:
    return preferences.everything.subscribed and all(
        preference_form.subscribed(preferences, key) for key in scope
    )


def _left_here(before: Preferences, scope: Sequence[GroupKey]) -> Sequence[GroupKey]:
    """Return what of the scope a page that leaves it now may take back: what was on, or was left by
    a brand's page earlier.
    """
    if EVERYTHING not in scope and not before.everything.subscribed:
        return ()
    return [
        key
        for key in scope
        if preference_form.subscribed(before, key)
        or state_of(before, key).source is Source.LANDING_PAGE
    ]
