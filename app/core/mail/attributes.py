"""X-Signoff-User-Attributes: what the sender says of its recipients, as one JSON object, or one for
each address.

It fills in the templates of a self-managed brand, so what cannot be understood is refused: a link
made of half of it would unsubscribe somebody else. The text of each error names the field and the
fault (`app.core.mail.controls`).
"""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NoReturn

from app.core.address import checked, identity
from app.core.errors import AddressInvalid, MarkingInvalid

MAX_ATTRIBUTES_OCTETS = 8192  # of one recipient
MAX_ATTRIBUTE_MAP_OCTETS = 65_536  # of all recipients of a message

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What the sender says of people: of the one recipient (`flat`), or of each (`by_address`,
    whose keys are as `identity` gives them).
    """

    flat: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    by_address: Mapping[str, Mapping[str, str]] | None = None

    def of(self, address: str) -> Mapping[str, str]:
        """Return what is said of one recipient, nothing for an address that a map does not name.
        Raises AddressInvalid.
        """
        return (
            self.flat
            if self.by_address is None
            else self.by_address.get(identity(address), _NOTHING)
        )


NO_ATTRIBUTES = Attributes()


def read_attributes(text: str) -> Attributes:
    """Return the attributes as text, numbers spelled as they came; null is as good as absent.
    Raises MarkingInvalid.
    """
    _check_length(text, MAX_ATTRIBUTE_MAP_OCTETS, "")
    try:
        found = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=str,
            parse_float=str,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as exc:
        raise MarkingInvalid("X-Signoff-User-Attributes is no JSON") from exc
    if not isinstance(found, dict):
        raise MarkingInvalid("X-Signoff-User-Attributes is no JSON object")
    people = {address: values for address, values in found.items() if isinstance(values, dict)}
    if not people:
        _check_length(text, MAX_ATTRIBUTES_OCTETS, " for one recipient")
        return Attributes(flat=_values(found))
    if len(people) < len(found):
        raise MarkingInvalid(
            "X-Signoff-User-Attributes holds values beside objects: write values, or one object for each address"
        )
    return Attributes(by_address=_by_address(people))


def _check_length(text: str, most: int, whose: str) -> None:
    if len(text.encode()) > most:
        raise MarkingInvalid(f"X-Signoff-User-Attributes is longer than {most} octets{whose}")


def _by_address(found: Mapping[str, Mapping[str, object]]) -> Mapping[str, Mapping[str, str]]:
    people: dict[str, Mapping[str, str]] = {}
    for number, (address, values) in enumerate(found.items(), start=1):
        try:
            key = identity(checked(address))
        except (AddressInvalid, UnicodeEncodeError) as exc:
            raise MarkingInvalid(
                f"X-Signoff-User-Attributes: name {number} is no address, though it has an object"
            ) from exc
        if key in people:
            raise MarkingInvalid(
                f"X-Signoff-User-Attributes: name {number} is an address that stands there already"
            )
        people[key] = _values(values)
    return MappingProxyType(people)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise MarkingInvalid("X-Signoff-User-Attributes holds a name twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _values(found: Mapping[str, object]) -> Mapping[str, str]:
    if any(not _is_whole(name) for name in found):
        raise MarkingInvalid("X-Signoff-User-Attributes holds half a character in a name")
    return MappingProxyType(
        {name: _value(value) for name, value in found.items() if value is not None}
    )


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise MarkingInvalid(
            "X-Signoff-User-Attributes holds a value that is neither text nor number, true, false or null"
        )
    if not _is_whole(value):
        raise MarkingInvalid("X-Signoff-User-Attributes holds half a character")
    return value


def _is_whole(text: str) -> bool:
    """Say whether no half of a character stands alone in a text, as JSON can spell it; it could
    neither be encoded nor hashed.
    """
    return text.isascii() or not any(unicodedata.category(char) == "Cs" for char in text)
