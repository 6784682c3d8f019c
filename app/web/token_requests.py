"""Where a token enters the web process: taken from the URL, opened, counted, and throttled when it
is one bad token of many.

A token that does not open is expected here, so it is a value, not an exception.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, unquote_plus

from app.core.errors import InvalidInput
from app.core.model import Claims, Purpose
from app.core.shipment import Shipment
from app.http.throttle import Clients, Throttle
from app.observe.log import LogEvent, logger
from app.observe.metrics import TOKEN_ERRORS
from app.usecases.shipping import TakeShipment
from app.usecases.token_links import TokenLinks

PARAMETER = "qmoe"

_PATH_PREFIX = "/u/"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedToken:
    """A token that does not open. `throttled`: one too many from this network."""

    error: InvalidInput
    throttled: bool


class TokenRequests:
    """Opens the tokens of requests."""

    def __init__(
        self,
        *,
        one_click: TokenLinks,
        shipments: TakeShipment,
        throttle: Throttle,
        clients: Clients,
    ) -> None:
        self._one_click = one_click
        self._shipments = shipments
        self._throttle = throttle
        self._clients = clients
        self._log = logger("web").bind()

    def open(
        self,
        scope: Mapping[str, Any],  # Any: an ASGI scope is an open dictionary
        *,
        purpose: Purpose,
        parameter: str = PARAMETER,
    ) -> Claims | RefusedToken:
        """Return the claims of the request's token, or why there are none; changes nothing but
        counters.
        """
        try:
            return self._one_click.look(token_text(scope, parameter), purpose=purpose)
        except InvalidInput as exc:
            return self._refused(scope, exc)

    def open_shipment(
        self,
        scope: Mapping[str, Any],  # Any: as above
        body: bytes,
        seal: str,
    ) -> Shipment | RefusedToken:
        """Return what another data centre has shipped home, or why it is not taken; changes nothing
        but counters.
        """
        try:
            return self._shipments.open(body, seal)
        except InvalidInput as exc:
            refused = self._refused(scope, exc)
            if not refused.throttled:
                self._log.warning(LogEvent.SHIPMENT_REFUSED, reason=str(exc))
            return refused

    # Any: as above
    def _refused(self, scope: Mapping[str, Any], error: InvalidInput) -> RefusedToken:
        TOKEN_ERRORS.labels(error.code).inc()
        throttled = not self._throttle.allows(self._clients.network(scope))
        if not throttled:
            self._log.info(LogEvent.TOKEN_REFUSED, reason=error.code)
        return RefusedToken(error=error, throttled=throttled)


def token_text(scope: Mapping[str, Any], parameter: str = PARAMETER) -> str:  # Any: as above
    """Return the token's text from `?qmoe=` or, when there is none, from the path `/u/TOKEN`; empty
    when there is neither.

    Forgives escaped ampersands and equals signs around the parameter, which mail software is known
    to make (catalogue T11).
    """
    query: str = scope["query_string"].decode("latin-1")
    if "&" in query:
        query = _EQUALS.sub("=", _AMPERSANDS.sub("&", query))
    token = _value(query, parameter) or _value(unquote(query), parameter)
    path: str = scope["path"]
    return token or (path[len(_PATH_PREFIX) :] if path.startswith(_PATH_PREFIX) else "")


_AMPERSANDS = re.compile(r"&(?:amp;)+")
_EQUALS = re.compile(r"&(?:#x0*3d|#0*61|equals);", re.IGNORECASE)


def _value(query: str, parameter: str) -> str:
    for pair in query.split("&"):
        name, equals, value = pair.partition("=")
        if equals and value and name.removeprefix("amp;").lower() == parameter:
            return unquote_plus(value)
    return ""
