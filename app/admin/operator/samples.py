"""What recipients get to see: the fields that a mail of the brand would carry, made with a test
token, and the pages behind them.
"""

from app.admin.operator.handler import OperatorRequest
from app.admin.operator.render import OperatorRenderer
from app.admin.preview import BASE
from app.core.errors import InvalidInput, Unavailable
from app.core.links import LinkMaker
from app.core.mail.list_fields import list_fields
from app.core.mail.stamp import stamp_fields
from app.core.model import Brand, Campaign, CampaignId, Management, Recipient
from app.core.token import TokenCodec
from app.http.answers import Answer
from app.usecases.ports import Clock
from app.web.languages import LANGUAGES

SAMPLE_ADDRESS = "robin@example.com"
# a test: its links work, and save nothing
SAMPLE_CAMPAIGN = Campaign(id=CampaignId("sample"), test=True)

_PAGES = (
    ("confirm", "One-click link, opened in a browser", "the page with the one button"),
    ("done", "After that button", ""),
    ("preferences", "Preference centre", "a toggle for each group"),
    ("saved", "Preferences saved", ""),
    ("unsubscribe", "Group unsubscribe", "the groups of one campaign"),
    ("unsubscribed", "After leaving", "with the button that takes it back"),
    ("resubscribed", "After taking it back", ""),
    ("already", "Left already", ""),
    ("no_address", "A link that does not open", ""),
    ("unread", "While the store is away", ""),
)


class SamplePages:
    """Shows `…/fields` and `…/pages` of a brand."""

    def __init__(
        self, renderer: OperatorRenderer, *, links: LinkMaker, codec: TokenCodec, clock: Clock
    ) -> None:
        self._renderer = renderer
        self._links = links
        self._codec = codec
        self._clock = clock

    async def fields(self, visit: OperatorRequest) -> Answer:
        """Show the fields of a sample mail."""
        url = fields = problem = ""
        if visit.brand.management is not Management.NONE:
            try:
                url, fields = self._sample(visit.brand)
            except (InvalidInput, Unavailable) as exc:
                problem = str(exc)
        values = {
            "address": SAMPLE_ADDRESS,
            "url": url,
            "fields": fields,
            "problem": problem,
            "inbox": self._links.inbox_domain,
        }
        return self._renderer.page(
            "fields", {"operator": visit.operator, "brand": visit.brand, "here": "fields", **values}
        )

    def _sample(self, brand: Brand) -> tuple[str, str]:
        """Return the URL and all fields. Raises RuleViolation or SignerUnavailable, as the relay
        would.
        """
        recipient = Recipient(
            address=SAMPLE_ADDRESS, digest=self._codec.digest(SAMPLE_ADDRESS, brand=brand.number)
        )
        links = self._links.for_message(brand, SAMPLE_CAMPAIGN, at_ms=self._clock()).for_copy(
            recipient
        )
        further = b"".join(
            name + b": " + value + b"\r\n" for name, value in list_fields(brand, SAMPLE_CAMPAIGN)
        )
        return links.https_uri, (b"".join(stamp_fields(links)) + further).decode("ascii").replace(
            "\r\n", "\n"
        ).strip()

    async def pages(self, visit: OperatorRequest) -> Answer:
        """Show where each page can be looked at, in every language."""
        values = {"previews": _PAGES, "base": BASE, "languages": LANGUAGES}
        return self._renderer.page(
            "pages", {"operator": visit.operator, "brand": visit.brand, "here": "pages", **values}
        )
