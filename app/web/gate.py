"""Where a token enters the web process: taken from the URL, opened, counted, and throttled when it is one bad token of many.

A token that does not open is expected here, so it is a value, not an exception.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import unquote, unquote_plus

from app.core.errors import InvalidInput, Unavailable
from app.core.model import Acknowledgement, Claims, Purpose, Source
from app.observe.log import LogEvent, logger
from app.observe.metrics import TOKEN_ERRORS, UNSUBSCRIBES
from app.usecases.one_click import OneClick
from app.web.throttle import Clients, Throttle

PARAMETER = "qmoe"

_PATH_PREFIX = "/u/"


class Result(StrEnum):
    """What became of an unsubscribe request: a label of the metric."""

    SAVED = "saved"
    TEST = "test"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A token that does not open. `throttled`: one too many from this network."""

    error: InvalidInput
    throttled: bool


class Gate:
    """Opens the tokens of requests and saves what they state."""

    def __init__(self, *, one_click: OneClick, throttle: Throttle, clients: Clients) -> None:
        self._one_click = one_click
        self._throttle = throttle
        self._clients = clients
        self._log = logger("web").bind()
        self._counts = {(source, result): UNSUBSCRIBES.labels(source.label, result.value) for source in Source for result in Result}

    def open(self, scope: Mapping[str, Any], *, purpose: Purpose) -> Claims | Refused:  # Any: an ASGI scope is an open dictionary
        """Return the claims of the request's token, or why there are none; changes nothing but counters."""
        try:
            return self._one_click.look(token_text(scope), purpose=purpose)
        except InvalidInput as exc:
            return self._refused(scope, exc)

    async def leave(self, claims: Claims, *, source: Source) -> Acknowledgement:
        """Unsubscribe the holder and return once that is durable. Raises Unavailable when nothing could be made durable."""
        try:
            acknowledgement = await self._one_click.leave(claims, source=source)
        except Unavailable:
            self._counts[source, Result.UNAVAILABLE].inc()
            raise
        self._counts[source, Result.TEST if claims.test else Result.SAVED].inc()
        self._log.debug(LogEvent.CLICK_ACKNOWLEDGED, source=source.label, copies=acknowledgement.copies, recipient=claims.digest.hex())
        return acknowledgement

    def _refused(self, scope: Mapping[str, Any], error: InvalidInput) -> Refused:  # Any: as above
        TOKEN_ERRORS.labels(error.code).inc()
        throttled = not self._throttle.allows(self._clients.network(scope))
        if not throttled:
            self._log.info(LogEvent.TOKEN_REFUSED, reason=error.code)
        return Refused(error=error, throttled=throttled)


def token_text(scope: Mapping[str, Any]) -> str:  # Any: as above
    """Return the token's text from `?qmoe=` or, when there is none, from the path `/u/TOKEN`; empty when there is neither.

    Forgives an escaped ampersand or equals sign around the parameter, which mail software is known to make (catalogue T11).
    """
    query: str = scope["query_string"].decode("latin-1")
    token = _parameter(query) or _parameter(unquote(query))
    path: str = scope["path"]
    return token or (path[len(_PATH_PREFIX) :] if path.startswith(_PATH_PREFIX) else "")


def _parameter(query: str) -> str:
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if equals and value and name.removeprefix("amp;").lower() == PARAMETER:
            return unquote_plus(value)
    return ""
