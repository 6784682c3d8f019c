"""The pages on which readers choose: the group unsubscribe page, the preference centre, and what
follows on each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from app.core.model import Brand, Claims
from app.http.answers import Answer
from app.web.pages.render import PageRenderer


class Note(StrEnum):
    """What a page says before anything else; the value is the stem of its message."""

    STALE = "stale"
    MOVED = "moved"
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Who looks at a page: the link's claims, the brand when there still is one, and the languages
    that the reader likes.
    """

    claims: Claims
    brand: Brand | None
    accept_language: str
    preview: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLine:
    """One group on a page. `value` is what its toggle sends."""

    name: str
    description: str = ""
    value: str = ""
    on: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a group unsubscribe link is about: all mail, or groups; `unnamed` counts those that the
    brand never created.
    """

    everything: bool
    groups: Sequence[GroupLine] = ()
    unnamed: int = 0

    @property
    def kind(self) -> str:
        """Return which of a message's variants speaks of this scope."""
        return "all" if self.everything else "groups" if self.groups else "unnamed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Centre:
    """What the preference centre shows. `all_on_again`: the reader's choice switched all mail on
    without saying so.
    """

    everything: bool
    groups: Sequence[GroupLine] = field(default_factory=tuple)
    all_on_again: bool = False


class PreferencePages:
    """Renders them. A link that is empty is not shown."""

    def __init__(self, renderer: PageRenderer) -> None:
        self._renderer = renderer

    def leave(  # noqa: PLR0913 - what the page says
        self,
        visit: Visit,
        scope: Scope,
        *,
        page_token: str,
        manage: str,
        note: Note | None = None,
        status: int = 200,
    ) -> Answer:
        """Return the group unsubscribe page: what its one button leaves."""
        return self._page(
            "leave",
            visit,
            status=status,
            scope=scope,
            page_token=page_token,
            manage=manage,
            note=note,
        )

    def already(
        self,
        visit: Visit,
        scope: Scope,
        *,
        manage: str,
        note: Note | None = None,
        status: int = 200,
    ) -> Answer:
        """Return what a group unsubscribe link shows to who has unsubscribed already."""
        return self._page("already", visit, status=status, scope=scope, manage=manage, note=note)

    def left(self, visit: Visit, scope: Scope, *, page_token: str, manage: str) -> Answer:
        """Return what follows on leaving; with a page token, a button that takes it back."""
        return self._page("left", visit, scope=scope, page_token=page_token, manage=manage)

    def back(self, visit: Visit, scope: Scope, *, leave: str, manage: str) -> Answer:
        """Return what follows on taking it back."""
        return self._page("back", visit, scope=scope, leave=leave, manage=manage)

    def centre(
        self,
        visit: Visit,
        centre: Centre,
        *,
        page_token: str,
        note: Note | None = None,
        status: int = 200,
    ) -> Answer:
        """Return the preference centre."""
        return self._page(
            "centre",
            visit,
            status=status,
            script=True,
            centre=centre,
            page_token=page_token,
            note=note,
        )

    def saved(self, visit: Visit, centre: Centre | None, *, link: str) -> Answer:
        """Return what follows on saving; without a centre, the state cannot be shown just now."""
        return self._page("saved", visit, centre=centre, link=link)

    def _page(
        self,
        template: str,
        visit: Visit,
        *,
        status: int = 200,
        script: bool = False,
        **values: object,
    ) -> Answer:
        language = self._renderer.languages.for_reader(visit.accept_language)
        about = {
            "test": visit.claims.test,
            "preview": visit.preview,
            **self._renderer.names(visit.claims, visit.brand, language),
            **values,
        }
        return self._renderer.page(
            template, language, about, brand=visit.brand, status=status, script=script
        )
