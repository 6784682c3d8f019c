"""A setting that is a secret: whoever prints it, logs it or dumps it gets a mask; only `reveal`
gives the text.
"""

import hmac
import re

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

MASK = "(set)"
_HIDDEN = "(hidden)"
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<user>[^/?#]*@)?(?P<host>[^/?#]*)(?P<rest>.*)",
    re.DOTALL | re.IGNORECASE,
)


class Secret:
    """The text of a secret. Equal to the same text, so that code can compare it without revealing
    it.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, for the one place that needs it."""
        return self._text

    @property
    def shown(self) -> str:
        """Return what anybody may read: whether it is set."""
        return MASK if self._text else ""

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        text = other._text if isinstance(other, Secret) else other
        return isinstance(text, str) and hmac.compare_digest(self._text.encode(), text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return self.shown

    __str__ = __repr__

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Take a text, or a secret that was read before; the mask is all that is ever written."""
        made = core_schema.chain_schema(
            [core_schema.str_schema(), core_schema.no_info_plain_validator_function(cls)]
        )
        return core_schema.union_schema(
            [core_schema.is_instance_schema(cls), made],
            mode="left_to_right",
            custom_error_type="string_type",
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: value.shown, when_used="json-unless-none"
            ),
        )


class SecretUrl(Secret):
    """A URL that may hold a secret anywhere but in its scheme and host."""

    __slots__ = ()

    @property
    def shown(self) -> str:
        """Return scheme, host and port; user, path and query only as being there."""
        found = _URL.fullmatch(self.reveal())
        if found is None:
            return super().shown
        user = f"{_HIDDEN}@" if found["user"] else ""
        return f"{found['scheme']}://{user}{found['host']}{self._shown_rest(found['rest'])}"

    def _shown_rest(self, rest: str) -> str:
        return f"/{_HIDDEN}" if rest.strip("/") else rest


class StoreUrl(SecretUrl):
    """The URL of a store: its path is the number of a database, or the place of a socket."""

    __slots__ = ()

    def _shown_rest(self, rest: str) -> str:
        path, query, _ = rest.partition("?")
        return f"{path}?{_HIDDEN}" if query else path
