"""The qmoe codec: the token in a one-click URL, which alone says who leaves what.

1. A token is AES-SIV (RFC 5297), deterministic: a mail that is sent again carries the same URL, and
   nothing is stored at sending time.
2. In clear, bound as associated data: version, key id, data centre, brand number. Sealed: purpose,
   flags, day of issue, campaign, groups, recipient. No plain address is in the URL (RFC 8058 6,
   catalogue T2).
3. Each brand has its own key, derived from the keyring's master key by HKDF (RFC 5869): a token of
   one brand opens for no other (T5).
4. A token never expires (T3); only a revoked key ends it. A key mints from its `not_before` on, and
   opens always.
5. A token fits `max_chars`: what is too long for the URL budget (H6, T10) is replaced by a hash,
   first the campaign, then the address.
6. base64url without padding, in its one canonical spelling: any changed character makes another
   token, and that one does not open (T1).

The layout of a token, before base64url, big-endian:

    version u8 · key u8 · data centre u8 · brand u16 · SIV 16 bytes · sealed… sealed: purpose u8 ·
    flags u8 · day u16 · campaign length u8 · campaign · number of groups u8 · group keys u32… ·
    recipient

The short token of a mail-to local part is in `app.core.short_token`.
"""

import base64
import binascii
import hashlib
import re
import struct
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from app.core import address as addresses
from app.core.errors import RuleViolation, TokenMalformed, TokenPurposeWrong, TokenTagInvalid
from app.core.keyring import Keyring, MasterKey, derive
from app.core.model import (
    DIGEST_BYTES,
    NO_CAMPAIGN,
    BrandNumber,
    CampaignId,
    Claims,
    GroupKey,
    Purpose,
    RecipientDigest,
)
from app.core.short_token import ShortMinter, open_short

MIN_TOKEN_CHARS = 120  # below it there is no room for a digest, a campaign and a handful of groups
MAX_TOKEN_CHARS = 168  # leaves 82 of the 250 characters of a URL to its host and path

