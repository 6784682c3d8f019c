"""The settings of one brand, and the record of the rules that they become."""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app.core.model import (
    Brand,
    BrandId,
    BrandNumber,
    ExistingHeader,
    Management,
    OnStoreDown,
    OnSuppressed,
    PreferenceCentre,
    Promotional,
)
from app.settings.types import Domain, Listed

BRAND_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_DNS_LABELS = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
MAX_BRAND_NUMBER = 65_535


class DkimSettings(BaseModel):
    """One DKIM key of a brand."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    domain: Domain
    selector: str
    key_file: Path
    canonicalization: Literal["relaxed/simple", "relaxed/relaxed"] = "relaxed/simple"

    @field_validator("selector")
    @classmethod
    def _selector_is_dns_labels(cls, value: str) -> str:
        if not _DNS_LABELS.fullmatch(value):
            raise ValueError("a selector is one or more DNS labels, such as s1 (RFC 6376 3.1)")
        return value

    @field_validator("key_file")
    @classmethod
    def _key_exists(cls, value: Path) -> Path:
        if not value.is_file():
            raise ValueError(f"no such file: {value} (make one with `signoff keys dkim {value}`)")
        return value


class BrandSettings(BaseModel):
    """What an operator says about a brand; the meaning of each key is in docs/settings.md."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    number: Annotated[int, Field(ge=1, le=MAX_BRAND_NUMBER)] | None = None
    sender_domains: Annotated[tuple[Domain, ...], Listed] = Field(min_length=1)
    one_click: Management = Management.MANAGED
    one_click_url: str = ""
    one_click_email: str = ""
    user_identifier: str = ""
    preference_centre: PreferenceCentre = PreferenceCentre.SYSTEM
    custom_page_url: str = ""
    on_suppressed: OnSuppressed = OnSuppressed.DISCARD
    existing_header: ExistingHeader = ExistingHeader.REPLACE
    on_store_down: OnStoreDown = OnStoreDown.TEMPFAIL
    promotional: Promotional = Promotional.MARKED
    webhooks: tuple[dict[str, str], ...] = ()
    dkim: tuple[DkimSettings, ...] = ()
    smtp_users: dict[str, str] = Field(default_factory=dict)

    @field_validator("one_click")
    @classmethod
    def _management_is_built(cls, value: Management) -> Management:
        if value is Management.SELF_MANAGED:
            raise ValueError("self_managed links are not available in this version; use managed or none")
        return value

    @field_validator("webhooks")
    @classmethod
    def _webhooks_are_built(cls, value: tuple[dict[str, str], ...]) -> tuple[dict[str, str], ...]:
        if value:
            raise ValueError("webhooks are not available in this version; events wait in the work streams of the store")
        return value

    @field_validator("smtp_users")
    @classmethod
    def _passwords_are_hashed(cls, value: dict[str, str]) -> dict[str, str]:
        for user, password in value.items():
            if not password.startswith("scrypt$"):
                raise ValueError(f"the password of {user!r} must be a hash, as `signoff-smtp password` prints it")
        return value

    @model_validator(mode="after")
    def _keys_are_aligned(self) -> Self:
        for key in self.dkim:
            if not any(sender == key.domain or sender.endswith(f".{key.domain}") for sender in self.sender_domains):
                raise ValueError(f"dkim: {key.domain} is aligned with none of the sender_domains, so it can never sign")
        return self

    def brand_number(self, brand: str) -> BrandNumber:
        """Return the number that stands for the brand in tokens and keys: the configured one, or one derived from its id."""
        if self.number is not None:
            return BrandNumber(self.number)
        return BrandNumber(1 + int.from_bytes(hashlib.sha256(brand.encode()).digest()[:4], "big") % MAX_BRAND_NUMBER)

    def record(self, brand: str) -> Brand:
        """Return the brand as the rules know it."""
        return Brand(
            id=BrandId(brand),
            number=self.brand_number(brand),
            name=self.name or brand.capitalize(),
            sender_domains=frozenset(self.sender_domains),
            management=self.one_click,
            on_suppressed=self.on_suppressed,
            existing_header=self.existing_header,
            on_store_down=self.on_store_down,
            promotional=self.promotional,
            preference_centre=self.preference_centre,
            custom_page_url=self.custom_page_url,
        )
