"""The exports that are known: one row of `FORMATS` a kind of file. To add a vendor is to add a row.

A row says only what differs from the words that all of them share (`app.core.lists.status`,
`app.core.lists.reader`):

* by which columns a file is recognised, and which others it may have;
* in which columns the address stands, and times of leaving. A creation date is one only where the
  row says so: in a list of suppressions an entry is created when somebody leaves, in a list of
  contacts when they come;
* which further words of a status mean that somebody has left or is subscribed;
* which columns say what was left, and which only look as if they said something.

Names of columns are without case, spaces and punctuation: `Opted out on` is `optedouton`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from app.core.lists.words import LEAVING_ELSEWHERE


class ListFormat(StrEnum):
    """A kind of file."""

    SENDGRID = "sendgrid"
    MAILGUN = "mailgun"
    POSTMARK = "postmark"
    SES = "ses"
    MAILCHIMP = "mailchimp"
    BREVO = "brevo"
    KLAVIYO = "klaviyo"
    KEILA = "keila"
    LISTMONK = "listmonk"
    MAILTRAIN = "mailtrain"
    HUBSPOT = "hubspot"
    ACTIVECAMPAIGN = "activecampaign"
    KIT = "kit"
    PLAIN = "plain"
    SIGNOFF = "signoff"


ADDRESSES = (
    "email",
    "emailaddress",
    "mail",
    "address",
    "recipient",
    "subscriber",
    "subscriberemail",
    "contactemail",
    "emailadresse",
)
_LEAVING = (
    "unsubscribe",
    "unsubscribed",
    "unsub",
    "optout",
    "optedout",
    "suppressed",
    "suppression",
    "blocklisted",
    "blacklisted",
    "left",
)
LEAVING_TIMES = (
    *(f"{what}{when}" for what in _LEAVING for when in ("at", "on", "date", "time", "timestamp")),
    *(
        "datesuppressed",
        "dateunsubscribed",
        "unsubscribeddateutc",
        "cleantime",
        "bouncedat",
        "complainedat",
        "blockedat",
    ),
    *LEAVING_ELSEWHERE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatRules:
    """What is said in one kind of file, beside the words that all share."""

    marks: frozenset[str]  # columns that a file has, all of them
    only: frozenset[str] = frozenset()  # columns that it may have beside them; empty: any
    address: tuple[str, ...] = ADDRESSES
    digest: str = ""  # the column of a recipient's digest, in our own exports
    times: tuple[str, ...] = ()  # of leaving, before those that say so by their names
    # the vendor writes its times as seconds since 1970: any other is somebody's own column
    epoch_only: bool = False
    status: tuple[str, ...] = ()  # columns of a status, beside those that are called so
    left: frozenset[str] = frozenset()  # further words that mean that somebody has left
    subscribed: frozenset[str] = frozenset()
    # columns that say what was left, each by alternatives, beside those that are called so
    scope: tuple[tuple[str, ...], ...] = ()
    topics: tuple[str, ...] = ()  # columns of a list of groups, each with a status of its own
    # objects of somebody's own data: what their members are called says nothing
    within: tuple[str, ...] = ()
    # columns that must say what was left where they stand at all
    placed: frozenset[str] = frozenset()
    # columns of a list of reasons not to write to somebody: one is enough, whatever the status says
    suppressions: tuple[str, ...] = ()
    silent: frozenset[str] = frozenset()  # columns that look as if they said something
    # columns of a list of groups that were left, whatever the status says
    left_lists: tuple[str, ...] = ()
    # lists people whether they have left or not: without a word that they have, a line is refused
    contacts: bool = False

    @property
    def scope_columns(self) -> frozenset[str]:
        """Return the columns that say what was left."""
        return (
            frozenset(name for names in self.scope for name in names)
            | frozenset(self.topics)
            | frozenset(self.left_lists)
        )


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


FORMATS: Mapping[ListFormat, tuple[FormatRules, ...]] = MappingProxyType(
    {
        ListFormat.SIGNOFF: (
            FormatRules(
                marks=_set("recipient group since"),
                address=("address",),
                digest="recipient",
                times=("since",),
                silent=_set("source last"),
            ),
        ),
        ListFormat.SENDGRID: (
            FormatRules(marks=_set("email contactid"), contacts=True),
            FormatRules(
                marks=_set("email groupid"),
                only=_set("groupname createdat created id isdefault name"),
                scope=(("groupid", "groupname"),),
                times=("createdat", "created"),
                silent=_set("groupid groupname"),
            ),
            FormatRules(
                marks=_set("email created"),
                only=_set("reason status ip"),
                times=("created",),
                epoch_only=True,
                silent=_set("status reason"),
            ),
        ),
        ListFormat.MAILGUN: (
            FormatRules(
                marks=_set("address createdat"),
                only=_set("tags code error id messagehash count reason"),
                times=("createdat",),
                placed=_set("tags"),
            ),
        ),
        ListFormat.POSTMARK: (
            FormatRules(
                marks=_set("emailaddress suppressionreason"),
                times=("createdat",),
                status=("suppressionreason",),
                left=_set("hardbounce spamcomplaint manualsuppression"),
                silent=_set("origin"),
            ),
            FormatRules(
                marks=_set("emailaddress origin"), times=("createdat",), silent=_set("origin")
            ),
        ),
        ListFormat.SES: (
            FormatRules(
                marks=_set("emailaddress topicpreferences"),
                topics=("topicpreferences",),
                times=("lastupdatedtimestamp",),
                silent=_set("topicpreferences topicdefaultpreferences"),
                contacts=True,
            ),
            FormatRules(
                marks=_set("emailaddress unsubscribeall"),
                times=("lastupdatedtimestamp",),
                silent=_set("topicdefaultpreferences"),
                contacts=True,
            ),
            FormatRules(
                marks=_set("emailaddress lastupdatetime"),
                times=("lastupdatetime",),
                status=("reason",),
                left=_set("bounce complaint"),
            ),
        ),
        ListFormat.MAILCHIMP: (
            FormatRules(
                marks=_set("emailaddress status lastchanged"),
                times=("lastchanged",),
                left=_set("cleaned"),
                silent=_set(
                    "tags listid consentstoonetoonemessaging smssubscriptionstatus"
                    " unsubscribereason"
                ),
                contacts=True,
            ),
            FormatRules(
                marks=_set("emailaddress leid euid"),
                times=("unsubtime", "cleantime"),
                silent=_set(
                    "tags unsubreason unsubreasonother unsubcampaigntitle unsubcampaignid"
                    " cleancampaigntitle cleancampaignid"
                ),
                contacts=True,
            ),
        ),
        ListFormat.BREVO: (
            FormatRules(
                marks=_set("email emailblacklisted"),
                topics=("listunsubscribed",),
                silent=_set("smsblacklisted whatsappblacklisted listids listunsubscribed tags"),
                within=("attributes",),
                contacts=True,
            ),
            FormatRules(
                marks=_set("email emailblocklisted"),
                silent=_set("smsblocklisted whatsappblocklisted"),
                contacts=True,
            ),
        ),
        ListFormat.KLAVIYO: (
            FormatRules(
                marks=_set("email datesuppressed"),
                times=("datesuppressed",),
                silent=_set("suppressionreason"),
            ),
            FormatRules(
                marks=_set("attributesemail attributessubscriptionsemailmarketingconsent"),
                address=("attributesemail",),
                status=("attributessubscriptionsemailmarketingconsent",),
                times=("attributessubscriptionsemailmarketingconsenttimestamp",),
                suppressions=("attributessubscriptionsemailmarketingsuppression",),
                left_lists=("attributessubscriptionsemailmarketinglistsuppressions",),
                silent=_set(
                    "attributessubscriptionsemailmarketingsuppression"
                    " attributessubscriptionsemailmarketinglistsuppressions"
                    " attributessubscriptionsemailmarketingdoubleoptin"
                    " attributessubscriptionsemailmarketingcanreceiveemailmarketing"
                ),
                contacts=True,
            ),
        ),
        ListFormat.KEILA: (
            FormatRules(
                marks=_set("email firstname lastname status data"),
                left=_set("unreachable"),
                silent=_set("data"),
                contacts=True,
            ),
        ),
        ListFormat.LISTMONK: (
            FormatRules(
                marks=_set("uuid email status attributes"),
                left=_set("blocklisted disabled"),
                silent=_set("attributes lists"),
                topics=("lists",),
                contacts=True,
            ),
            FormatRules(
                marks=_set("uuid email status lists"),
                left=_set("blocklisted disabled"),
                silent=_set("lists"),
                topics=("lists",),
                within=("attribs",),
                contacts=True,
            ),
        ),
        ListFormat.MAILTRAIN: (
            FormatRules(
                marks=_set("cid email status"),
                left=_set("2 3 4"),
                subscribed=_set("1"),
                silent=_set("optinip optincountry"),
                contacts=True,
            ),
            FormatRules(
                marks=_set("hashemail email status"),
                left=_set("2 3 4"),
                subscribed=_set("1"),
                contacts=True,
            ),
        ),
        ListFormat.HUBSPOT: (
            FormatRules(
                marks=_set("recordid email"),
                silent=_set("leadstatus hsleadstatus lifecyclestage tags"),
                contacts=True,
            ),
            FormatRules(
                marks=_set("recipient subscriptionstatuses"),
                topics=("subscriptionstatuses",),
                left=_set("notsubscribed"),
                silent=_set("subscriptionstatuses"),
                contacts=True,
            ),
            FormatRules(
                marks=_set("email unsubscribedfromallemail"),
                silent=_set("leadstatus hsleadstatus lifecyclestage"),
                contacts=True,
            ),
        ),
        ListFormat.ACTIVECAMPAIGN: (
            FormatRules(
                marks=_set("email status udate"),
                times=("udate",),
                left=_set("2 3"),
                subscribed=_set("1"),
                silent=_set("tags sdate"),
                contacts=True,
            ),
            FormatRules(
                marks=_set("email cdate udate orgid"),
                silent=_set("bouncedhard bouncedsoft bounceddate"),
                contacts=True,
            ),
            FormatRules(
                marks=_set("email status tags accountname"),
                left=_set("2 3"),
                subscribed=_set("1"),
                silent=_set("tags"),
                contacts=True,
            ),
        ),
        ListFormat.KIT: (
            FormatRules(
                marks=_set("emailaddress state createdat"),
                status=("state",),
                left=_set("cancelled"),
                silent=_set("fields"),
                within=("fields",),
                contacts=True,
            ),
        ),
        ListFormat.PLAIN: (FormatRules(marks=frozenset()),),
    }
)


def recognised(columns: frozenset[str], wanted: ListFormat | None) -> FormatRules | None:
    """Return the row by which a file of these columns is read: of the wanted kind, else the first
    that fits; None without addresses.
    """
    rows = FORMATS[wanted] if wanted else [row for rows in FORMATS.values() for row in rows]
    for row in rows:
        if row.marks <= columns and (not row.only or columns <= row.marks | row.only):
            return row if _tells_who(row, columns) else None
    if wanted is None:
        return None
    lenient = rows[-1]  # the caller knows whose file it is: a part of its columns will do
    return lenient if _tells_who(lenient, columns) else None


def _tells_who(row: FormatRules, columns: frozenset[str]) -> bool:
    return (bool(row.digest) and row.digest in columns) or not columns.isdisjoint(row.address)
