"""What the name of a column says, where no format knows it: a question about all mail, about a
group, about another channel, or groups.

A name is cut at the words that everybody uses (`unsubscribed`, `opted out`, `subscribed`); what is
left of it decides. Nothing, or words that say no more (`email`, `is`, `has`): the question is about
all mail. Anything else names something of its own: a group, a channel.
"""

import re
from enum import Enum
from functools import lru_cache

from app.core.lists.words import COMING_ELSEWHERE

SCOPE = (  # columns that say what was left; those of one row name one and the same group
    ("group", "groups", "groupname", "groupid"),
    ("asmgroupid",),
    ("tag", "tags"),
    ("topic", "topics", "topicname"),
    ("list", "lists", "listname", "listid", "listids"),
    ("stream", "messagestream"),
    (
        "audience",
        "audiences",
        "audiencename",
        "segment",
        "segments",
        "subscriptiontype",
        "subscriptiontypes",
    ),
    (
        "newsletter",
        "newsletters",
        "mailinglist",
        "mailinglists",
        "category",
        "categories",
        "unsubscribedfrom",
    ),
    ("subscriptiongroup", "subscriptiongroups", "suppressiongroup", "unsubscribegroup", "asmgroup"),
    ("preference", "preferences", "emailpreference", "emailpreferences"),
)
SCOPES = frozenset(name for columns in SCOPE for name in columns)
_LEAVES = (
    r"unsubscribed?|unsub|opted?out|optout|suppressed|suppression|suppress"
    r"|blacklisted|blacklist|blocklisted|blocklist"
)
_STAYS = r"subscribed|opted?in|optin"
_CORE = re.compile(
    rf"(?P<leaves>{_LEAVES})|(?P<stays>{_STAYS})|(?P<status>subscription|consent|status)"
)
_FILLERS = re.compile(
    r"(?:is|has|have|hs|ever|currently|e?mails?|e|all|any|global(?:ly)?|marketing|from|of|to|the|user|contact|customer|member)*\Z"
)
_OF_GROUPS = re.compile(
    r"(?:groups?|lists?|topics?|messagetypes?|types?|categor(?:y|ies)|streams?|audiences?|segments?|channels?)(?:ids?|names?|uuids?|keys?)?\Z"
)
_CHANNEL = re.compile(
    r"sms|phone|push|whatsapp|mobile|fax|call|postal|directmail|viber|telegram|(?:\A|_)web"
)


# no word of these columns says whether the groups in them were left or are still wanted
_UNSAID_GROUPS = re.compile(
    r"(?:topics|lists|groups|categories|streams|audiences|segments|channels|newsletters)"
    r"(?:ids?|names?|uuids?|keys?)?\Z"
)
# the members of an object, such as `{"topics": {"news": "OPT_OUT"}}`
_MEMBER_OF_GROUPS = re.compile(
    r"(?:topics?|lists?|groups?|categories|streams?|audiences?|segments?|channels?|newsletters?"
    r"|preferences?|subscriptions?|unsubscribes?)."
)
# when somebody came: `Subscribed at`, `opt_in_time`, `Date of consent`
_COMING = (
    r"(?:subscribed|subscription|subscribe|optin|optedin|consent|consented"
    r"|confirm|confirmed|confirmation)"
)
_COMING_TIME = re.compile(
    rf"{_COMING}(?:at|on|date|time|timestamp|datetime)+(?:utc)?\Z|(?:date|time)(?:of)?{_COMING}\Z"
    rf"|(?:{'|'.join(map(re.escape, COMING_ELSEWHERE))})\Z"
)


class Asks(Enum):
    """What a column asks."""

    NOTHING = "nothing"
    LEFT_ALL = "left_all"  # yes: they have left all mail
    STAYED = "stayed"  # yes: they are subscribed
    STATUS = "status"  # a word of a status
    LEFT_GROUPS = "left_groups"  # names what they have left
    KEPT_GROUPS = "kept_groups"  # names what they are subscribed to
    SOMETHING = "something"  # about a group or channel of its own


@lru_cache(maxsize=4096)
def asks(column: str) -> Asks:
    """Return what a column asks, by its name as `plain_name` gives it."""
    found = _CORE.search(column)
    if found is None or column in SCOPES:
        return Asks.NOTHING
    rest = column[: found.start()] + column[found.end() :]
    if _CHANNEL.search(rest):
        return Asks.NOTHING if found["status"] else Asks.SOMETHING
    if _OF_GROUPS.search(rest):
        return Asks.KEPT_GROUPS if found["stays"] else Asks.LEFT_GROUPS
    if not _FILLERS.match(rest):
        return Asks.SOMETHING
    return Asks.LEFT_ALL if found["leaves"] else Asks.STAYED if found["stays"] else Asks.STATUS


def is_of_channel(column: str) -> bool:
    """Say whether a column is about another way than mail, by its name."""
    return _CHANNEL.search(column) is not None


def is_of_groups(column: str) -> bool:
    """Say whether a column names groups, and not whether they were left."""
    return _UNSAID_GROUPS.search(column) is not None


def is_member_of_groups(column: str) -> bool:
    """Say whether a column is of an object of groups: what it holds is about one of them."""
    return _MEMBER_OF_GROUPS.match(column) is not None


def says_when_they_came(column: str) -> bool:
    """Say whether a column holds the time of subscribing, as lists of contacts do."""
    return _COMING_TIME.match(column) is not None


def stem(column: str) -> str:
    """Return a column of groups without its last word: `unsubscribegroupid` and
    `unsubscribegroupname` are of one stem.
    """
    return re.sub(r"(?:ids?|names?|uuids?|keys?)\Z", "", column)


def plain_name(name: str) -> str:
    """Return the name of a column without case, spaces and punctuation, but for a colon."""
    return "".join(char for char in name.casefold() if char.isalnum() or char == ":")
