"""What the admin API and the commands that do the same by hand are plugged to."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.core.errors import Misconfigured
from app.core.token import TokenCodec
from app.observe.log import Logger
from app.settings.model import Settings
from app.store.administration import RedisApiKeys, RedisAudit
from app.store.deliveries import RedisDeliveries
from app.store.groups import RedisGroups
from app.store.journal import RedisJournal
from app.store.pending import RedisPending
from app.store.recipient_index import RedisRecipientIndex
from app.store.redis import Durability, RedisStore
from app.usecases.administration import Administration
from app.usecases.record_statement import RecordStatement
from app.usecases.token_links import Unsubscriber
from app.wiring import now_ms, opened_store, token_codec
from app.wiring.build_admin import build_services

MIN_KEY_CHARS = 32
_COMMAND_SECONDS = 10.0


def admin_services(
    settings: Settings, store: RedisStore, record: Unsubscriber, codec: TokenCodec, log: Logger
) -> Administration:
    """Return the use cases of administration. `store` may take its time; what is said goes the way
    of every click, by `record`.

    Raises Misconfigured when the file of the installation's API key cannot be used.
    """
    connection = store.connection
    replicated = Durability(settings.store.durability) is Durability.REPLICATED
    return build_services(
        store=store,
        record=record,
        codec=codec,
        book=RedisGroups(connection, replicated=replicated),
        recipient_index=RedisRecipientIndex(connection, replicated=replicated),
        journal=RedisJournal(connection),
        audit=RedisAudit(connection, replicated=replicated),
        pending=RedisPending(connection, replicated=replicated),
        deliveries=RedisDeliveries(connection),
        api_keys=RedisApiKeys(connection, replicated=replicated),
        endpoints=settings.endpoints(),
        file_key=file_key(settings.web.admin_key_file),
        random_bytes=secrets.token_bytes,
        clock=now_ms,
        delivery_clock=store.clock,
        log=log,
    )


@asynccontextmanager
async def opened_services(settings: Settings, log: Logger) -> AsyncIterator[Administration]:
    """Open the use cases for one command. The store alone keeps what a command says: the spool
    belongs to the web process.
    """
    async with opened_store(settings, log, patience=_COMMAND_SECONDS, serving=False) as store:
        yield admin_services(
            settings, store, RecordStatement(store, None, now_ms), token_codec(settings), log
        )


def file_key(path: Path | None) -> str:
    """Return the installation's own API key, empty for none. Raises Misconfigured."""
    if path is None:
        return ""
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise Misconfigured([f"web.admin_key_file: {path}: {exc}"]) from exc
    if len(text) < MIN_KEY_CHARS or not text.isprintable() or " " in text:
        raise Misconfigured(
            [
                f"web.admin_key_file: {path}: a key is one line of at least {MIN_KEY_CHARS}"
                " characters without a space"
            ]
        )
    return text
