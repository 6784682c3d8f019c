"""The answers to CleverTap's Web SDK: scripts that call what the page has defined, if it has.

A script tag tells a page nothing of a status, so what went wrong is a call too, and the status is
always 200. Whatever stands in a script is JSON in ASCII without `<`, `>` and `&`, so no name of a
group and no address can end it, wherever it is pasted.
"""

import json
from collections.abc import Mapping, Sequence
from enum import Enum

from app.http.answers import Answer, answer

MAX_WORDS = 4_000  # characters; the SDK sends the groups back in a URL, and they have to fit there

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
_MEDIA_TYPE = "text/javascript; charset=utf-8"


class Reason(Enum):
    """Why something did not happen, as the page's `…_failed` function is told."""

    LINK = "This link is not valid."
    TOO_MANY = "Too many invalid links from your network. Try again in a minute."
    REQUEST = "The request cannot be understood."
    ACCOUNT = "The account id of this page is not the sender's brand id."
    NO_OWN_PAGE = "The sender has no page of its own."
    NOT_A_SCRIPT = "This is done by the page's script only."
    GROUPS = "The groups cannot be understood, or one of them does not exist."
    NOT_HERE = "Only who has just unsubscribed on this page can resubscribe on it."
    CHANGED = "The preferences have changed since this page was opened. Open it again."
    PARTLY = (
        "What was switched off is saved; what was switched on could not be saved. Try again later."
    )
    UNAVAILABLE = "This cannot be done now. Try again later."


def script(*calls: str) -> Answer:
    """Return the script of these calls, which a page of any origin may load."""
    return answer(
        200,
        _MEDIA_TYPE,
        "".join(calls).encode("ascii"),
        Cross_Origin_Resource_Policy="cross-origin",
    )


def failed(reason: Reason, *, looking: bool) -> Answer:
    """Return the script that tells the page that it learns nothing, or that nothing, or not all,
    was saved.
    """
    return script(
        page_call(
            "wzrk_email_fetched_failed" if looking else "wzrk_email_subscription_failed",
            reason.value,
        )
    )


def page_call(function: str, *values: object) -> str:
    """Return the call of a function of the page."""
    return f'if(typeof {function}==="function"){function}({_arguments(values)});\n'


def sdk_call(function: str, *values: object) -> str:
    """Return the call of a function of the SDK."""
    named = f"$WZRK_WR.{function}"
    return (
        'if(typeof $WZRK_WR==="object"&&$WZRK_WR&&typeof'
        f' {named}==="function"){named}({_arguments(values)});\n'
    )


def remember(told: str) -> str:
    """Return the call that makes the SDK send this with its next request: pages without groups do
    not do it themselves.
    """
    return sdk_call("setUpdatedCategoryLong", {"cUsY": told}) if told else ""


def subscription(*, subscribed: bool, told: str) -> Answer:
    """Return the script that tells the page what the reader is from now on."""
    return script(remember(told), page_call("wzrk_email_subscription", "1" if subscribed else "0"))


def fetched(address: str, profile: Mapping[str, object], *, told: str) -> Answer:
    """Return the script that tells the page who its reader is."""
    return script(
        remember(told), page_call("wzrk_email_fetched", address, {**profile, "cUsY": told})
    )


def group_lines(groups: Sequence[tuple[str, str, bool]]) -> list[dict[str, object]]:
    """Return groups, each by name, description and whether it is off, as pages expect them; the
    descriptions cut to the room there is.
    """
    room = max(0, MAX_WORDS - sum(len(name) for name, _, _ in groups)) // (len(groups) or 1)
    return [
        {"name": name, "description": _cut(text, room), "isUnsubscribed": is_off}
        for name, text, is_off in groups
    ]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(0, most - 1)].rstrip() + "…" * (most > 0)


def _arguments(values: Sequence[object]) -> str:
    return ",".join(
        json.dumps(value, separators=(",", ":")).translate(_ESCAPES) for value in values
    )
