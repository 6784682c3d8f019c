"""The settings of a brand's own links: what cannot work is told at start, by its key."""

import json
from pathlib import Path

import pytest

from app.core.errors import Misconfigured
from app.settings.load import load

URL = "https://www.shop.example/u?e={{UserAttribute['Email (Standard)']|default('email')}}"
BASE = {"sender_domains": ["shop.example"], "one_click": "self_managed", "one_click_url": URL}


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIGNOFF_CONFIG", raising=False)


def told(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str], *, public: bool = False
) -> list[str]:
    """Return what is wrong with a brand of these settings."""
    monkeypatch.setenv("SIGNOFF_BRANDS__SHOP", json.dumps(BASE | said))
    if public:
        monkeypatch.setenv("SIGNOFF_PUBLIC_URL", "https://unsubscribe.example.com")
        monkeypatch.setenv("SIGNOFF_KEYRING_FILE", "keyring.toml")
    try:
        load()
    except Misconfigured as exc:
        return [problem for problem in exc.problems if problem.startswith("brands")]
    return []


def test_the_sample_of_the_seed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """As MoEngage's documents say."""
    said = {
        "one_click_email": "unsubscribe@shop.example",
        "user_identifier": "{{UserAttribute['ID']|default('ID')}}",
    }

    assert [] == told(monkeypatch, said)
    (brand,) = load().brand_records()
    assert (brand.management, brand.one_click_url, brand.one_click_email) == (
        "self_managed",
        URL,
        "unsubscribe@shop.example",
    )


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (
            "one_click_url",
            "https://www.shop.example/u?e={{UserAttribute['Email (Standard)']}}",
            "no default",
        ),
        ("one_click_url", "http://www.shop.example/u", "absolute https URL"),
        ("one_click_url", "https://www.shop.example/" + "u" * 120, "too long"),
        ("one_click_url", "https://www.shop.example/{{'x'*10**9}}", "an expression is other than"),
        ("one_click_email", "unsubscribe", "one plain address"),
        ("user_identifier", "{{UserAttribute['ID']}}", "no default"),
        ("user_identifier", "{% for a in b %}{% endfor %}", "no {% … %}"),
        ("list_id", "not a domain", "write a domain name"),
        ("list_id", "a" * 60 + "." + "b" * 60 + "." + "c" * 60 + "." + "d" * 20, "at most"),
        ("feedback_id", "abc", "pattern"),
        ("existing_signature", "burn", "'keep' or 'strip'"),
    ],
)
def test_a_setting_that_cannot_work_is_told_by_its_key(
    key: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catalogue H6, H7, H8, H14, H17, L4."""
    (problem,) = [
        problem
        for problem in told(monkeypatch, {key: value})
        if problem.startswith(f"brands.shop.{key}: ")
    ]

    assert words in problem


def test_a_self_managed_brand_needs_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    (problem,) = told(monkeypatch, {"one_click_url": ""})

    assert problem == 'brands.shop: one_click = "self_managed" needs one_click_url'


@pytest.mark.parametrize("host", ["localhost", "10.0.0.1", "intranet"])
def test_a_one_click_url_that_mailbox_providers_cannot_reach_is_for_development_only(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catalogue H8."""
    url = f"https://{host}:8443/u"

    assert [] == told(monkeypatch, {"one_click_url": url})
    assert any(
        "one_click_url: mailbox providers must reach it" in problem
        for problem in told(monkeypatch, {"one_click_url": url}, public=True)
    )


def test_links_of_its_own_do_a_managed_brand_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [] == told(
        monkeypatch, {"one_click": "managed", "one_click_url": "https://localhost/u"}, public=True
    )
