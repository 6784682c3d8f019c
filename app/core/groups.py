"""Subscription groups: how a group's id becomes the fixed-width key of tokens and records."""

import hashlib

from app.core.model import GroupId, GroupKey

EVERYTHING = GroupKey(0)  # all mail of the brand


def group_key(group: GroupId) -> GroupKey:
    """Return the 32-bit key of a group id; stable for ever, since tokens and stored records hold it. Never `EVERYTHING`."""
    key = int.from_bytes(hashlib.sha256(group.encode()).digest()[:4], "big")
    return GroupKey(key or 1)
