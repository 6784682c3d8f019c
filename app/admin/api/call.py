"""One operation of the API, and one call of it.

An endpoint is a function of a call, its checked query and its checked body. It knows neither HTTP's
framing nor who may do what: `entry` does the former, and the operation says the latter.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict
from starlette.types import Receive, Scope, Send

from app.core.api_key import ApiKey, KeyScope
from app.core.brands import Brands
from app.core.model import Brand

JSON_BODY_BYTES = 65_536
OF_BRAND = "/v1/brands/{brand}"


class Model(BaseModel):
    """What comes in or goes out: nothing but the named members, each of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NoQuery(Model):
    """No parameter is taken."""


class NoBody(Model):
    """No body is taken."""


Q = TypeVar("Q", bound=Model)
B = TypeVar("B", bound=Model)

# `app.http.answers.Answer`, or one that goes out piece by piece
Sendable = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call by somebody who may make it. `pieces` gives the body where the operation reads it
    itself.
    """

    key: ApiKey
    brands: Brands
    path: Mapping[str, str]
    fields: Mapping[str, str]  # the request's, names in lower case
    head: bool  # HEAD: the answer will lose its body
    pieces: Callable[[], AsyncIterator[bytes]]
    of_brand: Brand | None = None

    @property
    def brand(self) -> Brand:
        """Return the brand that the path names."""
        if self.of_brand is None:  # the operation's path names none: a defect of the table
            raise LookupError("this path names no brand")
        return self.of_brand


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[Q, B]):
    """One method of one path: what it takes, what it answers, who may, what does it."""

    id: str
    method: str
    path: str
    summary: str
    endpoint: Callable[[Call, Q, B], Awaitable[Sendable]]
    query: type[Q]
    body: type[B]
    scope: KeyScope
    answers: Mapping[int, type[Model] | None]  # by status; None: no body, or one that `media` names
    description: str = ""
    problems: tuple[int, ...] = ()  # beyond those that follow from the rest
    media: tuple[str, ...] = ()  # of the answer, beside application/json
    # of a body that the endpoint reads itself, in the place of JSON
    body_media: tuple[str, ...] = ()
    body_bytes: int = JSON_BODY_BYTES
    # request fields that matter, each with what it means
    fields: Mapping[str, str] = field(default_factory=dict)
    answer_fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def takes_body(self) -> bool:
        """Tell whether a request has a body."""
        return self.body is not NoBody or bool(self.body_media)


# Any: each operation has models of its own, and what comes in is checked against them
AnyOperation = Operation[Any, Any]
