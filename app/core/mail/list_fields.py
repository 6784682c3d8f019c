"""List-Id and Feedback-ID as we add them: what names a mailing list and a sending to receivers, the
same in every copy.

List-Id (RFC 2919, catalogue H14) is `<list>.<the brand's name space>` for a campaign of one group,
the name space alone for others: so two campaigns of a list have the same, whatever they are called.

Feedback-ID (catalogue H17) is `campaign:group or brand:class:SenderId`. Receivers count complaints
by each part, so no part may differ from recipient to recipient, and none may hold a colon.
"""

import hashlib
import re
from collections.abc import Sequence

from app.core.groups import group_key
from app.core.model import Brand, Campaign, GroupId, MailClass

MAX_LABEL_CHARS = 63
MAX_LIST_ID_OCTETS = 255  # RFC 2919 3
MAX_NAME_SPACE_CHARS = MAX_LIST_ID_OCTETS - len("<>.") - MAX_LABEL_CHARS

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NOT_IN_PART = re.compile(r"[^A-Za-z0-9._-]+")
_PART_CHARS = 60


def list_fields(brand: Brand, campaign: Campaign) -> tuple[tuple[bytes, bytes], ...]:
    """Return name and value of the fields that the brand wants where the sender has not set
    them.
    """
    fields = []
    if brand.list_id:
        fields.append((b"List-Id", _list_id(brand.list_id, campaign.groups)))
    if brand.feedback_id:
        fields.append((b"Feedback-ID", _feedback_id(brand, campaign)))
    return tuple(fields)


def _list_id(name_space: str, groups: Sequence[GroupId]) -> bytes:
    prefix = f"{_label(groups[0])}." if len(groups) == 1 else ""
    return f"<{prefix}{name_space}>".encode("ascii")


def _label(group: GroupId) -> str:
    """Return the group's id where that is a label, else a hash of it: the name of a list never
    changes, and ids do not either.
    """
    return group if _LABEL.fullmatch(group) else f"g{group_key(group):08x}"


def _feedback_id(brand: Brand, campaign: Campaign) -> bytes:
    group = campaign.groups[0] if len(campaign.groups) == 1 else brand.id
    parts = (_part(campaign.id), _part(group), MailClass.PROMOTIONAL, brand.feedback_id)
    return ":".join(parts).encode("ascii")


def _part(text: str) -> str:
    """Return text as a part; where characters had to go, a hash keeps two of them apart."""
    plain = _NOT_IN_PART.sub("-", text)[:_PART_CHARS]
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
