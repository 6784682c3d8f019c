"""One recipient: state, history, unsubscribe, resubscribe, erase."""

import re
from collections.abc import Sequence

from app.admin.api.call import OF_BRAND, AnyOperation, Call, NoBody, NoQuery, Operation
from app.admin.api.requests import LimitQuery, Resubscribe, Unsubscribe
from app.admin.api.responses import EventPage, RecipientView, Saved, shown
from app.admin.api.serialize import recipient_view
from app.core.api_key import KeyScope
from app.core.errors import RuleViolation
from app.core.events import facts
from app.core.model import Acknowledgement, Statement
from app.core.times import iso
from app.http.answers import Answer, answer
from app.usecases.administration import Administration

_PATH = f"{OF_BRAND}/recipients/{{address}}"
_ETAG = re.compile(r'"([0-9]{1,16})"')


class RecipientEndpoints:
    """Answers `…/recipients/{address}` and what is below it."""

    def __init__(self, services: Administration) -> None:
        self._services = services

    def operations(self) -> Sequence[AnyOperation]:
        """Return the rows of the table."""
        return (
            Operation(
                id="getRecipient",
                method="GET",
                path=_PATH,
                summary="What a recipient said",
                description=(
                    "Somebody who never said anything is subscribed to everything. The ETag is the"
                    " sequence of the state."
                ),
                endpoint=self.state,
                query=NoQuery,
                body=NoBody,
                scope=KeyScope.READ,
                answers={200: RecipientView},
                answer_fields={"ETag": "the sequence of the state, for If-Match"},
            ),
            Operation(
                id="eraseRecipient",
                method="DELETE",
                path=_PATH,
                summary="Erase a recipient",
                description=(
                    "Leaves only the keyed hash and what it has left, so that a suppression goes on"
                    " to hold. Idempotent."
                ),
                endpoint=self.erase,
                query=NoQuery,
                body=NoBody,
                scope=KeyScope.WRITE,
                answers={204: None},
            ),
            Operation(
                id="eraseRecipientByPost",
                method="POST",
                path=f"{_PATH}/erase",
                summary="Erase a recipient",
                description="The same as DELETE, in the form of the other two verbs.",
                endpoint=self.erase,
                query=NoQuery,
                body=NoBody,
                scope=KeyScope.WRITE,
                answers={204: None},
            ),
            Operation(
                id="getRecipientHistory",
                method="GET",
                path=f"{_PATH}/history",
                summary="What happened to a recipient, the oldest first",
                endpoint=self.history,
                query=LimitQuery,
                body=NoBody,
                scope=KeyScope.READ,
                answers={200: EventPage},
            ),
            Operation(
                id="unsubscribeRecipient",
                method="POST",
                path=f"{_PATH}/unsubscribe",
                summary="Unsubscribe a recipient",
                description=(
                    "Durable before the answer, like a click. Idempotent: a second one changes"
                    " nothing."
                ),
                endpoint=self.unsubscribe,
                query=NoQuery,
                body=Unsubscribe,
                scope=KeyScope.WRITE,
                answers={200: Saved},
            ),
            Operation(
                id="resubscribeRecipient",
                method="POST",
                path=f"{_PATH}/resubscribe",
                summary="Subscribe a recipient again who has consented to it",
                description=(
                    "409 when the recipient said something since the state was read. The consent is"
                    " kept in the audit."
                ),
                endpoint=self.resubscribe,
                query=NoQuery,
                body=Resubscribe,
                scope=KeyScope.WRITE,
                answers={200: Saved},
                problems=(409,),
                fields={"If-Match": "the ETag of the recipient, in the place of `sequence`"},
            ),
        )

    async def state(self, call: Call, _query: NoQuery, _body: NoBody) -> Answer:
        """Show what the recipient said; its sequence is the ETag."""
        address, recipients = call.path["address"], self._services.recipients
        state = await recipients.state(call.brand, address)
        words = await self._services.words(call.brand)
        digest = recipients.digest(call.brand, address)
        self._services.auditing.saw(call.brand, call.key.id, "state", digest.hex())
        view = recipient_view(digest, state, words, address=address.strip())
        return shown(200, view, ETag=f'"{state.sequence}"')

    async def history(self, call: Call, query: LimitQuery, _body: NoBody) -> Answer:
        """Show what happened, the oldest first."""
        entries = await self._services.recipients.history(
            call.brand, call.path["address"], limit=query.limit
        )
        digest = self._services.recipients.digest(call.brand, call.path["address"])
        self._services.auditing.saw(call.brand, call.key.id, "history", digest.hex())
        words = await self._services.words(call.brand)
        arrivals = [self._services.feed.arrival(call.brand, words, entry) for entry in entries]
        return shown(
            200,
            EventPage(
                events=[facts(one.event) | {"arrived": iso(one.arrived_ms)} for one in arrivals]
            ),
        )

    async def unsubscribe(self, call: Call, _query: NoQuery, body: Unsubscribe) -> Answer:
        """Unsubscribe, durably, as a click does."""
        statement, saved = await self._services.recipients.unsubscribe(
            call.brand, call.path["address"], body.groups, actor=call.key.id
        )
        return _saved(statement, saved)

    async def resubscribe(self, call: Call, _query: NoQuery, body: Resubscribe) -> Answer:
        """Subscribe again, with the recipient's consent, if nothing has happened since the state
        was read (catalogue Q6).
        """
        statement, saved = await self._services.recipients.resubscribe(
            call.brand,
            call.path["address"],
            body.groups,
            sequence=_sequence(call, body),
            consent=body.consent,
            actor=call.key.id,
        )
        return _saved(statement, saved)

    async def erase(self, call: Call, _query: NoQuery, _body: NoBody) -> Answer:
        """Erase everything but the keyed hash and what it is suppressed from (catalogue Q12)."""
        digest = self._services.recipients.digest(call.brand, call.path["address"])
        await self._services.erase(call.brand, digest, actor=call.key.id)
        return answer(204, "application/json", b"")


def _saved(statement: Statement, acknowledgement: Acknowledgement) -> Answer:
    return shown(
        200,
        Saved(
            id=statement.id.hex(), recipient=statement.digest.hex(), copies=acknowledgement.copies
        ),
    )


def _sequence(call: Call, body: Resubscribe) -> int:
    """Return the sequence that the caller saw: from the body, or from If-Match (RFC 9110
    13.1.1).
    """
    field = call.fields.get("if-match")
    found = _ETAG.fullmatch(field.strip()) if field else None
    if field and found is None:
        raise RuleViolation("If-Match must be the ETag of the recipient")
    seen = {int(found[1])} if found else set[int]()
    if body.sequence is not None:
        seen.add(body.sequence)
    if len(seen) != 1:
        raise RuleViolation(
            "the sequence that was seen must be told, by `sequence` or by If-Match, and not as two"
            " different ones"
        )
    return seen.pop()
