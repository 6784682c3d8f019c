"""The page token: what a page with a form showed, signed, so that a form's answer says what its
reader had seen.

1. It is bound to the claims of the link that opened the page, so it is of use with that link alone
   (catalogue L7).
2. It says which form it belongs to, when the page was made, the sequence of the state it showed,
   and which groups it showed as on or off.
3. It holds for a day. Whoever answers later is shown the page again with what they chose: an old
   view must not decide.
4. It is no secret and gives no right: the right is the link's. HMAC-SHA256 under a key of the
   keyring, cut to 16 bytes.

The layout, before base64url, big-endian:

    version u8 · key u8 · form u8 · all mail on u8 · made at u40 (seconds) · sequence u32 · n u8 · n
    group keys u32 · n on or off u8 then 16 bytes of MAC over it and the link's claims

Version 2 has a u64 sequence, as it is after a restore of the store.
"""

import base64
import binascii
import hmac
import struct
from dataclasses import dataclass
from enum import IntEnum

from app.core.errors import TokenMalformed, TokenTagInvalid
from app.core.keyring import Keyring, derive
from app.core.model import Claims, GroupKey
from app.core.preference_form import Shown

LIFETIME_MS = 24 * 60 * 60 * 1000  # catalogue Q13
AHEAD_MS = 5 * 60 * 1000  # how far the clock of the process that made the page may be ahead of ours

_VERSION, _LONG = 1, 2
_HEADS = {_VERSION: struct.Struct(">BBBBBIIB"), _LONG: struct.Struct(">BBBBBIQB")}
_MOST_U32 = 0xFFFFFFFF
_MAC_BYTES = 16
_MAX_CHARS = 2048


class Form(IntEnum):
    """The forms of our pages. The numbers are in page tokens: never reuse one."""

    LEAVE = 1
    RESUBSCRIBE = 2
    PREFERENCES = 3
    LANDING = 4  # a brand's own page, which carries it through CleverTap's script


@dataclass(frozen=True, slots=True, kw_only=True)
class PageState:
    """What one page showed."""

    form: Form
    made_ms: int  # to the second
    sequence: int
    shown: Shown

    def expired(self, now_ms: int) -> bool:
        """Tell whether the page is too old to decide."""
        return not -AHEAD_MS <= now_ms - self.made_ms <= LIFETIME_MS


class PageTokens:
    """Signs and opens page tokens."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def sign(self, state: PageState, claims: Claims) -> str:
        """Return the token of a page that a link with these claims opened. Raises SignerUnavailable
        when every key is revoked.
        """
        key = self._keyring.sealing_key(state.made_ms)
        seconds = state.made_ms // 1000
        groups = state.shown.groups
        version = _LONG if state.sequence > _MOST_U32 else _VERSION
        head = _HEADS[version].pack(
            version,
            key.id,
            state.form,
            state.shown.everything,
            seconds >> 32,
            seconds & 0xFFFFFFFF,
            state.sequence,
            len(groups),
        )
        body = head + struct.pack(f">{len(groups)}I", *groups) + bytes(groups.values())
        return (
            base64.urlsafe_b64encode(body + _mac(key.secret, body, claims))
            .rstrip(b"=")
            .decode("ascii")
        )

    def open(self, text: str, claims: Claims) -> PageState:
        """Return what the page showed, however old it is. Raises TokenMalformed, TokenKeyUnknown or
        TokenTagInvalid.
        """
        raw = _decoded(text)
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        head = _HEADS.get(body[0]) if body else None
        if head is None or len(body) < head.size:
            raise TokenMalformed("not a page token")
        if not hmac.compare_digest(
            mac, _mac(self._keyring.opening_key(body[1]).secret, body, claims)
        ):
            raise TokenTagInvalid("the page token does not verify")
        return _state(body)


def _state(body: bytes) -> PageState:
    """Return what a body says that we have signed ourselves."""
    head = _HEADS[body[0]]
    _, _, form, everything, high, low, sequence, count = head.unpack_from(body)
    keys = struct.unpack_from(f">{count}I", body, head.size)
    on = body[head.size + 4 * count :]
    groups = {GroupKey(key): bool(flag) for key, flag in zip(keys, on, strict=True)}
    return PageState(
        form=Form(form),
        made_ms=(high << 32 | low) * 1000,
        sequence=sequence,
        shown=Shown(everything=bool(everything), groups=groups),
    )


def _mac(secret: bytes, body: bytes, claims: Claims) -> bytes:
    key = derive(secret, b"signoff page", claims.brand)
    campaign = claims.campaign.encode()
    scope = struct.pack(
        f">HH{len(claims.groups)}I", len(campaign), len(claims.groups), *claims.groups
    )
    bound = claims.digest + bytes((claims.test, claims.purpose)) + scope + campaign
    return hmac.digest(key, bound + body, "sha256")[:_MAC_BYTES]


def _decoded(text: str) -> bytes:
    if len(text) > _MAX_CHARS or not text.isascii():
        raise TokenMalformed("longer than any page token")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as exc:
        raise TokenMalformed("not base64url") from exc
