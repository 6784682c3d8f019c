"""What CleverTap's Web SDK asks of `/e`, read from a query that anybody may have written.

1. `r` stands twice in it, once as 1 and once as the time; neither says anything.
2. `sub` says what is asked: absent to look, 0 to leave, 1 to come back, 2 to choose groups.
3. `d` is `{"id":ACCOUNT,"unsubGroups":[{"name":…,"isUnsubscribed":…}],"cUsY":…}` in the form of
   `app.core.lz_string`. The SDK sends the groups that the page once gave it with every request;
   they count only when groups are chosen.
4. `page_type=group`: the page is about the campaign's groups alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from urllib.parse import parse_qsl

from app.core.lz_string import decompress_base64

MAX_DATA_CHARS = 8_192
MAX_DATA_UNITS = 65_536  # of UTF-16, unpacked

_MAX_PARAMETERS = 64


class Act(Enum):
    """What is asked."""

    LOOK = "look"
    LEAVE = "leave"
    COME_BACK = "come_back"
    CHOOSE = "choose"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageData:
    """What the page says of itself: the account it was written for, the groups it was given, and
    what it was told when it looked.
    """

    account: str
    # by name, True: unsubscribed; None: they cannot be understood
    chosen: Mapping[str, bool] | None
    told: str


@dataclass(frozen=True, kw_only=True)
class SdkCall:
    """One request. `act` is None for a `sub` that nobody knows."""

    act: Act | None
    with_groups: bool
    of_campaign: bool
    # `d` as it came: unpacking it costs more than all else, so it waits until the link has been
    # found good
    packed: str

    @cached_property
    def data(self) -> PageData | None:
        """Return what `d` holds, None when that cannot be understood."""
        return _data(self.packed)


_ACTS = {None: Act.LOOK, "0": Act.LEAVE, "1": Act.COME_BACK, "2": Act.CHOOSE}


def read_call(query: bytes) -> SdkCall:
    """Return what a query asks; where a parameter is repeated, its first value counts."""
    given = first_values(query)
    if given is None:  # nothing that the SDK writes
        given = {"sub": ""}
    return SdkCall(
        act=_ACTS.get(given.get("sub")),
        with_groups=given.get("fetchGroups") == "true",
        of_campaign=given.get("page_type") == "group",
        packed=given.get("d", ""),
    )


def unpacked(
    text: str, *, most_chars: int = MAX_DATA_CHARS, most_units: int = MAX_DATA_UNITS
) -> Mapping[str, object]:
    """Return the JSON object that a `d` holds. Raises ValueError, also when it is longer than this,
    packed or not.
    """
    if len(text) > most_chars:
        raise ValueError("longer than is allowed")
    try:
        # A plus sign that some link rewriter has unescaped has become a space on its way here.
        found = json.loads(decompress_base64(text.replace(" ", "+"), most_units=most_units))
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004 - what came in is malformed; the caller is not
    return found


def first_values(query: bytes) -> Mapping[str, str] | None:
    """Return the first value of each parameter; None when there are more of them than the SDK
    sends, which costs a count of `&` alone.
    """
    try:
        pairs = parse_qsl(
            query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MAX_PARAMETERS
        )
    except ValueError:
        return None
    return dict(reversed(pairs))


def _data(text: str) -> PageData | None:
    try:
        found = unpacked(text)
    except ValueError:
        return None
    account, told = found.get("id"), found.get("cUsY", "")
    if not isinstance(account, str):
        return None
    return PageData(
        account=account,
        chosen=_chosen(found.get("unsubGroups")),
        told=told if isinstance(told, str) else "",
    )


def _chosen(entries: object) -> Mapping[str, bool] | None:
    """Return what a list of groups says of each, None for anything but a list of names and truths
    without a contradiction.
    """
    if not isinstance(entries, list):
        return None
    chosen: dict[str, bool] = {}
    for entry in entries:
        name, is_off = (
            (entry.get("name"), entry.get("isUnsubscribed"))
            if isinstance(entry, dict)
            else (None, None)
        )
        if (
            not isinstance(name, str)
            or not isinstance(is_off, bool)
            or chosen.setdefault(name, is_off) is not is_off
        ):
            return None
    return chosen
