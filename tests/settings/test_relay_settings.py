"""Settings of the relay that only make sense together."""

import pytest

from app.settings.model import Settings
from app.settings.relay import RelaySettings
from smtp_proxy.session.accounts import hash_password


def test_a_tls_port_needs_a_certificate() -> None:
    with pytest.raises(ValueError, match="tls_listen needs tls_cert_file"):
        RelaySettings(tls_listen="127.0.0.1:465")


@pytest.mark.parametrize("key", ["proxy_networks", "xclient_networks"])
def test_networks_of_load_balancers_and_proxies_are_checked_and_none_is_listed_by_default(
    key: str,
) -> None:
    """Catalogue S20, S21."""
    with pytest.raises(ValueError, match=key):
        RelaySettings.model_validate({key: "10.0.0.0/8, nowhere"})
    assert getattr(RelaySettings(), key) == ()
    assert getattr(RelaySettings.model_validate({key: "10.1.2.3/8,::1"}), key) == (
        "10.0.0.0/8",
        "::1/128",
    )


def test_the_time_for_a_copy_stays_below_the_clients_ten_minutes() -> None:
    """Catalogue X12."""
    with pytest.raises(ValueError, match="downstream_seconds"):
        RelaySettings(downstream_seconds=600)


def test_a_user_of_two_brands_is_refused() -> None:
    """Catalogue S4, C8: whose mail it may send would depend on the order of the file."""
    users = {"news": hash_password("secret")}
    brands = {
        "acme": {"sender_domains": ["acme.example"], "smtp_users": users},
        "shop": {"sender_domains": ["shop.example"], "smtp_users": users},
    }

    with pytest.raises(ValueError, match="the SMTP user 'news' is of both shop and acme"):
        Settings.model_validate({"public_url": "https://unsubscribe.example.com", "brands": brands})
