"""The examples of docs/webhooks.md are what each format renders."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from app.core import payload
from app.core.webhook import SCOPES, WebhookFormat
from tests.core.test_payload import event
from tests.support.webhook_examples import examples

_PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"


def test_every_format_has_its_example_as_it_is_rendered() -> None:
    """Catalogue N12."""
    written = [
        json.loads(block)
        for block in re.findall(r"```json\n(.*?)```", _PAGE.read_text(), re.DOTALL)
    ]

    assert list(examples().values()) == written


@pytest.mark.parametrize("form", list(WebhookFormat))
def test_an_event_looks_the_same_however_often_it_is_told(form: WebhookFormat) -> None:
    one = event()

    assert payload.body(form, [one], scopes=SCOPES[form]) == payload.body(
        form, [replace(one)], scopes=SCOPES[form]
    )
