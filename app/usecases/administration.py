"""What an operator can do, over the admin API and by hand: the use cases, and who writes down what
was done.
"""

from dataclasses import dataclass

from app.core.group_words import GroupWords
from app.core.model import Brand
from app.usecases.api_keys import ApiKeys
from app.usecases.auditing import Auditing
from app.usecases.check_audience import CheckAudience
from app.usecases.erase import Erase
from app.usecases.feed import Feed
from app.usecases.groups import Groups
from app.usecases.import_list import ListImporter
from app.usecases.ports import AuditTrail
from app.usecases.recipients import Recipients
from app.usecases.suppressions import Suppressions
from app.usecases.undo_import import Imports
from app.usecases.webhooks import Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """One use case each."""

    groups: Groups
    recipients: Recipients
    suppressions: Suppressions
    check: CheckAudience
    import_list: ListImporter
    imports: Imports
    feed: Feed
    erase: Erase
    webhooks: Webhooks
    api_keys: ApiKeys
    auditing: Auditing
    audit: AuditTrail

    async def words(self, brand: Brand) -> GroupWords:
        """Return the words for a brand's groups as they are now."""
        return GroupWords(await self.groups.list(brand.number))
