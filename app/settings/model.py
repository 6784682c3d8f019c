"""The settings as one model: every key with its default and its check.

Without a `public_url` this is development: loopback addresses, a brand `acme` and self-made keys
under `state_dir`. Development changes defaults only, and only here (`_development_defaults`); what
an operator says always stands.
"""

import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.core import shipment
from app.core.address_policy import is_disguised, may_be_public
from app.core.links import token_room
from app.core.mail.stamp import MAX_URI_CHARS
from app.core.model import Brand, Management
from app.core.self_managed import url_template
from app.core.token import MIN_TOKEN_CHARS
from app.core.webhook import Endpoint, Reach
from app.settings.brand import BRAND_ID, BrandSettings
from app.settings.relay import RelaySettings
from app.settings.store import StoreSettings
from app.settings.types import (
    MIB,
    Domain,
    ExistingFile,
    Listed,
    Listen,
    Network,
    PublicUrl,
    Section,
)

DEVELOPMENT_TLS_LISTEN = "127.0.0.1:8443"
DEVELOPMENT_INBOX_DOMAIN = "in.acme.example"
SecurityContact = Annotated[str, Field(pattern=r"^(?:(?:mailto:[^\s@]+@|https://)[^\s]+)?$")]
DataCentre = Annotated[int, Field(ge=1, le=99)]


class WebSettings(Section):
    """The listeners of the web service, and of the admin process beside it (`admin_*`, `api_*`)."""

    listen: Listen = "127.0.0.1:8080"
    health_listen: Listen = "127.0.0.1:8085"
    admin_listen: Listen = "127.0.0.1:8081"
    tls_listen: Listen | None = None
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    trusted_proxies: Annotated[tuple[Network, ...], Listed] = ()
    security_contact: SecurityContact = ""
    admin_key_file: ExistingFile | None = None
    api_calls_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 1_200


