"""API keys: their text, their digest, and what a key may do (catalogue L8).

A key is `so_ID_SECRET`. The id is public and finds the record; the secret is 256 random bits, so
one SHA-256 of it is all that is stored: there is nothing to guess, and a slow hash would only slow
down every request.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from enum import StrEnum

from app.core.model import BrandId

SECRET_BYTES = 32
ID_BYTES = 8
INSTALLATION = BrandId("*")  # in the place of a brand: good for every brand

_TEXT = re.compile(r"so_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


class KeyScope(StrEnum):
    """What a key may do within its brand."""

    READ = "read"
    WRITE = "write"
    KEYS = "keys"  # make and revoke keys of the brand


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One key as it is stored. `revoked_ms` is 0 while it is good."""

    id: str
    brand: BrandId
    name: str
    scopes: frozenset[KeyScope]
    created_ms: int
    secret_digest: bytes
    revoked_ms: int = 0

    def covers(self, brand: BrandId) -> bool:
        """Tell whether the key is of this brand, or of the installation."""
        return self.brand in (INSTALLATION, brand)


def key_text(key_id: str, secret: bytes) -> str:
    """Return the text that its owner keeps."""
    return f"so_{key_id}_{base64.urlsafe_b64encode(secret).rstrip(b'=').decode('ascii')}"


def read_text(text: str) -> tuple[str, str] | None:
    """Return the id and the secret of a key's text, None for what is no such text."""
    found = _TEXT.fullmatch(text)
    return (found[1], found[2]) if found else None


def digest_of(secret: str) -> bytes:
    """Return what is stored of a secret, as it stands in the text."""
    return hashlib.sha256(secret.encode()).digest()


def matches(secret: str, digest: bytes) -> bool:
    """Tell in constant time whether a secret is that of the digest."""
    return hmac.compare_digest(digest_of(secret), digest)
