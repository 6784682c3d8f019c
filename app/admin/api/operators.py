"""What an operator watches and manages: events, webhooks, API keys, the audit."""

from collections.abc import Sequence

from app.admin.api.call import OF_BRAND, AnyOperation, Call, NoBody, NoQuery, Operation
from app.admin.api.requests import EventQuery, KeyNew, LimitQuery, PageQuery, Resend, milliseconds
from app.admin.api.responses import (
    AuditPage,
    DeadLetterPage,
    DeliveryList,
    DeliveryView,
    EndpointView,
    EventPage,
    KeyList,
    KeyMade,
    Resent,
    WebhookView,
    shown,
)
from app.admin.api.serialize import audit_view, key_view, shown_url
from app.core.api_key import INSTALLATION, KeyScope
from app.core.audit import AuditAction
from app.core.cursors import entry_of
from app.core.errors import RuleViolation
from app.core.events import event_name, facts
from app.core.times import iso
from app.core.webhook import Delivery, EndpointKey
from app.http.answers import Answer, answer
from app.usecases.administration import Administration

_WAITING_SHOWN = 100


class OperatorEndpoints:
    """Answers `…/events`, `…/webhooks`, `…/keys` and `…/audit`."""

    def __init__(self, services: Administration) -> None:
        self._services = services

    def operations(self) -> Sequence[AnyOperation]:
        """Return the rows of the table."""
        return (
            Operation(
                id="listEvents",
                method="GET",
                path=f"{OF_BRAND}/events",
                summary="What happened, from a cursor on",
                description=(
                    "Each change once, in the order of its arrival. `next` is always there: ask"
                    " again with it."
                ),
                endpoint=self.events,
                query=EventQuery,
                body=NoBody,
                scope=KeyScope.READ,
                answers={200: EventPage},
            ),
            Operation(
                id="showWebhooks",
                method="GET",
                path=f"{OF_BRAND}/webhooks",
                summary="The endpoints, and what waits for them",
                endpoint=self.webhooks,
                query=NoQuery,
                body=NoBody,
                scope=KeyScope.READ,
                answers={200: WebhookView},
            ),
            Operation(
                id="listDeliveries",
                method="GET",
                path=f"{OF_BRAND}/webhooks/deliveries",
                summary="What waits to be delivered",
                endpoint=self.deliveries,
                query=LimitQuery,
                body=NoBody,
                scope=KeyScope.READ,
                answers={200: DeliveryList},
            ),
            Operation(
                id="listDeadLetters",
                method="GET",
                path=f"{OF_BRAND}/webhooks/dead-letters",
                summary="Deliveries that were given up",
                endpoint=self.dead_letters,
                query=PageQuery,
                body=NoBody,
                scope=KeyScope.READ,
                answers={200: DeadLetterPage},
                problems=(400,),
            ),
            Operation(
                id="resendDeadLetters",
                method="POST",
                path=f"{OF_BRAND}/webhooks/resend",
                summary="Deliver dead letters again",
                endpoint=self.resend,
                query=NoQuery,
                body=Resend,
                scope=KeyScope.WRITE,
                answers={200: Resent},
            ),
            Operation(
                id="listKeys",
                method="GET",
                path=f"{OF_BRAND}/keys",
                summary="The brand's API keys",
                endpoint=self.keys,
                query=NoQuery,
                body=NoBody,
                scope=KeyScope.KEYS,
                answers={200: KeyList},
            ),
            Operation(
                id="makeKey",
                method="POST",
                path=f"{OF_BRAND}/keys",
                summary="Make an API key of the brand",
                description=(
                    "Its text is in this answer and nowhere else. It can do no more than the key"
                    " that makes it."
                ),
                endpoint=self.make_key,
                query=NoQuery,
                body=KeyNew,
                scope=KeyScope.KEYS,
                answers={201: KeyMade},
            ),
            Operation(
                id="revokeKey",
                method="DELETE",
                path=f"{OF_BRAND}/keys/{{key}}",
                summary="End an API key at once and for good",
                endpoint=self.revoke_key,
                query=NoQuery,
                body=NoBody,
                scope=KeyScope.KEYS,
                answers={204: None},
            ),
            Operation(
                id="listAudit",
                method="GET",
                path=f"{OF_BRAND}/audit",
                summary="What was done to the brand, and by whom",
                endpoint=self.audit,
                query=PageQuery,
                body=NoBody,
                scope=KeyScope.READ,
                answers={200: AuditPage},
            ),
        )

    async def events(self, call: Call, query: EventQuery, _body: NoBody) -> Answer:
        """Give the next events; `next` is always there, since there will be more."""
        if query.cursor and query.since is not None:
            raise RuleViolation("a cursor says where to go on, so `since` says nothing beside it")
        words = await self._services.words(call.brand)
        since_ms = milliseconds(query.since) or 0
        arrivals, following = await self._services.feed.page(
            call.brand, words, cursor=query.cursor, since_ms=since_ms, limit=query.limit
        )
        events = [facts(one.event) | {"arrived": iso(one.arrived_ms)} for one in arrivals]
        return shown(200, EventPage(events=events, next=following))

    async def webhooks(self, call: Call, _query: NoQuery, _body: NoBody) -> Answer:
        """Show the endpoints and what waits for them."""
        endpoints = [
            EndpointView(
                url=shown_url(state.endpoint),
                format=state.endpoint.format.value,
                scopes=sorted(state.endpoint.scopes),
                switched_off=state.switched_off,
            )
            for state in await self._services.webhooks.endpoints(call.brand.number)
        ]
        return shown(
            200, WebhookView(endpoints=endpoints, waiting=await self._waiting(call, _WAITING_SHOWN))
        )

    async def deliveries(self, call: Call, query: LimitQuery, _body: NoBody) -> Answer:
        """Show what waits."""
        return shown(200, DeliveryList(deliveries=await self._waiting(call, query.limit)))

    async def dead_letters(self, call: Call, query: PageQuery, _body: NoBody) -> Answer:
        """Give a page of what was given up."""
        letters = await self._services.webhooks.dead_letters(
            call.brand.number, after=query.cursor, limit=query.limit
        )
        urls = await self._urls(call)
        views = [
            _delivery_view(one.delivery, urls, cursor=one.cursor, given_up=iso(one.at_ms))
            for one in letters
        ]
        following = letters[-1].cursor if len(letters) == query.limit else None
        return shown(200, DeadLetterPage(dead_letters=views, next=following))

    async def resend(self, call: Call, _query: NoQuery, body: Resend) -> Answer:
        """Deliver dead letters again."""
        resent = await self._services.webhooks.resend(call.brand.number, body.cursors)
        await self._services.auditing.note(
            call.brand, call.key.id, AuditAction.WEBHOOK_RESENT, "", resent=str(resent)
        )
        return shown(200, Resent(resent=resent))

    async def keys(self, call: Call, _query: NoQuery, _body: NoBody) -> Answer:
        """List the keys of the brand."""
        return shown(
            200,
            KeyList(
                keys=[key_view(key) for key in await self._services.api_keys.list(call.brand.id)]
            ),
        )

    async def make_key(self, call: Call, _query: NoQuery, body: KeyNew) -> Answer:
        """Make a key of the brand. It can do no more than the key that makes it, unless that is the
        installation's.
        """
        scopes = frozenset(body.scopes)
        if call.key.brand != INSTALLATION and not scopes <= call.key.scopes:
            raise RuleViolation("a key can give no scope that it does not have itself")
        key, text = await self._services.api_keys.create(
            call.brand.id, name=body.name, scopes=scopes
        )
        await self._services.auditing.note(
            call.brand,
            call.key.id,
            AuditAction.KEY_CREATED,
            key.id,
            scopes=" ".join(sorted(scopes)),
        )
        return shown(201, KeyMade(key=key_view(key), text=text))

    async def revoke_key(self, call: Call, _query: NoQuery, _body: NoBody) -> Answer:
        """End a key at once and for good."""
        key_id = call.path["key"]
        await self._services.api_keys.revoke(call.brand.id, key_id)
        await self._services.auditing.note(call.brand, call.key.id, AuditAction.KEY_REVOKED, key_id)
        return answer(204, "application/json", b"")

    async def _waiting(self, call: Call, limit: int) -> list[DeliveryView]:
        waiting, urls = (
            await self._services.webhooks.waiting(call.brand.number, limit=limit),
            await self._urls(call),
        )
        return [_delivery_view(one.delivery, urls, next_attempt=iso(one.due_ms)) for one in waiting]

    async def _urls(self, call: Call) -> dict[EndpointKey, str]:
        return {
            state.endpoint.key: shown_url(state.endpoint)
            for state in await self._services.webhooks.endpoints(call.brand.number)
        }

    async def audit(self, call: Call, query: PageQuery, _body: NoBody) -> Answer:
        """Give a page of what was done to the brand."""
        entries = await self._services.audit.entries(
            call.brand.number, after=entry_of(query.cursor), limit=query.limit
        )
        following = entries[-1].entry_id if len(entries) == query.limit else None
        return shown(200, AuditPage(audit=[audit_view(entry) for entry in entries], next=following))


def _delivery_view(
    delivery: Delivery,
    urls: dict[EndpointKey, str],
    *,
    next_attempt: str | None = None,
    cursor: str | None = None,
    given_up: str | None = None,
) -> DeliveryView:
    statement = delivery.statement
    return DeliveryView(
        id=statement.id.hex(),
        event=event_name(
            subscribed=statement.subscribed, source=statement.source, changed=delivery.changed
        ).value,
        recipient=statement.digest.hex(),
        endpoint=urls.get(delivery.endpoint, delivery.endpoint.hex()),
        attempts=delivery.attempts,
        reason=delivery.reason,
        next_attempt=next_attempt,
        cursor=cursor,
        given_up=given_up,
    )
