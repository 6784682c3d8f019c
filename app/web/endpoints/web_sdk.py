"""The addresses that CleverTap's Web SDK calls, `/e`, `/a` and `/r`: a page made for it works once
its account line is changed.

The SDK adds a script tag for each call. State changes by GET are its protocol; what keeps
prefetchers and link scanners out is that the link leads to the brand's page, not here, and that a
change needs what only the page's script puts together: the brand's id, packed. A browser that says
that it wants anything but a script changes nothing. A one-click token never acts here (catalogue
T4).

The SDK's encrypted form asks by `fetch` and with a field of its own; for 402 it comes back with the
script tag.
"""

import re
from collections.abc import Callable
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from app.core.brands import Brands
from app.core.errors import NotFound, Unavailable
from app.core.model import Brand, Claims, PreferenceCentre, Purpose
from app.http.answers import Answer, answer
from app.usecases.ports import Clock
from app.web.endpoints.web_sdk_acts import LandingPage
from app.web.endpoints.web_sdk_call import Act, SdkCall, first_values, read_call, unpacked
from app.web.endpoints.web_sdk_script import Reason, failed, script, sdk_call
from app.web.preference_request import PARAMETER
from app.web.token_requests import RefusedToken, TokenRequests

_METHODS = "GET, OPTIONS"
_ENCRYPTED = "x-clevertap-encryption-enabled"
_ANY_ORIGIN = {"Access_Control_Allow_Origin": "*"}
_PREFLIGHT = answer(
    200,
    "text/plain; charset=utf-8",
    b"",
    Access_Control_Allow_Methods="GET",
    Access_Control_Allow_Headers="Accept, X-CleverTap-Encryption-Enabled",
    Access_Control_Max_Age="86400",
    **_ANY_ORIGIN,
)
_NOT_ENCRYPTED = answer(
    HTTPStatus.PAYMENT_REQUIRED,
    "text/plain; charset=utf-8",
    b"Encryption in transit is not offered.\n",
    **_ANY_ORIGIN,
)
_DEVICE = re.compile(r"[A-Za-z0-9_.:@!$-]{1,128}")
_NUMBER = re.compile(r"[0-9]{1,9}")
_MAX_SESSION = 2**53
# anybody may ask `/a`: the SDK sends a few hundred
_MAX_EVENT_CHARS, _MAX_EVENT_UNITS = 2_048, 8_192


class PageEndpoint:
    """Answers `/e`: who the reader is, and what they decide."""

    def __init__(self, *, tokens: TokenRequests, page: LandingPage, brands: Brands) -> None:
        self._tokens = tokens
        self._page = page
        self._brands = brands

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = _without_script(scope) or await self._answer(scope)
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope) -> Answer:
        call = read_call(scope["query_string"])
        looking = call.act is Act.LOOK
        opened = self._tokens.open(scope, purpose=Purpose.PREFERENCES, parameter=PARAMETER)
        if isinstance(opened, RefusedToken):
            return failed(Reason.TOO_MANY if opened.throttled else Reason.LINK, looking=looking)
        brand = self._brand_with_own_page(opened)
        if brand is None:
            return failed(Reason.NO_OWN_PAGE, looking=looking)
        if call.act is None:
            return failed(Reason.REQUEST, looking=False)
        reason = None if looking else _objection(scope, call, brand)
        if reason:
            return failed(reason, looking=looking)
        try:
            return await self._page.do(call.act, call, opened)
        except Unavailable:
            return failed(Reason.UNAVAILABLE, looking=looking)

    def _brand_with_own_page(self, claims: Claims) -> Brand | None:
        """Return the link's brand when it has a page of its own; our pages mask the address, and no
        other way may tell it whole.
        """
        try:
            brand = self._brands.by_number(claims.brand)
        except NotFound:
            return None
        return brand if brand.preference_centre is PreferenceCentre.CUSTOM else None


def _objection(scope: Scope, call: SdkCall, brand: Brand) -> Reason | None:
    """Return why this is no request of the brand's page that may change anything."""
    if Headers(scope=scope).get("sec-fetch-dest", "script") != "script":
        return Reason.NOT_A_SCRIPT
    if call.data is None:
        return Reason.REQUEST
    return None if call.data.account == brand.id else Reason.ACCOUNT


class EventEndpoint:
    """Answers `/a`, which a page without `wzrk_ex=0` in its address calls first, to be given a
    device id and a session; nothing is kept.
    """

    def __init__(self, *, clock: Clock, new_id: Callable[[], bytes]) -> None:
        self._clock = clock
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: the ids that the SDK has already, else new ones, and the number of
        its request.
        """
        await (_without_script(scope) or self._answer(scope))(scope, receive, send)

    def _answer(self, scope: Scope) -> Answer:
        query = first_values(scope["query_string"]) or {}
        device, number = query.get("gc", ""), query.get("rn", "0")
        return script(
            sdk_call(
                "s",
                device if _DEVICE.fullmatch(device) else self._new_id().hex(),
                self._session(query.get("d", "")),
                False,
                int(number) if _NUMBER.fullmatch(number) else 0,
                False,
            )
        )

    def _session(self, data: str) -> int:
        """Return the session that the SDK is in, or a new one, which is the time in seconds."""
        try:
            session = unpacked(data, most_chars=_MAX_EVENT_CHARS, most_units=_MAX_EVENT_UNITS).get(
                "s"
            )
        except ValueError:
            session = None
        if (
            isinstance(session, int)
            and not isinstance(session, bool)
            and 0 < session < _MAX_SESSION
        ):
            return session
        return self._clock() // 1000


class RecorderEndpoint:
    """Answers `/r`, by which the SDK reports its own errors: with nothing."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await (_without_script(scope) or script())(scope, receive, send)


def _without_script(scope: Scope) -> Answer | None:
    """Return the answer to what is not asked by a script tag; None when it is. Raises HTTPException
    405: HEAD changes nothing either.
    """
    if scope["method"] == "OPTIONS":
        return _PREFLIGHT
    if scope["method"] != "GET":
        raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": _METHODS})
    return _NOT_ENCRYPTED if _ENCRYPTED in Headers(scope=scope) else None
