"""The documentation names everything that the code has: settings, metrics, log events, routes."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel

from app.observe import metrics
from app.observe.log import LogEvent
from app.settings.brand import BrandSettings, DkimSettings
from app.settings.model import Settings
from app.settings.webhook import WebhookSettings

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (ROOT / "docs/settings.md").read_text()
OBSERVABILITY = (ROOT / "docs/observability.md").read_text()


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            yield from keys(section, f"{prefix}{name}.")
        elif name not in ("brands", "dkim"):  # they have a table of their own
            yield prefix + name


@pytest.mark.parametrize(
    "key", [*keys(Settings), *keys(BrandSettings), *keys(DkimSettings), *keys(WebhookSettings)]
)
def test_every_setting_is_documented(key: str) -> None:
    assert f"`{key}`" in SETTINGS


def test_no_documented_setting_is_unknown() -> None:
    documented = {
        key
        for row in re.findall(r"^\| (`[^|]+`) \|", SETTINGS, re.M)
        for key in re.findall(r"`([^`]+)`", row)
    }

    assert (
        documented
        - {*keys(Settings), *keys(BrandSettings), *keys(DkimSettings), *keys(WebhookSettings)}
        == set()
    )


@pytest.mark.parametrize("event", list(LogEvent))
def test_every_log_event_is_documented(event: LogEvent) -> None:
    assert f"`{event}`" in OBSERVABILITY


def test_every_metric_is_documented_with_its_labels() -> None:
    rows = dict(re.findall(r"^\| `(signoff_\w+)` \| ([^|]*)\|", OBSERVABILITY, re.M))
    labels = {
        family.name + ("_total" if family.type == "counter" else ""): ", ".join(metric._labelnames)
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase)
        for family in metric.describe()
    }

    assert {name: label.strip() for name, label in rows.items()} == labels
