"""Takes what another data centre has shipped home: its own statements, made durable like a click,
and told to the brand from here.
"""

from app.core.errors import InvalidInput
from app.core.keyring import Keyring
from app.core.model import Acknowledgement
from app.core.shipment import Shipment, unpack
from app.observe.log import LogEvent, Logger
from app.observe.metrics import SHIPMENTS_TAKEN, labelled
from app.usecases.record_statement import RecordStatement
from app.usecases.routing import HERE


class TakeShipment:
    """Opens shipments, applies them, and counts and logs each. One for each process."""

    def __init__(
        self, *, keyring: Keyring, data_centre: int, unsubscribe: RecordStatement, log: Logger
    ) -> None:
        self._keyring = keyring
        self._data_centre = data_centre
        self._unsubscribe = unsubscribe
        self._log = log

    def open(self, body: bytes, seal: str) -> Shipment:
        """Return a genuine shipment to this data centre; changes nothing.

        Raises TokenError for a seal that does not hold, InvalidInput for what cannot be read or has
        another home.
        """
        shipment = unpack(self._keyring, body, seal)
        if shipment.home != self._data_centre:
            raise InvalidInput(
                f"the home of the statement is data centre {shipment.home}, and this is"
                f" {self._data_centre}"
            )
        return shipment

    async def take(self, shipment: Shipment) -> Acknowledgement:
        """Apply the statement at its own time and return once it is durable; idempotent. Raises
        StoreUnavailable.
        """
        statement = shipment.statement._replace(home=HERE)
        acknowledgement = await self._unsubscribe.late(statement)
        labelled(SHIPMENTS_TAKEN, statement.source.label).inc()
        self._log.info(
            LogEvent.SHIPMENT_TAKEN,
            data_centre=shipment.sender,
            source=statement.source.label,
            copies=acknowledgement.copies,
            recipient=statement.digest.hex(),
        )
        return acknowledgement
