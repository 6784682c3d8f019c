"""Where the shared state lives."""

import ssl
from pathlib import Path
from typing import Literal

from pydantic import field_validator

from app.core import store_url
from app.settings.secret import StoreUrl
from app.settings.types import Section


class StoreSettings(Section):
    """Where the shared state lives; without a URL an embedded Valkey under `state_dir`."""

    url: StoreUrl | None = None
    durability: Literal["fsync", "replicated"] = "fsync"

    @field_validator("url")
    @classmethod
    def _can_be_used(cls, value: StoreUrl | None) -> StoreUrl | None:
        if value:
            _load_files(store_url.parse_store_url(value.reveal()))
        return value or None


def _load_files(url: store_url.StoreAddress) -> None:
    """Load the certificates and the key that a URL names, as every connection will; ValueError when
    that fails.
    """
    found = {name: Path(str(url.options[name])) for name in store_url.FILES if name in url.options}
    for name, path in found.items():
        if not path.is_file():
            raise ValueError(f"{name}: no such file: {path}")
    context = ssl.create_default_context()
    try:
        if authorities := found.get("ssl_ca_certs"):
            context.load_verify_locations(cafile=authorities)
        if certificate := found.get("ssl_certfile"):
            # Without a password an encrypted key would ask the terminal.
            context.load_cert_chain(
                certificate,
                found.get("ssl_keyfile"),
                password=str(url.options.get("ssl_password", "")),
            )
        if "ssl_ciphers" in url.options:
            context.set_ciphers(str(url.options["ssl_ciphers"]))
    except (OSError, ssl.SSLError) as exc:
        raise ValueError(f"{', '.join(found) or 'ssl_ciphers'}: cannot be used: {exc}") from exc
