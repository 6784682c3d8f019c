"""The short token of a mail-to local part: case-insensitive and at most 62 characters, so that `u-`
and it are a local part (catalogue T6).

It is base32 (RFC 4648, lower case, no padding) of, big-endian:

    kind u8 · key u8 · brand u16 · recipient digest 10 bytes · number of groups u8 · group keys u32…
    · MAC 10 bytes

The kind is 128 + data centre; 1 is that of tokens that name none, and belong to whoever reads them.

The highest bit of the number of groups says that the mail was a test send (catalogue H12).
"""

import base64
import binascii
import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from app.core.errors import TokenMalformed, TokenTagInvalid
from app.core.keyring import Keyring, derive
from app.core.model import (
    DIGEST_BYTES,
    NO_CAMPAIGN,
    BrandNumber,
    Claims,
    GroupKey,
    Purpose,
    RecipientDigest,
)

_HOMELESS = 1
_OF_CENTRE = 128
_HEAD = struct.Struct(f">BBH{DIGEST_BYTES}sB")
_PREFIX = struct.Struct(">BBH")
_MAC_BYTES = 10
_MAX_GROUPS = 2  # 62 characters of base32 hold 38 bytes
_TEST = 0x80
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortMinter:
    """What is the same in the short tokens of one message; `mint` adds the recipient."""

    _prefix: bytes
    _scope: bytes
    _mac_key: bytes

    @classmethod
    def of(  # noqa: PLR0913 - the parts of a token
        cls,
        keyring: Keyring,
        *,
        data_centre: int,
        brand: BrandNumber,
        groups: Sequence[GroupKey],
        at_ms: int,
        test: bool = False,
    ) -> "ShortMinter":
        """Return the minter for one message.

        More groups than fit mean all mail: who writes to leave and can no longer be asked what,
        leaves.
        """
        scope = tuple(groups) if len(groups) <= _MAX_GROUPS else ()
        key = keyring.minting_key(at_ms)
        return cls(
            _prefix=_PREFIX.pack(_OF_CENTRE + data_centre, key.id, brand),
            _scope=struct.pack(f">B{len(scope)}I", len(scope) | test * _TEST, *scope),
            _mac_key=derive(key.secret, b"signoff mailto", brand),
        )

    def mint(self, digest: RecipientDigest) -> str:
        """Return the token of one recipient."""
        body = self._prefix + digest + self._scope
        return _base32(body + hmac.digest(self._mac_key, body, "sha256")[:_MAC_BYTES])


def open_short(keyring: Keyring, text: str, *, data_centre: int) -> Claims:
    """Return the claims of a short token in any case: no address, no campaign and no day of issue.

    `data_centre` is this installation's own, for tokens that name none.

    Raises TokenMalformed, TokenKeyUnknown or TokenTagInvalid.
    """
    try:
        raw = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
        kind, key_id, brand, digest, scope = _HEAD.unpack_from(raw)
    except (binascii.Error, struct.error, ValueError) as exc:
        raise TokenMalformed("not a short token") from exc
    body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    count = scope & ~_TEST
    if (
        not (kind == _HOMELESS or kind > _OF_CENTRE)
        or len(body) != _HEAD.size + 4 * count
        or text.lower() != _base32(raw)
    ):
        raise TokenMalformed("not a short token")
    key = derive(keyring.opening_key(key_id).secret, b"signoff mailto", BrandNumber(brand))
    if not hmac.compare_digest(mac, hmac.digest(key, body, "sha256")[:_MAC_BYTES]):
        raise TokenTagInvalid("the seal does not verify")
    return Claims(
        brand=BrandNumber(brand),
        key_id=key_id,
        data_centre=data_centre if kind == _HOMELESS else kind - _OF_CENTRE,
        purpose=Purpose.MAILTO,
        campaign=NO_CAMPAIGN,
        groups=tuple(
            GroupKey(group) for group in struct.unpack_from(f">{count}I", body, _HEAD.size)
        ),
        issued_day=0,
        test=bool(scope & _TEST),
        address="",
        digest=RecipientDigest(digest),
    )


def _base32(raw: bytes) -> str:
    """Encode by pairs of characters: base64.b32encode, with its checks and padding, costs three
    times as much on each copy.
    """
    bits = 8 * len(raw)
    spare = -bits % 10
    number = int.from_bytes(raw, "big") << spare
    pairs = "".join([_PAIRS[number >> shift & 1023] for shift in range(bits + spare - 10, -1, -10)])
    return pairs[: -(-bits // 5)]
