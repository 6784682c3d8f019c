"""The words of the product as records: immutable, keyword-only, free of I/O.

Records are frozen dataclasses; the two that every click makes again are named tuples, which cost a
fifth to make.

Units: times are UTC milliseconds since 1970 (`*_ms`), digests are raw bytes, addresses are `str` as
the sender wrote them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag, StrEnum
from types import MappingProxyType
from typing import NamedTuple, NewType

BrandId = NewType("BrandId", str)
# 1..65535; stands for the brand in tokens and keys, so it never changes
BrandNumber = NewType("BrandNumber", int)
GroupId = NewType("GroupId", str)
# 32 bits of a hash of the group id: fixed width in tokens and records, see core.groups
GroupKey = NewType("GroupKey", int)
CampaignId = NewType("CampaignId", str)
NO_CAMPAIGN = CampaignId("")
# DIGEST_BYTES of HMAC-SHA256(brand pepper, recipient identity)
RecipientDigest = NewType("RecipientDigest", bytes)

DIGEST_BYTES = 10
PARTITIONS = 256  # into which the recipients of each brand are divided, by their digest


class Management(StrEnum):
    """Who receives a brand's one-click requests."""

    MANAGED = "managed"
    SELF_MANAGED = "self_managed"
    NONE = "none"


class Purpose(IntFlag):
    """What a token may be used for; a token may hold several, each good for its own act only
    (catalogue T4).
    """

    ONE_CLICK = 1
    CALLBACK = 2
    MAILTO = 4
    PREFERENCES = 8
    PROBE = 16


class Source(IntEnum):
    """By which way a statement reached us. The numbers are stored: never reuse one."""

    LIST_UNSUBSCRIBE = 1
    MAILTO = 2
    CALLBACK = 3
    GROUP_PAGE = 4
    PREFERENCE_CENTRE = 5
    LANDING_PAGE = 6
    API = 7
    IMPORT = 8
    COMPLAINT = 9
    IMPORT_UNDONE = 10

    @property
    def label(self) -> str:
        """Return the name used in events, metrics and answers, such as `list_unsubscribe`."""
        return self.name.lower()


class Recency(IntEnum):
    """How newly a statement was said when the store is told. The numbers are arguments of
    apply.lua.
    """

    REPEATED = 0  # told before, or of a time that a list names: the order of times alone decides
    LATE = 1  # told for the first time, after it has waited
    NOW = 2  # said within the last minutes


class OnSuppressed(StrEnum):
    """What the upstream hears about a recipient who has unsubscribed (catalogue X17)."""

    DISCARD = "discard"
    REJECT = "reject"


class OnStoreDown(StrEnum):
    """What happens to promotional mail while the states cannot be read (catalogue Q11)."""

    TEMPFAIL = "tempfail"
    ACCEPT = "accept"


class StrayPlaceholder(StrEnum):
    """What happens to a mail that is not promotional and holds a placeholder, which nobody fills
    in.
    """

    REJECT = "reject"
    WARN = "warn"


class UnknownGroup(StrEnum):
    """What happens to a mail for a group that the brand has not: to accept it is to log and count a
    warning.
    """

    ACCEPT = "accept"
    REJECT = "reject"


class ExistingHeader(StrEnum):
    """What happens to List-Unsubscribe fields that came with the mail (catalogue H1, H13)."""

    REPLACE = "replace"
    KEEP = "keep"
    MERGE = "merge"
    REJECT = "reject"


class ExistingSignature(StrEnum):
    """What happens to a DKIM-Signature that came with the mail and covers link fields that we
    change (catalogue D10).
    """

    KEEP = "keep"
    STRIP = "strip"


class Promotional(StrEnum):
    """Which of a brand's mails count as promotional when the sender does not say."""

    MARKED = "marked"
    ALWAYS = "always"
    NEVER = "never"


class PreferenceCentre(StrEnum):
    """Whose pages the links in a brand's mails lead to."""

    NONE = "none"
    SYSTEM = "system"
    CUSTOM = "custom"


