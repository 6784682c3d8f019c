"""Recipients of our mail, with the tokens they got, and the mails that they send to the inbox."""

import itertools
import os
from dataclasses import dataclass

from app.core.groups import group_key
from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.model import BrandNumber, CampaignId, GroupId, Purpose
from app.core.subject import encode
from app.core.token import TokenCodec

NOW_MS = 1_790_000_000_000
BRAND = BrandNumber(7)
DOMAIN = "in.example.com"
CAMPAIGN = CampaignId("spring-24")
_people = itertools.count(1)
_run = os.urandom(4).hex()


def codec_of(secret: bytes = b"k" * 32) -> TokenCodec:
    keyring = Keyring(
        keys=(MasterKey(id=1, secret=secret, status=KeyStatus.PRIMARY),), pepper=b"p" * 32
    )
    return TokenCodec(keyring=keyring, data_centre=1)


CODEC = codec_of()


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A recipient whom no other test knows, and the tokens of a mail to them."""

    address: str
    groups: tuple[GroupId, ...] = ()
    test: bool = False
    codec: TokenCodec = CODEC

    @property
    def token(self) -> str:
        """The full token, as it stands in URL and subject."""
        return self.token_for(Purpose.ONE_CLICK | Purpose.MAILTO)

    def token_for(self, purpose: Purpose) -> str:
        groups = tuple(map(group_key, self.groups))
        minter = self.codec.minter(
            brand=BRAND,
            purpose=purpose,
            at_ms=NOW_MS,
            campaign=CAMPAIGN,
            groups=groups,
            test=self.test,
        )
        return minter.mint(
            address=self.address, digest=self.codec.digest(self.address, brand=BRAND)
        )

    @property
    def box(self) -> str:
        """The address of the mailto."""
        minter = self.codec.short_minter(
            brand=BRAND, groups=tuple(map(group_key, self.groups)), at_ms=NOW_MS, test=self.test
        )
        return f"u-{minter.mint(self.codec.digest(self.address, brand=BRAND))}@{DOMAIN}"

    @property
    def subject(self) -> str:
        """The subject of the mailto, decoded."""
        return encode("ID 7", self.token)


def person(**parts: object) -> Person:
    return Person(address=f"ann-{_run}-{next(_people)}@example.net", **parts)  # type: ignore[arg-type]  # the tests name fields of Person


def mail(
    body: str = "",
    *,
    subject: str = "",
    fields: str = "",
    to: str = f"unsubscribe@{DOMAIN}",
    author: str = "someone@example.net",
) -> bytes:
    """Return a mail of a person; `fields` are whole lines, each with its CRLF."""
    head = f"From: <{author}>\r\nTo: <{to}>\r\n{fields}" + (
        f"Subject: {subject}\r\n" if subject else ""
    )
    return f"{head}\r\n{body}".encode()
