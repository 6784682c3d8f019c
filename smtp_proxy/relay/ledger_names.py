"""The keyed names of the ledger: of a message's page, of a copy's entry there, and of the mark of a try.

Trace fields are no part of a name: an upstream in front of its own queue writes them anew for each try.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Iterable

from app.core.mail.message import Message
from smtp_proxy.session.submission import Envelope

_NAME_OCTETS = 16
_TRACE = frozenset((b"received", b"return-path"))
_MESSAGE_ID = b"message-id"
_IDENTITY = frozenset((_MESSAGE_ID, b"date", b"resent-message-id", b"resent-date"))
_THREAD_OCTETS = 1024 * 1024  # a larger body would hold the event loop for more than a millisecond


def of_message(key: bytes, envelope: Envelope, message: Message) -> bytes:
    """Return the name of a message's page, which costs no look at the body."""
    identity = [field for field in message.fields if field[0] in _IDENTITY]
    if not any(field[0] == _MESSAGE_ID for field in identity):
        identity = [field for field in message.fields if field[0] not in _TRACE]
    account, length = str(envelope.client.account or ""), str(len(message.body))
    parts = (account.encode(), envelope.sender.encode(), length.encode(), *[raw for _, raw in identity])
    return hmac.digest(key, b"\0".join(parts), "sha256")[:_NAME_OCTETS]


def of_copy(key: bytes, body_hash: bytes, recipient: str) -> bytes:
    """Return the name of the entry of one recipient's copy."""
    return hmac.digest(key, body_hash + recipient.encode(), "sha256")[:_NAME_OCTETS]


def of_mark(key: bytes, body_hash: bytes, recipients: Iterable[str]) -> bytes:
    """Return the name of the mark that all tries of a message for the same recipients share."""
    return hmac.digest(key, b"under way\0" + body_hash + "\0".join(sorted(recipients)).encode(), "sha256")[:_NAME_OCTETS]


async def hashed(body: memoryview) -> bytes:
    """Return the hash of a body; a large one is hashed off the event loop."""
    if len(body) <= _THREAD_OCTETS:
        return hashlib.sha256(body).digest()
    return await asyncio.to_thread(lambda: hashlib.sha256(body).digest())
