"""The first pages: all brands with what waits for them, and one brand with its last thirty days."""

import math

from app.admin.operator.charts import HEIGHT, SERIES, chart
from app.admin.operator.handler import OperatorRequest
from app.admin.operator.paths import of_brand
from app.admin.operator.render import OperatorRenderer, redirect
from app.core.webhook import PROMISED_MS
from app.http.answers import Answer
from app.usecases.administration import Administration
from app.usecases.backlog import ALARM_MS
from app.usecases.overview import DAYS, Overview

_CAMPAIGNS_SHOWN = 25
_LETTERS_COUNTED = 100


class OverviewPages:
    """Shows `/operator` and `/operator/brands/{brand}`."""

    def __init__(
        self, renderer: OperatorRenderer, overview: Overview, services: Administration
    ) -> None:
        self._renderer = renderer
        self._overview = overview
        self._services = services

    async def brands(self, visit: OperatorRequest) -> Answer:
        """Show every brand in one line; of a single one, its own page."""
        brands = visit.operator.brands
        if len(brands) == 1:
            return redirect(of_brand(brands[0]))
        overviews = [(brand, await self._overview.of(brand)) for brand in brands]
        about = {
            "operator": visit.operator,
            "brand": None,
            "overviews": overviews,
            "measure": self._overview.measure(),
        }
        return self._renderer.page(
            "brands", {**about, "promised_ms": PROMISED_MS, "alarm_ms": ALARM_MS, "days": DAYS}
        )

    async def brand(self, visit: OperatorRequest) -> Answer:
        """Show one brand."""
        letters = await self._services.webhooks.dead_letters(
            visit.brand.number, limit=_LETTERS_COUNTED
        )
        overview, measure = await self._overview.of(visit.brand), self._overview.measure()
        values = {
            "overview": overview,
            "chart": chart(overview.days),
            "height": HEIGHT,
            "series": SERIES,
            "campaigns": overview.campaigns[:_CAMPAIGNS_SHOWN],
            "campaigns_left_out": max(0, len(overview.campaigns) - _CAMPAIGNS_SHOWN),
            "letters": f"{_LETTERS_COUNTED} or more"
            if len(letters) == _LETTERS_COUNTED
            else str(len(letters)),
            "measure": measure,
            "unreturned_ms": measure.unreturned_ms.get(visit.brand.id) if measure else None,
            "never": math.inf,
            "promised_ms": PROMISED_MS,
            "alarm_ms": ALARM_MS,
            "days": DAYS,
        }
        return self._renderer.page(
            "brand",
            {"operator": visit.operator, "brand": visit.brand, "here": "overview", **values},
        )
