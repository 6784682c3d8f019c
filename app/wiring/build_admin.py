"""What the use cases of administration are made of; for the admin process, the command line and
tests.
"""

from collections.abc import Callable, Iterable

from app.core.token import TokenCodec
from app.core.webhook import Endpoint
from app.observe.log import Logger
from app.usecases.administration import Administration
from app.usecases.api_keys import ApiKeys
from app.usecases.auditing import Auditing
from app.usecases.check_audience import CheckAudience
from app.usecases.delivery_ports import Deliveries
from app.usecases.erase import Erase, Pending
from app.usecases.feed import Feed
from app.usecases.groups import Groups
from app.usecases.import_list import ListImporter
from app.usecases.ports import (
    ApiKeyBook,
    AuditTrail,
    Clock,
    GroupBook,
    Journal,
    RecipientIndex,
    Store,
)
from app.usecases.recipients import Recipients
from app.usecases.suppressions import Suppressions
from app.usecases.token_links import Unsubscriber
from app.usecases.undo_import import Imports
from app.usecases.webhooks import Webhooks

_ID_BYTES = 16  # of a statement


def build_services(  # noqa: PLR0913 - the ports of the store, and what varies between callers
    *,
    store: Store,
    record: Unsubscriber,
    codec: TokenCodec,
    book: GroupBook,
    recipient_index: RecipientIndex,
    journal: Journal,
    audit: AuditTrail,
    pending: Pending,
    deliveries: Deliveries,
    api_keys: ApiKeyBook,
    endpoints: Iterable[Endpoint],
    file_key: str,
    random_bytes: Callable[[int], bytes],
    clock: Clock,
    delivery_clock: Clock,
    log: Logger,
) -> Administration:
    """Return the use cases of administration. `record` makes durable what is stated, and
    `delivery_clock` is the store's, by which deliveries are due.
    """

    def new_id() -> bytes:
        return random_bytes(_ID_BYTES)

    auditing = Auditing(audit, clock, log)
    return Administration(
        groups=Groups(book, clock),
        recipients=Recipients(
            store=store,
            book=book,
            unsubscribe=record,
            auditing=auditing,
            codec=codec,
            clock=clock,
            new_id=new_id,
        ),
        suppressions=Suppressions(recipient_index=recipient_index, codec=codec),
        check=CheckAudience(store=store, codec=codec),
        import_list=ListImporter(
            unsubscribe=record,
            store=store,
            codec=codec,
            clock=clock,
            new_id=new_id,
            auditing=auditing,
        ),
        imports=Imports(
            trail=audit,
            journal=journal,
            store=store,
            unsubscribe=record,
            new_id=new_id,
            auditing=auditing,
        ),
        feed=Feed(journal=journal, codec=codec),
        erase=Erase(
            recipient_index=recipient_index, pending=pending, clock=clock, auditing=auditing
        ),
        webhooks=Webhooks(deliveries=deliveries, endpoints=endpoints, clock=delivery_clock),
        api_keys=ApiKeys(api_keys, clock, random_bytes, file_key=file_key),
        auditing=auditing,
        audit=audit,
    )