_VERSION = 1
_HEADER = struct.Struct(">BBBH")
_SEALED_HEAD = struct.Struct(">BBHB")
_SIV_BYTES = 16
_CAMPAIGN_HASH_BYTES = 12
_TEST, _DIGEST_ONLY, _CAMPAIGN_HASHED = 1, 2, 4
_MAX_RAW_CHARS = 2048
_ALPHABET = re.compile(r"[A-Za-z0-9_-]+")
# By the number of characters in the last group: those that leave no bit over. One character alone
# can never end a spelling.
_LAST_CHARACTERS = {1: "", 2: "AQgw", 3: "AEIMQUYcgkosw048"}
_PURPOSES = tuple(Purpose(bits) for bits in range(sum(Purpose) + 1))
# `=3D` of quoted-printable that nobody decoded, before a token's version
_UNDECODED = ("3DAQ", "3dAQ")
_NOISE = re.compile(r"[\s\x00-\x1f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Minter:
    """Everything of a token that is the same for all copies of one message; `mint` adds the
    recipient.
    """

    _header: bytes
    _sealed_head: bytes
    _sealed_head_hashed: bytes
    _siv: AESSIV
    _room: int

    def mint(
        self, *, address: str, digest: RecipientDigest, max_chars: int = MAX_TOKEN_CHARS
    ) -> str:
        """Return the token for one recipient: the same token every time, another one for every
        other recipient.

        Without an address it holds the digest. `max_chars` makes it shorter than the codec would;
        raises RuleViolation where even a token of hashes does not fit.
        """
        recipient = address.encode() or digest
        head = self._sealed_head if address else _digest_only(self._sealed_head)
        room = (
            self._room if max_chars == MAX_TOKEN_CHARS else min(self._room, _sealed_room(max_chars))
        )
        if len(head) + len(recipient) > room:
            head = self._sealed_head_hashed if address else _digest_only(self._sealed_head_hashed)
            if len(head) + len(recipient) > room:
                head = _digest_only(head)
                recipient = digest
                if len(head) + len(recipient) > room:
                    raise RuleViolation("no token fits into what is left of the URL")
        return _to_base64(self._header + self._siv.encrypt(head + recipient, [self._header]))


class TokenCodec:
    """Mints and opens the tokens of one data centre."""

    def __init__(
        self, *, keyring: Keyring, data_centre: int, max_chars: int = MAX_TOKEN_CHARS
    ) -> None:
        self._keyring = keyring
        self._data_centre = data_centre
        self._room = _sealed_room(max_chars)
        # a campaign is thousands of messages with one minter a day
        self._minter = lru_cache(maxsize=256)(self._make_minter)

    def minter(  # noqa: PLR0913 - the parts of a token
        self,
        *,
        brand: BrandNumber,
        purpose: Purpose,
        at_ms: int,
        campaign: CampaignId = NO_CAMPAIGN,
        groups: Sequence[GroupKey] = (),
        test: bool = False,
    ) -> Minter:
        """Return the minter for one message. Raises SignerUnavailable when no key may mint yet,
        RuleViolation for too many groups.
        """
        key = self._keyring.minting_key(at_ms)
        return self._minter(key, brand, purpose, at_ms // 86_400_000, campaign, tuple(groups), test)

    def _make_minter(  # noqa: PLR0913, PLR0917 - the parts of a token, by position since they are the key of a cache
        self,
        key: MasterKey,
        brand: BrandNumber,
        purpose: Purpose,
        day: int,
        campaign: CampaignId,
        groups: tuple[GroupKey, ...],
        test: bool,
    ) -> Minter:
        name = campaign.encode()
        hashed = _campaign_hash(campaign)
        flags = _TEST if test else 0
        scope = struct.pack(f">B{len(groups)}I", len(groups), *groups)

        def head(campaign_bytes: bytes, flags: int) -> bytes:
            return (
                _SEALED_HEAD.pack(purpose, flags, day, len(campaign_bytes)) + campaign_bytes + scope
            )

        short = (
            head(hashed, flags | _CAMPAIGN_HASHED) if len(name) > len(hashed) else head(name, flags)
        )
        if len(short) + DIGEST_BYTES > self._room:
            raise RuleViolation(
                "too many subscription groups for one campaign: their token does not fit into a URL"
            )
        return Minter(
            _header=_HEADER.pack(_VERSION, key.id, self._data_centre, brand),
            _sealed_head=head(name, flags) if len(name) <= self._room else short,
            _sealed_head_hashed=short,
            _siv=_sealer(key.secret, brand),
            _room=self._room,
        )

    def open(self, text: str, *, purpose: Purpose) -> Claims:
        """Return the claims of a token that grants `purpose`.

        Forgives what mail software does to URLs (catalogue T11): white space, a trailing `>` or
        `.`, one more round of percent-encoding. Raises TokenMalformed, TokenKeyUnknown,
        TokenTagInvalid, or TokenPurposeWrong for a genuine token of another purpose.
        """
        raw = _from_base64(_cleaned(text))
        if len(raw) <= _HEADER.size + _SIV_BYTES:
            raise TokenMalformed("shorter than any token")
        header, sealed = raw[: _HEADER.size], raw[_HEADER.size :]
        version, key_id, data_centre, brand = _HEADER.unpack(header)
        if version != _VERSION:
            raise TokenMalformed("unknown version")
        try:
            plain = _sealer(self._keyring.opening_key(key_id).secret, brand).decrypt(
                sealed, [header]
            )
        except InvalidTag as exc:
            raise TokenTagInvalid("the seal does not verify") from exc
        if not plain[0] & purpose.value:
            raise TokenPurposeWrong("a genuine token of another purpose")
        return self._claims(plain, key_id=key_id, data_centre=data_centre, brand=BrandNumber(brand))

    def short_minter(
        self, *, brand: BrandNumber, groups: Sequence[GroupKey], at_ms: int, test: bool = False
    ) -> ShortMinter:
        """Return the minter of one message's mail-to tokens. Raises SignerUnavailable when no key
        may mint yet.
        """
        return ShortMinter.of(
            self._keyring,
            data_centre=self._data_centre,
            brand=brand,
            groups=groups,
            at_ms=at_ms,
            test=test,
        )

    def open_short(self, text: str) -> Claims:
        """Return the claims of a mail-to token in any case; they hold no address and no campaign.
        Raises as `open` does.
        """
        return open_short(self._keyring, text, data_centre=self._data_centre)

    def seal_address(self, address: str, *, brand: BrandNumber, at_ms: int) -> bytes:
        """Return the address sealed for the store: key id, then AES-SIV. What an event or an export
        may later need in clear.
        """
        key = self._keyring.sealing_key(at_ms)
        return bytes((key.id,)) + _sealer(key.secret, brand).encrypt(address.encode(), [b"address"])

    def unseal_address(self, sealed: bytes, *, brand: BrandNumber) -> str:
        """Return the address of `seal_address`, empty for empty. Raises TokenKeyUnknown or
        TokenTagInvalid.
        """
        if not sealed:
            return ""
        try:
            return (
                _sealer(self._keyring.opening_key(sealed[0]).secret, brand)
                .decrypt(sealed[1:], [b"address"])
                .decode()
            )
        except InvalidTag as exc:
            raise TokenTagInvalid("the seal does not verify") from exc

    def digest(self, address: str, *, brand: BrandNumber) -> RecipientDigest:
        """Return the digest under which the brand knows this recipient. Raises AddressInvalid."""
        return addresses.digest(address, pepper=self._keyring.pepper(brand))

    def _claims(self, plain: bytes, *, key_id: int, data_centre: int, brand: BrandNumber) -> Claims:
        purpose, flags, day, campaign_length = _SEALED_HEAD.unpack_from(plain)
        at = _SEALED_HEAD.size + campaign_length
        name, count = plain[_SEALED_HEAD.size : at], plain[at]
        groups = struct.unpack_from(f">{count}I", plain, at + 1) if count else ()
        recipient = plain[at + 1 + 4 * count :]
        digest_only = bool(flags & _DIGEST_ONLY)
        address = "" if digest_only else recipient.decode()
        return Claims(
            brand=brand,
            key_id=key_id,
            data_centre=data_centre,
            purpose=_PURPOSES[purpose],
            campaign=_named_by_hash(name)
            if flags & _CAMPAIGN_HASHED
            else CampaignId(name.decode()),
            groups=tuple(map(GroupKey, groups)),
            issued_day=day,
            test=bool(flags & _TEST),
            address=address,
            digest=RecipientDigest(recipient) if digest_only else self.digest(address, brand=brand),
        )


def hashed_campaign(campaign: CampaignId) -> CampaignId:
    """Return how claims name a campaign whose own name had no room in the token."""
    return _named_by_hash(_campaign_hash(campaign))


def _campaign_hash(campaign: CampaignId) -> bytes:
    return hashlib.sha256(campaign.encode()).digest()[:_CAMPAIGN_HASH_BYTES]


def _named_by_hash(hashed: bytes) -> CampaignId:
    return CampaignId(f"sha256:{hashed.hex()}")


def _digest_only(head: bytes) -> bytes:
    return head[:1] + bytes((head[1] | _DIGEST_ONLY,)) + head[2:]


def _sealed_room(max_chars: int) -> int:
    """Return how many octets can be sealed into a token of this many characters."""
    return max_chars * 3 // 4 - _HEADER.size - _SIV_BYTES


@lru_cache(maxsize=4096)
def _sealer(secret: bytes, brand: BrandNumber) -> AESSIV:
    return AESSIV(derive(secret, b"signoff token", brand, 64))


def _cleaned(text: str) -> str:
    if len(text) > _MAX_RAW_CHARS:
        raise TokenMalformed("longer than any token")
    if text.startswith(_UNDECODED):
        text = text[2:]
    if _ALPHABET.fullmatch(text):
        return text
    if "%" in text:
        text = urllib.parse.unquote(text)
    cleaned = _NOISE.sub("", text).lstrip("<=")
    found = _ALPHABET.match(cleaned)
    if found is None:
        raise TokenMalformed("not base64url")
    return found[0]  # what link taggers and punctuation glue behind a token ends it


def _to_base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _from_base64(text: str) -> bytes:
    spare = len(text) % 4
    if spare and text[-1] not in _LAST_CHARACTERS[spare]:
        raise TokenMalformed("not the canonical spelling")
    return binascii.a2b_base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))
