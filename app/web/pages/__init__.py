"""The pages a reader sees: finished HTML in the reader's language, without a request to anywhere
else.

Texts come only from `locales`. A page shows the brand and a masked address: whoever holds the link
may not learn the address from it (catalogue H19). Here are the pages of a one-click link and those
that say why not; `preference_pages` has the others.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from app.core.model import Claims
from app.http.answers import Answer
from app.web.pages.render import PageRenderer

_NO_FIELDS: Mapping[str, str] = {}


class Trouble(StrEnum):
    """Why a reader cannot have the page; the value is the stem of its messages."""

    NOT_FOUND = "not_found"  # a link that does not open
    NO_ADDRESS = "no_address"  # the same, of a link to the preference pages
    WRONG_PURPOSE = "wrong_purpose"
    NO_CENTRE = "no_centre"  # the brand has no preference centre
    MISSING = "missing"  # an address where nothing is
    FOREIGN = "foreign"  # a form that is not ours
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    UNAVAILABLE = "unavailable"
    UNREAD = "unread"
    UNSAVED = "unsaved"
    PARTLY = "partly"
    TOO_MANY = "too_many"
    FAILED = "failed"


_HINTS: Mapping[Trouble, tuple[str, ...]] = {
    Trouble.NO_ADDRESS: ("link", "connection", "blocker", "sender"),
    Trouble.UNREAD: ("connection", "blocker"),
    Trouble.UNSAVED: ("connection", "blocker", "sender"),
}


class Pages:
    """Renders the pages of a one-click link, and every trouble."""

    def __init__(self, renderer: PageRenderer) -> None:
        self._renderer = renderer

    def confirm(self, claims: Claims, accept_language: str) -> Answer:
        """Return the page with the one button."""
        return self._of_claims("confirm", "leave", claims, accept_language)

    def done(self, claims: Claims, accept_language: str) -> Answer:
        """Return what a reader sees after the button, once the statement is durable."""
        return self._of_claims("done", "left", claims, accept_language)

    def trouble(  # noqa: PLR0913 - what an answer consists of
        self,
        status: int,
        trouble: Trouble,
        accept_language: str,
        *,
        again: Sequence[tuple[str, str]] = (),
        link: str = "",
        fields: Mapping[str, str] = _NO_FIELDS,
    ) -> Answer:
        """Return the page that says why not; with `again`, a button that sends these fields to the
        same URL again; with `link`, a link to where it can be tried again."""
        language = self._renderer.languages.for_reader(accept_language)
        hints = [f"hint.{hint}" for hint in _HINTS.get(trouble, ())]
        values = {"trouble": trouble.value, "again": again, "link": link, "hints": hints}
        return self._renderer.page("trouble", language, values, status=status, fields=fields)

    def _of_claims(self, template: str, stem: str, claims: Claims, accept_language: str) -> Answer:
        language = self._renderer.languages.for_reader(accept_language)
        brand = self._renderer.brand(claims.brand)
        scope = "unnamed" if claims.groups else "all"
        values = {
            **self._renderer.names(claims, brand, language),
            "scope_key": f"{stem}.{scope}",
            "test": claims.test,
        }
        return self._renderer.page(template, language, values, brand=brand)
