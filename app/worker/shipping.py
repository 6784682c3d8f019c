"""Turns a statement into the request that ships it to its home data centre (`app.core.shipment`).

The body with its seal says everything. The URL carries a callback token beside it while the
statement is one that such a token can make: an unsubscribe from what fits into a URL. So the
request is one that the callback API's contract knows, and whatever answers there can read whom it
is about.
"""

from collections.abc import Callable
from dataclasses import replace

from app.core.errors import RuleViolation
from app.core.keyring import Keyring
from app.core.model import Purpose, Statement
from app.core.shipment import SEAL_FIELD, pack, seal
from app.core.token import TokenCodec
from app.core.webhook import Endpoint


class Shipper:
    """Makes the requests of one data centre to the others. `clock` in milliseconds."""

    def __init__(self, *, keyring: Keyring, data_centre: int, clock: Callable[[], int]) -> None:
        self._keyring = keyring
        self._data_centre = data_centre
        self._clock = clock

    def request(
        self, home: Endpoint, statement: Statement
    ) -> tuple[Endpoint, bytes, dict[str, str]]:
        """Return where to, body and header fields of one attempt. Raises SignerUnavailable when no
        key may mint yet.
        """
        now = self._clock()
        body = pack(statement, sender=self._data_centre)
        fields = {SEAL_FIELD: seal(self._keyring, body, at_ms=now)}
        token = self._token(statement, now)
        return (replace(home, url=f"{home.url}?qmoe={token}") if token else home), body, fields

    def _token(self, statement: Statement, now: int) -> str:
        if statement.subscribed:
            return ""
        codec = TokenCodec(keyring=self._keyring, data_centre=statement.home)
        try:
            minter = codec.minter(
                brand=statement.brand, purpose=Purpose.CALLBACK, at_ms=now, groups=statement.groups
            )
            return minter.mint(address="", digest=statement.digest)
        except RuleViolation:
            return ""
