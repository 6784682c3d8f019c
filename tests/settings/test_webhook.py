"""The settings of webhooks: what is refused before anything starts, and the endpoint that they
become.
"""

import base64
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.core.errors import Misconfigured
from app.core.events import EventName, EventScope
from app.core.model import Brand, BrandId, BrandNumber
from app.core.webhook import Reach, WebhookFormat
from app.settings.load import load
from app.settings.webhook import WebhookSettings

BRAND = Brand(
    id=BrandId("acme"),
    number=BrandNumber(7),
    name="Acme",
    sender_domains=frozenset({"acme.example"}),
)
URL = "https://hooks.acme.example/unsub"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"whsec_{base64.b64encode(b's' * 32).decode()}\n")
    return path


def refused(**keys: object) -> str:
    with pytest.raises(ValidationError) as raised:
        WebhookSettings.model_validate({"url": URL, "format": "streams", **keys})
    return str(raised.value)


def test_a_webhook_becomes_an_endpoint_with_its_secrets_and_headers_read(
    tmp_path: Path, secret: Path
) -> None:
    old, key, password = tmp_path / "old", tmp_path / "key", tmp_path / "password"
    old.write_text(base64.b64encode(b"o" * 24).decode())
    key.write_text("k-123\n")
    password.write_text("pass\n")
    webhook = WebhookSettings.model_validate(
        {
            "url": URL,
            "secret_file": secret,
            "previous_secret_file": old,
            "headers": {"X-Api-Key_file": str(key), "X-Plain": "1"},
            "user": "u",
            "password_file": password,
            "events": ["Email Unsubscribed"],
        }
    )

    endpoint = webhook.endpoint(BRAND, development=False)

    assert (b"s" * 32, b"o" * 24) == endpoint.secrets
    assert {"X-Api-Key": "k-123", "X-Plain": "1", "Authorization": "Basic dTpwYXNz"} == dict(
        endpoint.headers
    )
    assert (frozenset({EventName.EMAIL_UNSUBSCRIBED}), WebhookFormat.STANDARD, Reach.PUBLIC) == (
        endpoint.events,
        endpoint.format,
        endpoint.reach,
    )


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"format": "standard"}, "set secret_file"),
        ({"url": "hooks.acme.example"}, "absolute URL"),
        ({"url": "ftp://hooks.acme.example/"}, "absolute URL"),
        ({"url": "https://user:secret@hooks.acme.example/"}, "without user"),
        ({"url": "https://0x7f000001/"}, "plain notation"),
        ({"url": "https://2130706433/"}, "plain notation"),
        ({"format": "xml"}, "standard"),
        ({"headers": {"Host": "x"}}, "cannot be set"),
        ({"headers": {"webhook-id": "x"}}, "cannot be set"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "cannot"),
        ({"headers": {"X-A_file": "/nonexistent"}}, "cannot be read"),
        ({"user": "u"}, "belong together"),
        ({"events": ["Nothing"]}, "Email Unsubscribed"),
        ({"retries": 3}, "Extra inputs"),
        ({"scopes": ["everything"]}, "all"),
        ({"format": "mailgun"}, "set secret_file"),
        ({"format": "postmark", "scopes": ["groups"]}, "no word for a group"),
        ({"format": "postmark", "scopes": ["all", "groups"]}, "no word for a group"),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(keys: dict[str, object], said: str) -> None:
    """Catalogue L1."""
    assert said in refused(**keys)


def test_a_secret_must_be_base64_and_long_enough_and_is_never_shown(tmp_path: Path) -> None:
    for text in ("whsec_not base64!", f"whsec_{base64.b64encode(b'short').decode()}"):
        path = tmp_path / "secret"
        path.write_text(text)

        problem = refused(secret_file=path)

        assert "a secret" in problem
        assert text not in problem


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (URL, ""),
        ("https://93.184.216.34/", ""),
        ("http://hooks.acme.example/", "https is needed"),
        ("https://localhost/", "a public host is needed"),
        ("https://hooks/", "a public host is needed"),
        ("https://hooks.internal/", "a public host is needed"),
        ("https://10.0.0.1/", "a public host is needed"),
        ("https://[::ffff:127.0.0.1]/", "a public host is needed"),
    ],
)
def test_outside_development_a_webhook_is_public_and_https(url: str, problem: str) -> None:
    """Catalogue L1."""
    webhook = WebhookSettings.model_validate({"url": url, "format": "streams"})

    assert (problem, "") == (webhook.problem(development=False), webhook.problem(development=True))


def test_in_development_an_endpoint_may_be_on_this_machine_and_only_there(tmp_path: Path) -> None:
    plain = WebhookSettings.model_validate({"url": "http://127.0.0.1:9000/", "format": "clevertap"})
    private = WebhookSettings.model_validate(
        {"url": "http://10.0.0.1/", "format": "clevertap", "allow_private": True}
    )

    assert (Reach.LOOPBACK, Reach.PRIVATE) == tuple(
        one.endpoint(BRAND, development=True).reach for one in (plain, private)
    )
    assert "development only" in private.problem(development=False)


def test_all_webhooks_of_an_installation_are_read_and_their_problems_reported_by_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNOFF_STATE_DIR", str(tmp_path))
    hooks = (
        '[{"url": "http://127.0.0.1:9000/", "format": "streams"}, {"url": "http://127.0.0.1:9001/",'
        ' "format": "clevertap"}]'
    )
    monkeypatch.setenv("SIGNOFF_BRANDS__ACME__WEBHOOKS", hooks)

    endpoints = load().endpoints()

    assert ["http://127.0.0.1:9000/", "http://127.0.0.1:9001/"] == [
        endpoint.url for endpoint in endpoints
    ]
    monkeypatch.setenv(
        "SIGNOFF_BRANDS__ACME__WEBHOOKS",
        '[{"url": "http://a.example/", "format": "streams", "secret_file": "/none"}]',
    )
    with pytest.raises(Misconfigured) as raised:
        load()
    assert any(
        problem.startswith("brands.acme.webhooks.0.secret_file: no such file")
        for problem in raised.value.problems
    )


@pytest.mark.parametrize("form", list(WebhookFormat))
def test_scopes_are_those_of_the_format_unless_they_are_given(
    form: WebhookFormat, secret: Path
) -> None:
    """Catalogue N12."""
    plain, chosen = (
        WebhookSettings.model_validate(
            {"url": URL, "format": form, "secret_file": secret, **more}
        ).endpoint(BRAND, development=False)
        for more in ({}, {"scopes": ["all"]})
    )

    both = form in {WebhookFormat.STANDARD, WebhookFormat.CLOUDEVENTS, WebhookFormat.SENDGRID}
    assert ({EventScope.ALL, EventScope.GROUPS} if both else {EventScope.ALL}) == plain.scopes
    assert {EventScope.ALL} == chosen.scopes


def test_the_key_of_a_mailgun_signature_is_the_text_of_the_file(secret: Path) -> None:
    webhook = WebhookSettings.model_validate(
        {"url": URL, "format": "mailgun", "secret_file": secret}
    )

    assert (secret.read_text().strip().encode(),) == webhook.endpoint(
        BRAND, development=False
    ).secrets
