"""Keys of the test brand, and the copies that they sign."""

import dkim
import time_machine
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.core.mail.canonical import BodyMode, body_hash
from app.core.mail.message import parse
from app.core.mail.stamp import Base, Links, prepare
from app.core.model import ExistingHeader
from smtp_proxy.relay.sign import DkimKey, Signer, SigningKey

NOW = 1_772_532_000  # 2026-03-03 10:00 UTC
DOMAIN, SELECTOR = "acme.example", "s1"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
RSA_PEM = RSA.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
RSA_KEY = SigningKey(RSA)
ED25519_KEY = SigningKey(ed25519.Ed25519PrivateKey.generate())
LINKS = Links(
    https_uri="https://unsubscribe.example.com/u?qmoe=AQEBAAH0v5yP",
    mailto_uri="mailto:u-abc@in.example.com?subject=Unsubscribe",
    one_click=True,
)


def dkim_key(domain: str = DOMAIN, *, key: SigningKey = RSA_KEY, mode: BodyMode = BodyMode.SIMPLE, selector: str = SELECTOR) -> DkimKey:
    """Return one configured key."""
    return DkimKey(domain=domain, selector=selector, key=key, canonicalization=mode)


def base_of(mail: bytes | bytearray, existing: ExistingHeader = ExistingHeader.REPLACE) -> Base:
    """Return what all copies of a sample share."""
    return prepare(parse(mail), existing=existing, date=b"Tue, 03 Mar 2026 10:00:00 +0000", message_id=b"<new@relay.example>")


def signed_copy(mail: bytes, *keys: DkimKey, existing: ExistingHeader = ExistingHeader.REPLACE) -> bytes:
    """Return the stamped and signed copy of a sample, by the keys given or the RSA key of the test brand."""
    base = base_of(mail, existing)
    keys = keys or (dkim_key(),)
    stamped = base.stamp(LINKS)
    signature = Signer(keys).prepare(base, body_hash(base.body, keys[0].canonicalization), NOW).sign(stamped)
    return base.head(signature, *stamped) + bytes(base.body)


def dns(name: bytes, timeout: int = 5) -> bytes:
    """Answer as the DNS would for the RSA key."""
    return RSA_KEY.dns_record.encode() if name.startswith(f"{SELECTOR}._domainkey.".encode()) else b""


def tags_of(field: bytes) -> dict[bytes, bytes]:
    """Return the tags of a raw DKIM-Signature field, in their order."""
    tags = field.removeprefix(b"DKIM-Signature:").replace(b"\r\n", b"").split(b";")
    return {name.strip(): value.strip() for name, _, value in (tag.partition(b"=") for tag in tags)}


def verifies(copy: bytes) -> bool:
    """Say what dkimpy thinks of the topmost signature."""
    with time_machine.travel(NOW, tick=False):
        result: bool = dkim.verify(copy, dnsfunc=dns)
    return result
