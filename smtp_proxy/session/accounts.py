"""Passwords of submitting accounts: scrypt hashes (RFC 7914), and the check of a login against
them.

A check costs 16 MB and some 50 ms on purpose. So it runs in a thread, a few at a time, and a login
that was right is remembered for a while as a keyed digest: a thousand sessions of one sender pay
once.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from app.core.model import BrandId

_COST, _BLOCK, _LANES = 2**14, 8, 1
_SALT_BYTES = 16
_HASH_BYTES = 32
_MEMORY = 2**26
_REMEMBERED = 1024
_AT_A_TIME = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One login: whose mail it may send, and the hash of its password."""

    brand: BrandId
    password_hash: str


def hash_password(password: str) -> str:
    """Return `scrypt$cost$block$lanes$salt$hash` for a password, with a new salt each time."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = _scrypt(password.encode(), salt, _COST, _BLOCK, _LANES)
    return "$".join(["scrypt", str(_COST), str(_BLOCK), str(_LANES), _text(salt), _text(digest)])


def verify(password: str | bytes, password_hash: str) -> bool:
    """Say whether the password is the one that was hashed; an unreadable hash fits none. Blocks for
    some 50 ms.
    """
    octets = password.encode() if isinstance(password, str) else password
    try:
        name, cost, block, queues, salt, digest = password_hash.split("$")
        expected = base64.b64decode(digest, validate=True)
        found = _scrypt(
            octets, base64.b64decode(salt, validate=True), int(cost), int(block), int(queues)
        )
    except (ValueError, binascii.Error):
        return False
    return name == "scrypt" and hmac.compare_digest(expected, found)


class Accounts:
    """The authenticator over a fixed set of accounts. An unknown user costs as much as a wrong
    password.
    """

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        self._accounts = accounts
        self._nobody = hash_password(secrets.token_hex())
        self._key = secrets.token_bytes()
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._running: dict[bytes, asyncio.Task[bool]] = {}
        self._slots = asyncio.Semaphore(_AT_A_TIME)

    async def __call__(self, user: str, password: bytes) -> BrandId | None:
        """Return the brand of the account, or None when the login is wrong."""
        account = self._accounts.get(user)
        password_hash = account.password_hash if account else self._nobody
        digest = hashlib.blake2b(
            password,
            key=self._key,
            salt=hashlib.blake2b(password_hash.encode(), digest_size=16).digest(),
        ).digest()
        is_right = await self._check(digest, password, password_hash)
        return account.brand if account and is_right else None

    async def _check(self, digest: bytes, password: bytes, password_hash: str) -> bool:
        if digest in self._right:
            self._right.move_to_end(digest)
            return True
        task = self._running.get(digest)
        if task is None:
            task = self._running[digest] = asyncio.create_task(
                self._verify(digest, password, password_hash)
            )
        # a client that leaves must not end the check of the others
        return await asyncio.shield(task)

    async def _verify(self, digest: bytes, password: bytes, password_hash: str) -> bool:
        try:
            async with self._slots:
                is_right = await asyncio.to_thread(verify, password, password_hash)
        finally:
            del self._running[digest]
        if is_right:
            self._right[digest] = None
            if len(self._right) > _REMEMBERED:
                self._right.popitem(last=False)
        return is_right


def _scrypt(password: bytes, salt: bytes, cost: int, block: int, queues: int) -> bytes:
    return hashlib.scrypt(
        password, salt=salt, n=cost, r=block, p=queues, maxmem=_MEMORY, dklen=_HASH_BYTES
    )


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