class MailClass(StrEnum):
    """The class of one message."""

    PROMOTIONAL = "promotional"
    TRANSACTIONAL = "transactional"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """A brand's picture on our pages, checked when it was read."""

    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """A customer whose mail we relay (MoEngage: workspace, CleverTap: account)."""

    id: BrandId
    number: BrandNumber
    name: str
    sender_domains: frozenset[str]  # A-label, lower case
    management: Management = Management.MANAGED
    on_suppressed: OnSuppressed = OnSuppressed.DISCARD
    one_click_url: str = ""  # self-managed: a template, see core.self_managed
    one_click_email: str = ""  # self-managed
    # a template for the identifier in the mail-to subject; empty: the recipient's digest
    user_identifier: str = ""
    existing_header: ExistingHeader = ExistingHeader.REPLACE
    existing_signature: ExistingSignature = ExistingSignature.KEEP
    on_store_down: OnStoreDown = OnStoreDown.TEMPFAIL
    unknown_group: UnknownGroup = UnknownGroup.ACCEPT
    stray_placeholder: StrayPlaceholder = StrayPlaceholder.REJECT
    promotional: Promotional = Promotional.MARKED
    list_id: str = ""  # A-label, lower case; empty: no List-Id is added
    feedback_id: str = ""  # the SenderId of Feedback-ID fields; empty: none is added
    preference_centre: PreferenceCentre = PreferenceCentre.SYSTEM
    custom_page_url: str = ""  # only with PreferenceCentre.CUSTOM; without a query
    colour: str = ""  # of our pages for this brand, #rrggbb; empty: ours
    logo: Logo | None = None
    # the state keeps the sealed address, so that lists can be read and exported in clear
    store_addresses: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionGroup:
    """A kind of mail that recipients can unsubscribe from by itself, a subscription group at
    CleverTap.

    `id` never changes and is what tokens and records hold (as `group_key`); `name` is what people
    read, unique in the brand without regard to case, and never translated. An archived group is
    offered to nobody; what recipients said about it is kept.
    """

    id: GroupId
    name: str
    description: str = ""
    archived: bool = False
    created_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What the sender said about the sending that one message belongs to."""

    id: CampaignId = CampaignId("")
    groups: tuple[GroupId, ...] = ()
    test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One envelope recipient: the address to write on the wire, and the digest that identifies the
    person within the brand.
    """

    address: str
    digest: RecipientDigest


class Claims(NamedTuple):
    """A decoded qmoe. `address` is empty when the token holds only the digest (an address too long
    for the URL budget, H6).
    """

    brand: BrandNumber
    key_id: int
    data_centre: int
    purpose: Purpose
    campaign: CampaignId
    groups: tuple[GroupKey, ...]  # empty: all
    issued_day: int  # days since 1970-01-01 UTC
    test: bool
    address: str
    digest: RecipientDigest


class Statement(NamedTuple):
    """What a recipient said, as it is spooled, applied and written to the history.

    Applying statements is idempotent and commutative: the newest `at_ms` wins, a tie goes to the
    unsubscribe. `expected_sequence` is a precondition, only for a resubscribe: the sequence that
    the person's page had seen.
    """

    id: bytes  # 16 random bytes, the id of the events that this statement causes
    brand: BrandNumber
    digest: RecipientDigest
    # empty: all mail; core.groups.EVERYTHING may also stand among others
    groups: tuple[GroupKey, ...]
    subscribed: bool
    source: Source
    at_ms: int  # receipt at the edge
    campaign: CampaignId = CampaignId("")
    key_id: int = 0  # of the token that gave the right; 0: none
    sealed_address: bytes = b""  # for webhooks and exports; no clear address is ever stored
    expected_sequence: int | None = None
    home: int = 0  # the data centre to which it is still to be shipped; 0: it is at home here


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """The state of one recipient towards one group, or towards all mail of the brand."""

    subscribed: bool = True
    source: Source | None = None
    # when this state began, exact when statements arrive in the order of their time
    since_ms: int = 0
    last_ms: int = 0  # newest statement of this state
    imported: bool = False  # unsubscribed, and imports alone have told of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """Everything known about one recipient of one brand. Absent groups are subscribed."""

    everything: Subscription = Subscription()
    groups: Mapping[GroupKey, Subscription] = field(default_factory=lambda: MappingProxyType({}))
    sequence: int = 0  # counts the changes; goes on above the epoch after a restore


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRecipient:
    """One recipient of a brand as the store knows them: who ever said something. `sealed_address`
    is empty unless the brand stores it.
    """

    digest: RecipientDigest
    preferences: Preferences
    sealed_address: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What applying one statement did. `changed` is empty when the state was already so, and then
    no event was written.
    """

    changed: tuple[GroupKey, ...]  # core.groups.EVERYTHING stands for all mail
    sequence: int
    against_clock: bool = False  # it won over a statement whose time lies ahead of the store's


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One change as the history holds it, newest state first decided, oldest entry first listed."""

    entry_id: str  # the stream's id, a cursor
    statement: Statement
    changed: tuple[GroupKey, ...]
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """A durable answer to a click: `copies` counts the places (spool, store) that held it when we
    said so; 0 for a test token.

    `id` is that of the statement, and so of the events that it causes; by it log, history and
    webhooks tell of the same click.
    """

    copies: int
    id: bytes = field(default=b"", compare=False)  # a name, and no part of what was promised
