"""The settings of one webhook, and the endpoint that they become; its secrets are read here, so
that a bad one is told before the start.
"""

import base64
import binascii
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app.core.address import ascii_domain
from app.core.address_policy import is_disguised, may_be_public
from app.core.errors import AddressInvalid
from app.core.events import EventName, EventScope
from app.core.model import Brand
from app.core.webhook import ONLY_ALL, SCOPES, Endpoint, Reach, WebhookFormat, endpoint_key
from app.settings.secret import Secret, SecretUrl
from app.settings.types import ExistingFile, Listed

MIN_SECRET_BYTES = 24  # Standard Webhooks: 24 to 64 bytes
_PREFIX = "whsec_"
_OURS = frozenset(("content-type", "content-length", "host", "transfer-encoding", "connection"))


class WebhookSettings(BaseModel):
    """Where and how a brand hears of its events; the meaning of each key is in docs/settings.md."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: SecretUrl
    format: WebhookFormat = WebhookFormat.STANDARD
    secret_file: ExistingFile | None = None
    previous_secret_file: ExistingFile | None = None
    headers: dict[str, Secret] = Field(default_factory=dict)
    user: str = ""
    password_file: ExistingFile | None = None
    events: Annotated[tuple[EventName, ...], Listed] = ()
    scopes: Annotated[tuple[EventScope, ...], Listed] = ()
    allow_private: bool = False

    @field_validator("url")
    @classmethod
    def _url_is_plain(cls, value: SecretUrl) -> SecretUrl:
        url = urllib.parse.urlsplit(value.reveal())
        if url.scheme not in {"https", "http"} or not url.hostname:
            raise ValueError(
                "write an absolute URL, such as https://hooks.example.com/unsubscribes"
            )
        if url.username or url.password or url.fragment:
            raise ValueError(
                "a URL without user, password and fragment is needed; use `user` and"
                " `password_file`"
            )
        try:
            ascii_domain(f"[{url.hostname}]" if ":" in url.hostname else url.hostname)
        except AddressInvalid as exc:
            raise ValueError(str(exc)) from exc
        if is_disguised(url.hostname) or url.port == 0:
            raise ValueError("write a host name, or an address in its plain notation")
        return value

    @field_validator("secret_file", "previous_secret_file")
    @classmethod
    def _secret_is_usable(cls, value: Path | None) -> Path | None:
        if value is not None:
            _secret(value)
        return value

    @field_validator("headers")
    @classmethod
    def _headers_can_be_sent(cls, value: dict[str, Secret]) -> dict[str, Secret]:
        for name, text in _read(value).items():
            if (
                not name.isascii()
                or not name.replace("-", "").isalnum()
                or name.lower() in _OURS
                or name.lower().startswith("webhook-")
            ):
                raise ValueError(f"{name!r} cannot be set")
            if not text.isprintable() or not text.isascii():
                raise ValueError(
                    f"the value of {name!r} holds characters that a header field cannot"
                )
        return value

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if self.format is WebhookFormat.STANDARD and self.secret_file is None:
            raise ValueError(
                "the standard format is signed: set secret_file (make one with `echo"
                ' "whsec_$(openssl rand -base64 32)"`)'
            )
        if self.format is WebhookFormat.MAILGUN and self.secret_file is None:
            raise ValueError(
                "the mailgun format holds a signature: set secret_file, whose whole text is the"
                " receiver's signing key"
            )
        if self.format in ONLY_ALL and EventScope.GROUPS in self.scopes:
            raise ValueError(
                f'the {self.format} format has no word for a group, so it takes scopes = ["all"]'
                " alone"
            )
        if self.previous_secret_file and not self.secret_file:
            raise ValueError("previous_secret_file belongs to a secret_file")
        if bool(self.user) != bool(self.password_file):
            raise ValueError("user and password_file belong together")
        if self.user and any(
            name.lower() in {"authorization", "authorization_file"} for name in self.headers
        ):
            raise ValueError("user and an Authorization header exclude each other")
        return self

    def problem(self, *, development: bool) -> str:
        """Return what is wrong with the URL outside development, or empty."""
        host = urllib.parse.urlsplit(self.url.reveal()).hostname or ""
        if development:
            return ""
        if self.allow_private:
            return "allow_private is for development only"
        if not self.url.reveal().startswith("https://"):
            return "https is needed"
        if not may_be_public(host):
            return "a public host is needed"
        return ""

    def endpoint(self, brand: Brand, *, development: bool) -> Endpoint:
        """Return the endpoint as the rules know it, its secrets read."""
        files = [path for path in (self.secret_file, self.previous_secret_file) if path]
        return Endpoint(
            key=endpoint_key(brand.number, self.url.reveal(), self.format),
            brand=brand.number,
            brand_id=brand.id,
            brand_name=brand.name,
            url=self.url.reveal(),
            format=self.format,
            secrets=tuple(
                _text(path).encode() if self.format is WebhookFormat.MAILGUN else _secret(path)
                for path in files
            ),
            headers=tuple((_read(self.headers) | self._authorization()).items()),
            events=frozenset(self.events or EventName),
            scopes=frozenset(self.scopes) or SCOPES[self.format],
            owner=brand,
            reach=(
                Reach.PRIVATE
                if self.allow_private
                else Reach.LOOPBACK
                if development
                else Reach.PUBLIC
            ),
        )

    def _authorization(self) -> dict[str, str]:
        if self.password_file is None:
            return {}
        password = _text(self.password_file)
        return {
            "Authorization": (
                f"Basic {base64.b64encode(f'{self.user}:{password}'.encode()).decode()}"
            )
        }


def _read(headers: Mapping[str, Secret]) -> dict[str, str]:
    """Return the header fields with those whose name ends in `_file` read from their files."""
    return {
        name.removesuffix("_file"): (
            _text(Path(value.reveal())) if name.endswith("_file") else value.reveal()
        )
        for name, value in headers.items()
    }


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ValueError(f"{path}: cannot be read: {exc}") from exc


def _secret(path: Path) -> bytes:
    try:
        secret = base64.b64decode(_text(path).removeprefix(_PREFIX), validate=True)
    except binascii.Error as exc:
        raise ValueError(f"{path}: a secret is `whsec_` and Base64") from exc
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(f"{path}: a secret has at least {MIN_SECRET_BYTES} bytes")
    return secret
