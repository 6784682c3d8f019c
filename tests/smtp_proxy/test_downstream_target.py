"""The downstream's URL: what it means, and every problem of a wrong one at once."""

import pytest

from app.core.downstream import Credentials, Scheme, Target, Tls
from app.core.errors import Misconfigured


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "smtp://mail.example.com",
            Target(scheme=Scheme.SMTP, host="mail.example.com", port=25, tls=Tls.MAY),
        ),
        (
            "smtp://127.0.0.1:2527",
            Target(scheme=Scheme.SMTP, host="127.0.0.1", port=2527, tls=Tls.MAY),
        ),
        (
            "smtp://[::1]:2527?tls=none",
            Target(scheme=Scheme.SMTP, host="::1", port=2527, tls=Tls.NONE),
        ),
        (
            "SMTP://mail.example.com:587/?tls=require",
            Target(scheme=Scheme.SMTP, host="mail.example.com", port=587, tls=Tls.REQUIRE),
        ),
        (
            "smtps://mail.example.com",
            Target(scheme=Scheme.SMTPS, host="mail.example.com", port=465, tls=Tls.REQUIRE),
        ),
        (
            "lmtp://mail.example.com",
            Target(scheme=Scheme.LMTP, host="mail.example.com", port=24, tls=Tls.MAY),
        ),
    ],
)
def test_a_url_names_scheme_host_port_and_policy(url: str, expected: Target) -> None:
    """Catalogue C4."""
    assert expected == Target.parse(url)


@pytest.mark.parametrize("query", ["", "?tls=may", "?tls=require"])
def test_credentials_require_verified_tls(query: str) -> None:
    """Catalogue C4."""
    target = Target.parse(f"smtp://mail.example.com{query}", user="acme", password="secret")

    assert (Tls.REQUIRE, Credentials(user="acme", password="secret")) == (
        target.tls,
        target.credentials,
    )


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(
        Target.parse("smtp://mail.example.com", user="acme", password="secret")
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example.com:25",
        "http://mail.example.com",
        "smtp://",
        "smtp://:25",
        "smtp://mail.example.com:0",
        "smtp://mail.example.com:65536",
        "smtp://mail.example.com:smtp",
        "smtp://[::1",
        "smtp://mail.example.com/path",
        "smtp://mail.example.com#x",
        "smtp://mail.example.com?tls=perhaps",
        "smtp://mail.example.com?tls=",
        "smtp://mail.example.com?ssl=1",
        "smtp://acme:hunter2@mail.example.com",
        "smtp://mail.exa\nmple.com",
        "smtps://mail.example.com?tls=may",
    ],
)
def test_an_unusable_url_is_a_configuration_error(url: str) -> None:
    """Catalogue C4."""
    with pytest.raises(Misconfigured) as caught:
        Target.parse(url)

    assert all(problem.startswith("relay.downstream: ") for problem in caught.value.problems)
    assert "hunter2" not in str(caught.value)


def test_credentials_without_tls_are_a_configuration_error() -> None:
    """Catalogue C4."""
    with pytest.raises(Misconfigured) as caught:
        Target.parse("smtp://mail.example.com?tls=none", user="acme", password="secret")

    assert (
        "relay.downstream: credentials are never sent without TLS, so tls=none cannot be",
    ) == caught.value.problems


@pytest.mark.parametrize(
    ("user", "password"), [("acme", None), (None, "secret"), ("acme", ""), ("ac\0me", "secret")]
)
def test_half_or_unsendable_credentials_are_a_configuration_error(
    user: str | None, password: str | None
) -> None:
    with pytest.raises(Misconfigured):
        Target.parse("smtp://mail.example.com", user=user, password=password)


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(Misconfigured) as caught:
        Target.parse("gopher://a:b@mail.example.com:0/x?tls=maybe&speed=11", user="acme")

    assert 7 == len(caught.value.problems)