class InboxSettings(Section):
    """Where mail-to unsubscribes arrive. The relay stamps no mailto while `domain` is empty."""

    listen: Listen = "127.0.0.1:2526"
    health_listen: Listen = "127.0.0.1:8083"
    domain: Domain | Literal[""] = ""
    proxy_networks: Annotated[tuple[Network, ...], Listed] = ()
    max_message_bytes: Annotated[int, Field(ge=1024, le=1024 * MIB)] = 25 * MIB
    complaints: Literal["ignore", "unsubscribe", "unsubscribe_all"] = "unsubscribe"
    maildir: Path | None = None
    maildir_max_bytes: Annotated[int, Field(ge=4 * MIB, le=1024 * 1024 * MIB)] = 256 * MIB
    tls_cert_file: ExistingFile | None = None
    tls_key_file: ExistingFile | None = None

    @model_validator(mode="after")
    def _bounds_agree(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file belong together")
        return self


class WorkerSettings(Section):
    """The worker: its listener for health and metrics, how soon another takes over, how long the
    history is kept.
    """

    health_listen: Listen = "127.0.0.1:8084"
    claim_seconds: Annotated[int, Field(ge=2, le=3600)] = 20
    history_days: Annotated[int, Field(ge=0, le=36_500)] = 1095


class MailboxSettings(Section):
    """The development downstream: what the relay forwards is filed in a Maildir."""

    listen: Listen = "127.0.0.1:2527"
    maildir: Path = Path("var/mailbox")


class Settings(BaseSettings):
    """All settings of one installation; see docs/settings.md. Read them with
    `app.settings.load.load`.
    """

    model_config = SettingsConfigDict(
        env_prefix="SIGNOFF_",
        env_nested_delimiter="__",
        enable_decoding=False,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    development: bool = False
    public_url: PublicUrl
    data_centre: DataCentre = 1
    data_centres: dict[DataCentre, PublicUrl] = Field(default_factory=dict)
    state_dir: Path = Path("var")
    keyring_file: Path = Path("var/keys/keyring.toml")
    spool_dir: Path | None = None
    dkim_keys: Literal["shared", "relay"] = "shared"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "readable"] = "json"
    store: StoreSettings = StoreSettings()
    web: WebSettings = WebSettings()
    relay: RelaySettings = RelaySettings()
    inbox: InboxSettings = InboxSettings()
    worker: WorkerSettings = WorkerSettings()
    mailbox: MailboxSettings = MailboxSettings()
    brands: dict[str, BrandSettings] = Field(min_length=1)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        *args: PydanticBaseSettingsSource,
        **sources: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what `app.settings.load` has gathered, and read nothing a second time."""
        return (sources["init_settings"],)

    @model_validator(mode="before")
    @classmethod
    def _development_defaults(cls, data: dict[str, object]) -> dict[str, object]:
        if not in_development(data):
            return data
        state = Path(str(data.get("state_dir") or "var"))
        web = {
            "tls_listen": DEVELOPMENT_TLS_LISTEN,
            "tls_cert_file": state / "tls/cert.pem",
            "tls_key_file": state / "tls/key.pem",
        }
        web |= {"admin_key_file": state / "keys/admin-api-key"} | _table(data, "web")
        return {
            "development": True,
            "public_url": f"https://{web['tls_listen']}",
            "keyring_file": state / "keys/keyring.toml",
            "spool_dir": state / "spool",
            "log_format": "readable",
            **data,
            "web": web,
            "mailbox": {"maildir": state / "mailbox"} | _table(data, "mailbox"),
            "relay": (
                {
                    "tls_cert_file": state / "tls/cert.pem",
                    "tls_key_file": state / "tls/key.pem",
                }
                | _table(data, "relay")
            ),
            "inbox": _development_inbox(state) | _table(data, "inbox"),
            "brands": _development_brands(_table(data, "brands"), state),
        }

    @field_validator("public_url")
    @classmethod
    def _public_url_may_be_public(cls, value: str, info: ValidationInfo) -> str:
        url = urllib.parse.urlsplit(value)
        if not info.data.get("development") and (
            url.scheme != "https" or not may_be_public(url.hostname or "")
        ):
            raise ValueError(
                "mailbox providers must reach it: https and a public host name are needed (or set"
                " development = true)"
            )
        if token_room(value) < MIN_TOKEN_CHARS:
            raise ValueError(
                f"too long: it leaves less than {MIN_TOKEN_CHARS} of the {MAX_URI_CHARS} characters"
                " of a URL to the token"
            )
        return value

    @field_validator("data_centres")
    @classmethod
    def _data_centres_are_public(
        cls, value: dict[int, str], info: ValidationInfo
    ) -> dict[int, str]:
        for number, text in value.items():
            url = urllib.parse.urlsplit(text)
            if is_disguised(url.hostname or "") or url.port == 0:
                raise ValueError(
                    f"{number}: write a host name, or an address in its plain notation"
                )
            if not info.data.get("development") and (
                url.scheme != "https" or not may_be_public(url.hostname or "")
            ):
                raise ValueError(
                    f"{number}: what recipients said is sent there: https and a public host name"
                    " are needed"
                )
        return value

    @field_validator("brands")
    @classmethod
    def _brands_differ(cls, value: dict[str, BrandSettings]) -> dict[str, BrandSettings]:
        numbers: dict[int, str] = {}
        domains: dict[str, str] = {}
        users: dict[str, str] = {}
        for name, brand in value.items():
            if not BRAND_ID.fullmatch(name):
                raise ValueError(
                    f"{name!r} is no brand id: lower-case letters, digits, '-' and '_' only"
                )
            if (other := numbers.setdefault(brand.brand_number(name), name)) != name:
                raise ValueError(
                    f"{name} and {other} have the same number; set `number` of one of them"
                )
            for domain in brand.sender_domains:
                if (other := domains.setdefault(domain, name)) != name:
                    raise ValueError(f"{domain} is a sender domain of both {name} and {other}")
            for user in brand.smtp_users:
                if (other := users.setdefault(user, name)) != name:
                    raise ValueError(
                        f"the SMTP user {user!r} is of both {name} and {other}, so it would be"
                        " unclear whose mail it may send"
                    )
        return value

    @field_validator("brands")
    @classmethod
    def _custom_pages_are_private(
        cls, value: dict[str, BrandSettings], info: ValidationInfo
    ) -> dict[str, BrandSettings]:
        for name, brand in value.items():
            if brand.custom_page_url.startswith("http://") and not info.data.get("development"):
                raise ValueError(
                    f"{name}: custom_page_url must be https: the recipient's token is added to it"
                )
        return value

    @field_validator("brands")
    @classmethod
    def _webhooks_are_public(
        cls, value: dict[str, BrandSettings], info: ValidationInfo
    ) -> dict[str, BrandSettings]:
        for name, brand in value.items():
            for number, webhook in enumerate(brand.webhooks):
                if problem := webhook.problem(development=bool(info.data.get("development"))):
                    raise ValueError(f"{name}.webhooks.{number}.url: {problem}")
        return value

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the endpoints of all brands as the rules know them, their secrets read."""
        return tuple(
            webhook.endpoint(brand.record(name), development=self.development)
            for name, brand in self.brands.items()
            for webhook in brand.webhooks
        )

    def routing(self) -> tuple[Endpoint, ...]:
        """Return the other data centres as endpoints. The own one may be listed too, so that all
        can share one table.
        """
        reach = Reach.PRIVATE if self.development else Reach.PUBLIC
        others = {
            number: url for number, url in self.data_centres.items() if number != self.data_centre
        }
        return tuple(shipment.home(number, url, reach) for number, url in others.items())

    @field_validator("brands")
    @classmethod
    def _one_click_urls_are_public(
        cls, value: dict[str, BrandSettings], info: ValidationInfo
    ) -> dict[str, BrandSettings]:
        for name, brand in value.items():
            own = brand.one_click is Management.SELF_MANAGED and not info.data.get("development")
            if own and not may_be_public(url_template(brand.one_click_url).host):
                raise ValueError(
                    f"{name}: one_click_url: mailbox providers must reach it: a public host name is"
                    " needed"
                )
        return value

    def brand_records(self) -> tuple[Brand, ...]:
        """Return the brands as the rules know them."""
        return tuple(brand.record(name) for name, brand in self.brands.items())


def in_development(data: Mapping[str, object]) -> bool:
    """Tell whether raw settings are those of a development machine: they say so, or no `public_url`
    says otherwise.
    """
    if "development" in data:
        return str(data["development"]).lower() in ("1", "true", "yes", "on")
    return not data.get("public_url")


def _table(data: Mapping[str, object], key: str) -> dict[str, object]:
    table = data.get(key)
    return dict(table) if isinstance(table, dict) else {}


def _development_inbox(state: Path) -> dict[str, object]:
    return {
        "domain": DEVELOPMENT_INBOX_DOMAIN,
        "maildir": state / "inbox",
        "tls_cert_file": state / "tls/cert.pem",
        "tls_key_file": state / "tls/key.pem",
    }


def _development_brands(given: dict[str, object], state: Path) -> dict[str, object]:
    """Return the brands with `acme` among them while there is no other; an `acme` without sender
    domains is the same with changes.
    """
    said = _table(given, "acme")
    if "sender_domains" in said or (given and not said):
        return given
    acme = {
        "name": "Acme",
        "sender_domains": ["acme.example"],
        "dkim": [
            {"domain": "acme.example", "selector": "s1", "key_file": state / "keys/acme-s1.pem"}
        ],
    }
    return given | {"acme": acme | said}
