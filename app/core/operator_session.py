"""The session of an operator's browser: signed by us and kept by the browser. We keep only that one
was ended by signing out.

1. A session is that of an API key and never outlives it: a key that is revoked, or a file that
   holds another, ends its sessions at once.
2. It ends after half an hour without a page, and after twelve hours in any case: then the key is
   asked for again.
3. Each form carries a second text that only pages of this session know, so that no other site can
   send one (catalogue L7).

HMAC-SHA256 under a key of the keyring, so every web process knows the sessions of every other.
"""

import hmac
import re
from typing import NamedTuple

from app.core.api_key import ApiKey
from app.core.errors import TokenMalformed, TokenTagInvalid
from app.core.keyring import Keyring, derive
from app.core.model import BrandNumber

IDLE_MS = 30 * 60 * 1000
LONGEST_MS = 12 * 60 * 60 * 1000
# how far the clock of the process that made the session may be ahead of ours
AHEAD_MS = 5 * 60 * 1000

_TEXT = re.compile(
    r"(?P<body>(?P<key>[0-9a-z]{1,32})\.(?P<since>[0-9]{1,15})\.(?P<seen>[0-9]{1,15})\.(?P<master>[0-9]{1,3}))\.(?P<mac>[0-9a-f]{64})"
)
_OF_ALL = BrandNumber(0)


class OperatorSession(NamedTuple):
    """Whose session it is, when it began and when its last page was shown."""

    key_id: str
    since_ms: int
    seen_ms: int

    @property
    def name(self) -> str:
        """Return what the session is called: the same for all its pages."""
        return f"{self.key_id}.{self.since_ms}"

    def is_over(self, now_ms: int) -> bool:
        """Tell whether the key has to be shown again."""
        return not (
            -AHEAD_MS <= now_ms - self.seen_ms <= IDLE_MS and now_ms - self.since_ms <= LONGEST_MS
        )


class Sessions:
    """Signs and opens sessions."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def sign(self, session: OperatorSession, key: ApiKey) -> str:
        """Return the text of a session of this key. Raises SignerUnavailable when every key of the
        keyring is revoked.
        """
        master = self._keyring.sealing_key(session.seen_ms)
        body = f"{session.key_id}.{session.since_ms}.{session.seen_ms}.{master.id}"
        return f"{body}.{_mac(master.secret, b'session', body, key)}"

    def key_id(self, text: str) -> str:
        """Return whose session a text says it is, before anything of it is believed. Raises
        TokenMalformed.
        """
        return _match(text)["key"]

    def open(self, text: str, key: ApiKey) -> OperatorSession:
        """Return the session of this key, however old it is. Raises TokenMalformed, TokenKeyUnknown
        or TokenTagInvalid.
        """
        found = _match(text)
        secret = self._keyring.opening_key(int(found["master"])).secret
        if found["key"] != key.id or not hmac.compare_digest(
            found["mac"], _mac(secret, b"session", found["body"], key)
        ):
            raise TokenTagInvalid("the session does not verify")
        return OperatorSession(
            key_id=key.id, since_ms=int(found["since"]), seen_ms=int(found["seen"])
        )

    def form_token(self, session: OperatorSession, key: ApiKey) -> str:
        """Return what the forms of a session carry; the same for as long as it lasts. Raises
        SignerUnavailable.
        """
        master = self._keyring.sealing_key(session.since_ms)
        return f"{master.id}.{_mac(master.secret, b'form', str(session.since_ms), key)}"

    def is_form_token(self, text: str, session: OperatorSession, key: ApiKey) -> bool:
        """Tell whether a form is one of this session's. Raises TokenKeyUnknown when the key it was
        made with is revoked.
        """
        number, _, mac = text.partition(".")
        if not (number.isascii() and number.isdecimal() and mac.isascii()):
            return False
        secret = self._keyring.opening_key(int(number)).secret
        return hmac.compare_digest(mac, _mac(secret, b"form", str(session.since_ms), key))


def _match(text: str) -> re.Match[str]:
    found = _TEXT.fullmatch(text)
    if found is None:
        raise TokenMalformed("not a session")
    return found


def _mac(secret: bytes, use: bytes, body: str, key: ApiKey) -> str:
    bound = b"\0".join((use, body.encode(), key.id.encode(), key.secret_digest))
    return hmac.digest(derive(secret, b"signoff operator", _OF_ALL), bound, "sha256").hex()
