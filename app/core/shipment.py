"""A statement on its way home: from the data centre that took it to the one that its token names
(protocols: data centres).

1. What travels is the whole statement, with its own id, time, source and sealed address, as JSON.
   Applying it again changes nothing, so it is sent until its home says 2xx, however often that is.
2. Its right to act is a seal by the keyring that all data centres share: HMAC-SHA256 over the body,
   under a key of its own use. Whoever has only a token can state neither a time nor a way; a body
   with one changed byte does not open.
3. The seal names its key, so a key is rotated here as it is for tokens: each attempt is sealed
   again with the key that mints then.
4. The body names the home. A data centre takes only what is its own, so an address that leads to
   the wrong one is noticed and loses nothing.
"""

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.core.errors import InvalidInput, TokenMalformed, TokenTagInvalid
from app.core.keyring import Keyring, derive
from app.core.model import (
    DIGEST_BYTES,
    BrandId,
    BrandNumber,
    CampaignId,
    GroupKey,
    RecipientDigest,
    Source,
    Statement,
)
from app.core.webhook import ENDPOINT_KEY_BYTES, Endpoint, EndpointKey, Reach

SEAL_FIELD = "signoff-seal"
PATH = "/v1/emailunsubscribe"
# seconds between tries; the last for ever
SCHEDULE = (5.0, 15.0, 60.0, 5 * 60.0, 15 * 60.0, 30 * 60.0)

_VERSION = 1
_SEAL_VERSION = "1"
_KEY_ID = re.compile("[0-9]{1,3}")
# shipments are no brand's affair: their key and their endpoints bear the number that no brand has
_EVERYBODY = BrandNumber(0)
_HOME_MARK = bytes(ENDPOINT_KEY_BYTES - 1)
_ID_BYTES = 16
# more than a link or a page can state, and together less than a body may hold
_MOST_GROUPS, _MOST_BYTES = 255, 1_000
_U32, _U48 = 2**32 - 1, 2**48 - 1
_SOURCES = {source.label: source for source in Source}


def home_key(data_centre: int) -> EndpointKey:
    """Return the key under which deliveries to a data centre wait: of no brand, and the number at
    its end.
    """
    return EndpointKey(_HOME_MARK + bytes((data_centre,)))


def home_of(key: EndpointKey) -> int:
    """Return which data centre a key stands for; 0 for the key of a brand's endpoint."""
    return key[-1] if key.startswith(_HOME_MARK) else 0


def home(data_centre: int, url: str, reach: Reach) -> Endpoint:
    """Return a data centre as an endpoint, one statement a request. `url` is the base of its
    callback API.
    """
    return Endpoint(
        key=home_key(data_centre),
        brand=_EVERYBODY,
        brand_id=BrandId(""),
        brand_name="",
        url=url.rstrip("/") + PATH,
        reach=reach,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """A statement that has arrived. `sender` is the data centre that took it."""

    statement: Statement
    sender: int
    home: int


def pack(statement: Statement, *, sender: int) -> bytes:
    """Return the body that ships a statement to `statement.home`.

    The condition of a resubscribe stays behind: it counts changes here, and the statement was
    decided here.
    """
    content = {
        "version": _VERSION,
        "from": sender,
        "home": statement.home,
        "id": statement.id.hex(),
        "brand": statement.brand,
        "recipient": statement.digest.hex(),
        "groups": list(statement.groups),
        "subscribed": statement.subscribed,
        "source": statement.source.label,
        "at_ms": statement.at_ms,
        "campaign": statement.campaign,
        "key_id": statement.key_id,
        "address": base64.b64encode(statement.sealed_address).decode("ascii"),
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def seal(keyring: Keyring, body: bytes, *, at_ms: int) -> str:
    """Return the value of the seal's field for a body. Raises SignerUnavailable when no key may
    mint yet.
    """
    key = keyring.minting_key(at_ms)
    return f"{_SEAL_VERSION}.{key.id}.{_mac(key.secret, body).hex()}"


def unpack(keyring: Keyring, body: bytes, seal_value: str) -> Shipment:
    """Return what a sealed body ships.

    Raises TokenMalformed, TokenKeyUnknown or TokenTagInvalid for a seal that does not hold,
    InvalidInput for a body that a newer version made: then the sender keeps it.
    """
    version, _, rest = seal_value.partition(".")
    key_id, _, mac = rest.partition(".")
    if version != _SEAL_VERSION or not _KEY_ID.fullmatch(key_id):
        raise TokenMalformed("not the shape of a seal")
    expected = _mac(keyring.opening_key(int(key_id)).secret, body).hex()
    if not hmac.compare_digest(expected.encode(), mac.encode()):
        raise TokenTagInvalid("the seal does not verify")
    try:
        return _shipment(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise InvalidInput(
            f"a statement of another data centre cannot be read: {type(exc).__name__}"
        ) from exc


def _mac(secret: bytes, body: bytes) -> bytes:
    return hmac.digest(derive(secret, b"signoff data centre", _EVERYBODY), body, "sha256")


def _shipment(content: Mapping[str, object]) -> Shipment:
    if content["version"] != _VERSION:
        raise ValueError("another version")
    groups = content["groups"]
    if not isinstance(groups, list) or len(groups) > _MOST_GROUPS:
        raise ValueError("groups")
    statement = Statement(
        id=_hexadecimal(content["id"], _ID_BYTES),
        brand=BrandNumber(_number(content["brand"], 2**16 - 1)),
        digest=RecipientDigest(_hexadecimal(content["recipient"], DIGEST_BYTES)),
        groups=tuple(GroupKey(_number(group, _U32)) for group in groups),
        subscribed=_flag(content["subscribed"]),
        source=_SOURCES[_text(content["source"])],
        at_ms=_number(content["at_ms"], _U48),
        campaign=CampaignId(_text(content["campaign"])),
        key_id=_number(content["key_id"], _U32),
        sealed_address=_base64(content["address"]),
    )
    return Shipment(
        statement=statement,
        sender=_number(content["from"], _U32),
        home=_number(content["home"], _U32),
    )


def _number(value: object, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError("no number in its bounds")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")  # noqa: TRY004 - foreign data, not a wrong call
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value.encode()) > _MOST_BYTES:
        raise ValueError("no text in its bounds")
    return value


def _hexadecimal(value: object, size: int) -> bytes:
    raw = bytes.fromhex(_text(value))
    if len(raw) != size:
        raise ValueError("of another length")
    return raw


def _base64(value: object) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except binascii.Error as exc:
        raise ValueError("not Base64") from exc
