"""The settings of one brand, and the record of the rules that they become."""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from app.core.address import ascii_domain
from app.core.errors import AddressInvalid, RuleViolation
from app.core.mail.list_fields import MAX_NAME_SPACE_CHARS
from app.core.model import (
    Brand,
    BrandId,
    BrandNumber,
    ExistingHeader,
    ExistingSignature,
    Management,
    OnStoreDown,
    OnSuppressed,
    PreferenceCentre,
    Promotional,
    StrayPlaceholder,
    UnknownGroup,
)
from app.core.self_managed import mailbox, url_template
from app.core.template import identifier_template
from app.settings.logo import read_logo
from app.settings.secret import Secret
from app.settings.types import Colour, Domain, Listed, PageUrl
from app.settings.webhook import WebhookSettings

BRAND_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_DNS_LABELS = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
MAX_BRAND_NUMBER = 65_535


class DkimSettings(BaseModel):
    """One DKIM key of a brand."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

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


class BrandSettings(BaseModel):
    """What an operator says about a brand; the meaning of each key is in docs/settings.md."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = ""
    number: Annotated[int, Field(ge=1, le=MAX_BRAND_NUMBER)] | None = None
    sender_domains: Annotated[tuple[Domain, ...], Listed] = Field(min_length=1)
    one_click: Management = Management.MANAGED
    one_click_url: str = ""
    one_click_email: str = ""
    user_identifier: str = ""
    preference_centre: PreferenceCentre = PreferenceCentre.SYSTEM
    custom_page_url: PageUrl = ""
    colour: Colour = ""
    logo_file: Path | None = None
    on_suppressed: OnSuppressed = OnSuppressed.DISCARD
    existing_header: ExistingHeader = ExistingHeader.REPLACE
    existing_signature: ExistingSignature = ExistingSignature.KEEP
    on_store_down: OnStoreDown = OnStoreDown.TEMPFAIL
    unknown_group: UnknownGroup = UnknownGroup.ACCEPT
    stray_placeholder: StrayPlaceholder = StrayPlaceholder.REJECT
    promotional: Promotional = Promotional.MARKED
    list_id: str = ""
    feedback_id: Annotated[str, Field(pattern=r"^([A-Za-z0-9_-]{5,15})?$")] = ""
    store_addresses: bool = False
    webhooks: tuple[WebhookSettings, ...] = ()
    dkim: tuple[DkimSettings, ...] = ()
    smtp_users: dict[str, Secret] = Field(default_factory=dict)

    @field_validator("one_click_url", "one_click_email", "user_identifier")
    @classmethod
    def _links_can_be_made(cls, value: str, info: ValidationInfo) -> str:
        check = {"one_click_url": url_template, "one_click_email": mailbox}.get(
            str(info.field_name), identifier_template
        )
        try:
            if value:
                check(value)
        except RuleViolation as exc:
            raise ValueError(str(exc)) from exc
        return value

    @field_validator("list_id")
    @classmethod
    def _list_id_has_room(cls, value: str) -> str:
        try:
            name_space = ascii_domain(value) if value else ""
        except AddressInvalid as exc:
            raise ValueError(
                "write a domain name of the brand's own, such as news.example.com"
            ) from exc
        if len(name_space) > MAX_NAME_SPACE_CHARS:
            raise ValueError(
                f"at most {MAX_NAME_SPACE_CHARS} characters: a group's name stands before it in a"
                " List-Id of 255"
            )
        return name_space

    @field_validator("webhooks")
    @classmethod
    def _webhooks_differ(cls, value: tuple[WebhookSettings, ...]) -> tuple[WebhookSettings, ...]:
        if len({(webhook.url, webhook.format) for webhook in value}) < len(value):
            raise ValueError("two webhooks have the same URL and format")
        return value

    @field_validator("logo_file")
    @classmethod
    def _logo_can_be_shown(cls, value: Path | None) -> Path | None:
        if value is not None:
            read_logo(value)
        return value

    @field_validator("smtp_users")
    @classmethod
    def _passwords_are_hashed(cls, value: dict[str, Secret]) -> dict[str, Secret]:
        for user, password in value.items():
            if not password.reveal().startswith("scrypt$"):
                raise ValueError(
                    f"the password of {user!r} must be a hash, as `signoff-smtp password` prints it"
                )
        return value

    @model_validator(mode="after")
    def _self_managed_links_are_named(self) -> Self:
        if self.one_click is Management.SELF_MANAGED and not self.one_click_url:
            raise ValueError('one_click = "self_managed" needs one_click_url')
        return self

    @model_validator(mode="after")
    def _custom_page_is_named(self) -> Self:
        if self.preference_centre is PreferenceCentre.CUSTOM and not self.custom_page_url:
            raise ValueError('preference_centre = "custom" needs custom_page_url')
        return self

    @model_validator(mode="after")
    def _keys_are_aligned(self) -> Self:
        for key in self.dkim:
            if not any(
                sender == key.domain or sender.endswith(f".{key.domain}")
                for sender in self.sender_domains
            ):
                raise ValueError(
                    f"dkim: {key.domain} is aligned with none of the sender_domains, so it can"
                    " never sign"
                )
        return self

    def brand_number(self, brand: str) -> BrandNumber:
        """Return the number that stands for the brand in tokens and keys: the configured one, or
        one derived from its id.
        """
        if self.number is not None:
            return BrandNumber(self.number)
        return BrandNumber(
            1
            + int.from_bytes(hashlib.sha256(brand.encode()).digest()[:4], "big") % MAX_BRAND_NUMBER
        )

    def record(self, brand: str) -> Brand:
        """Return the brand as the rules know it."""
        return Brand(
            id=BrandId(brand),
            number=self.brand_number(brand),
            name=self.name or brand.capitalize(),
            sender_domains=frozenset(self.sender_domains),
            management=self.one_click,
            on_suppressed=self.on_suppressed,
            one_click_url=self.one_click_url,
            one_click_email=self.one_click_email,
            user_identifier=self.user_identifier,
            existing_header=self.existing_header,
            existing_signature=self.existing_signature,
            on_store_down=self.on_store_down,
            unknown_group=self.unknown_group,
            stray_placeholder=self.stray_placeholder,
            promotional=self.promotional,
            list_id=self.list_id,
            feedback_id=self.feedback_id,
            preference_centre=self.preference_centre,
            custom_page_url=self.custom_page_url,
            store_addresses=self.store_addresses,
            colour=self.colour,
            logo=read_logo(self.logo_file) if self.logo_file else None,
        )
