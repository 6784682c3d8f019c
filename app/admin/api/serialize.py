"""From the records of the rules to the views of the API."""

from urllib.parse import urlsplit, urlunsplit

from app.admin.api.responses import (
    AcceptedView,
    AuditView,
    BrandView,
    GroupView,
    ImportedView,
    ImportView,
    KeyView,
    ProblemLine,
    RecipientView,
    SubscriptionView,
    SuppressionView,
    TakenView,
)
from app.core.api_key import ApiKey
from app.core.audit import AuditEntry
from app.core.group_words import GroupWords
from app.core.lists.rows import Row
from app.core.model import Brand, Preferences, RecipientDigest, Subscription, SubscriptionGroup
from app.core.times import iso
from app.core.webhook import Endpoint
from app.usecases.import_list import ImportReport
from app.usecases.undo_import import Imported


def brand_view(brand: Brand) -> BrandView:
    """Return a brand as the API shows it."""
    return BrandView(
        id=brand.id,
        name=brand.name,
        sender_domains=sorted(brand.sender_domains),
        one_click=brand.management.value,
        preference_centre=brand.preference_centre.value,
        store_addresses=brand.store_addresses,
    )


def group_view(group: SubscriptionGroup) -> GroupView:
    """Return a group as the API shows it."""
    return GroupView(
        id=group.id,
        name=group.name,
        description=group.description,
        archived=group.archived,
        created=iso(group.created_ms),
    )


def recipient_view(
    digest: RecipientDigest, state: Preferences, words: GroupWords, *, address: str
) -> RecipientView:
    """Return a recipient as the API shows them."""
    return RecipientView(
        recipient=digest.hex(),
        address=address or None,
        sequence=state.sequence,
        all=_subscription(state.everything),
        groups={words.word(key): _subscription(one) for key, one in sorted(state.groups.items())},
    )


def key_view(key: ApiKey) -> KeyView:
    """Return an API key as the API shows it."""
    return KeyView(
        id=key.id,
        brand=key.brand,
        name=key.name,
        scopes=sorted(key.scopes),
        created=iso(key.created_ms),
        revoked=iso(key.revoked_ms) or None,
    )


def audit_view(entry: AuditEntry) -> AuditView:
    """Return an entry of the audit as the API shows it."""
    return AuditView(
        at=iso(entry.at_ms),
        actor=entry.actor,
        action=entry.action.value,
        target=entry.target,
        detail=dict(entry.detail),
    )


def row_view(row: Row) -> SuppressionView:
    """Return one row of a list as the API shows it."""
    return SuppressionView(
        recipient=row.recipient,
        address=row.address or None,
        group=row.group,
        source=row.source,
        since=row.since,
        last=row.last,
        sequence=row.sequence,
    )


def shown_url(endpoint: Endpoint) -> str:
    """Return an endpoint's URL without what may be a secret: user, password, query."""
    url = urlsplit(endpoint.url)
    return urlunsplit((url.scheme, url.netloc.rpartition("@")[2], url.path, "", ""))


def import_view(report: ImportReport, *, dry_run: bool) -> ImportView:
    """Return what became of a list as the API shows it."""
    return ImportView(
        id=report.id or None,
        dry_run=dry_run,
        read=report.read,
        accepted=AcceptedView(all=report.all_mail, groups=dict(report.groups)),
        skipped_subscribed=report.skipped_subscribed,
        undated=report.undated,
        overruled=report.overruled,
        refused=[ProblemLine(line=line, reason=reason) for line, reason in report.problems],
        refused_count=report.refused,
        first=[
            TakenView(
                line=one.line,
                recipient=one.recipient,
                groups=list(one.groups),
                at=iso(one.at_ms or 0) or None,
            )
            for one in report.first
        ],
    )


def imported_view(one: Imported) -> ImportedView:
    """Return an import as the API shows it."""
    return ImportedView(
        id=one.id,
        at=iso(one.at_ms),
        by=one.actor,
        counts=one.counts,
        undone=iso(one.undone_ms) if one.undone_ms else None,
    )


def _subscription(one: Subscription) -> SubscriptionView:
    return SubscriptionView(
        subscribed=one.subscribed,
        source=one.source.label if one.source else None,
        since=iso(one.since_ms) or None,
        last=iso(one.last_ms) or None,
    )
