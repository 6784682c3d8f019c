"""What the audit of a brand holds: every change that was made by hand or over the API, and by whom
(catalogue Q8).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class AuditAction(StrEnum):
    """What was done. The words are stored: never rename one."""

    RECIPIENT_UNSUBSCRIBED = "recipient_unsubscribed"
    RECIPIENT_RESUBSCRIBED = "recipient_resubscribed"
    RECIPIENT_ERASED = "recipient_erased"
    SUPPRESSIONS_IMPORTED = "suppressions_imported"
    SUPPRESSIONS_EXPORTED = "suppressions_exported"
    IMPORT_UNDONE = "import_undone"
    OPT_OUTS_OVERRIDDEN = "opt_outs_overridden"
    GROUP_CREATED = "group_created"
    GROUP_EDITED = "group_edited"
    GROUP_ARCHIVED = "group_archived"
    GROUP_RESTORED = "group_restored"
    KEY_CREATED = "key_created"
    KEY_REVOKED = "key_revoked"
    WEBHOOK_RESENT = "webhook_resent"
    WEBHOOK_DROPPED = "webhook_dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One deed. `target` is a recipient's digest in hex, or an id; never an address. `entry_id` is
    empty before it is stored.
    """

    at_ms: int
    actor: str  # the API key's id, or `cli`
    action: AuditAction
    target: str
    detail: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    entry_id: str = ""
