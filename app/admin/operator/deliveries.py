"""What is on its way to a brand's endpoints, what was given up, and the button that sends it
again.
"""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from app.admin.api.serialize import shown_url
from app.admin.operator.handler import OperatorRequest, trouble
from app.admin.operator.paths import DELIVERIES, of_brand
from app.admin.operator.render import OperatorRenderer, redirect
from app.core.audit import AuditAction
from app.core.events import event_name
from app.core.webhook import DeadLetter, Delivery
from app.http.answers import Answer
from app.http.forms import Fields
from app.usecases.administration import Administration
from app.usecases.webhooks import EndpointState

_WAITING_SHOWN = 50
_LETTERS_SHOWN = 50


class Line(NamedTuple):
    """One delivery as the page shows it."""

    event: str
    recipient: str
    endpoint: str
    attempts: int
    reason: str
    at_ms: int  # of the next attempt, or when it was given up
    cursor: str = ""


class DeliveryPages:
    """Shows and obeys `/operator/brands/{brand}/deliveries`."""

    def __init__(self, renderer: OperatorRenderer, services: Administration) -> None:
        self._renderer = renderer
        self._services = services

    async def show(self, visit: OperatorRequest) -> Answer:
        """Show endpoints, what waits, and a page of dead letters."""
        webhooks, number = self._services.webhooks, visit.brand.number
        states = await webhooks.endpoints(number)
        waiting = await webhooks.waiting(number, limit=_WAITING_SHOWN)
        letters = await webhooks.dead_letters(
            number, after=visit.query.get("after", ""), limit=_LETTERS_SHOWN
        )
        urls = {state.endpoint.key: shown_url(state.endpoint) for state in states}

        def line(delivery: Delivery, at_ms: int, cursor: str = "") -> Line:
            statement = delivery.statement
            return Line(
                event=event_name(
                    subscribed=statement.subscribed,
                    source=statement.source,
                    changed=delivery.changed,
                ).value,
                recipient=statement.digest.hex(),
                endpoint=urls.get(delivery.endpoint, "an endpoint that is no more"),
                attempts=delivery.attempts,
                reason=delivery.reason,
                at_ms=at_ms,
                cursor=cursor,
            )

        values = {
            "endpoints": [
                (urls[state.endpoint.key], state.endpoint.format.value, _state_word(state))
                for state in states
            ],
            "waiting": [line(one.delivery, one.due_ms) for one in waiting],
            "waiting_most": _WAITING_SHOWN,
            "letters": [line(one.delivery, one.at_ms, one.cursor) for one in letters],
            "following": _following(visit, letters),
            "resent": visit.query.get("resent", ""),
        }
        about = {
            "operator": visit.operator,
            "brand": visit.brand,
            "here": "deliveries",
            "may_write": visit.may_write,
        }
        return self._renderer.page("deliveries", {**about, **values})

    async def act(self, visit: OperatorRequest, form: Fields) -> Answer:
        """Deliver dead letters again: those named, or all."""
        if not visit.may_write:
            return trouble(
                self._renderer,
                403,
                "This key may not write",
                "Nothing was sent again.",
                visit.operator,
            )
        named = form.all("letter")
        everything = form.one("all") == "yes"
        if not named and not everything:
            return trouble(
                self._renderer, 400, "Nothing was chosen", "Nothing was sent again.", visit.operator
            )
        resent = await self._services.webhooks.resend(
            visit.brand.number, None if everything else named
        )
        await self._services.auditing.note(
            visit.brand, visit.operator.key.id, AuditAction.WEBHOOK_RESENT, "", resent=str(resent)
        )
        return redirect(f"{of_brand(visit.brand, DELIVERIES)}?{urlencode({'resent': resent})}")


def _state_word(state: EndpointState) -> str:
    return "switched off: it answered 410" if state.switched_off else "on"


def _following(visit: OperatorRequest, letters: Sequence[DeadLetter]) -> str:
    """Return the address of the next page of dead letters, empty at their end."""
    full = len(letters) == _LETTERS_SHOWN
    return (
        f"{of_brand(visit.brand, DELIVERIES)}?{urlencode({'after': letters[-1].cursor})}"
        if full
        else ""
    )
