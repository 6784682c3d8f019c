"""Keys of the test brand, and the copies that they sign."""

import base64
from collections.abc import Sequence

import dkim
import time_machine
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from app.core.mail.canonical import BodyMode, body_hash
from app.core.mail.message import parse
from app.core.mail.stamp import Base, Links, prepare
from app.core.model import ExistingHeader
from smtp_proxy.relay.sign import DkimKey, MessageSignature, Signer, SigningKey

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


def dkim_key(
    domain: str = DOMAIN,
    *,
    key: SigningKey = RSA_KEY,
    mode: BodyMode = BodyMode.SIMPLE,
    selector: str = SELECTOR,
) -> DkimKey:
    """Return one configured key."""
    return DkimKey(domain=domain, selector=selector, key=key, canonicalization=mode)


def base_of(mail: bytes | bytearray, existing: ExistingHeader = ExistingHeader.REPLACE) -> Base:
    """Return what all copies of a sample share."""
    return prepare(
        parse(mail),
        existing=existing,
        date=b"Tue, 03 Mar 2026 10:00:00 +0000",
        message_id=b"<new@relay.example>",
    )


def signed_copy(
    mail: bytes, *keys: DkimKey, existing: ExistingHeader = ExistingHeader.REPLACE
) -> bytes:
    """Return the stamped and signed copy of a sample, by the keys given or the RSA key of the test
    brand.
    """
    base = base_of(mail, existing)
    keys = keys or (dkim_key(),)
    stamped = base.stamp(LINKS)
    return base.head(signed(prepared(base, *keys), stamped), *stamped) + bytes(base.body)


def prepared(base: Base, *keys: DkimKey) -> MessageSignature:
    """Return what the signatures of all copies share, by the keys given or the RSA key of the test
    brand.
    """
    keys = keys or (dkim_key(),)
    signature = Signer(keys).prepare(base, NOW)
    signature.body_hash = body_hash(base.body, keys[0].canonicalization)
    return signature


def signed(
    signature: MessageSignature, stamped: Sequence[bytes], own_body_hash: bytes = b""
) -> bytes:
    """Return the DKIM-Signature field, or fields, of one copy, signed here and now."""
    return b"".join(
        text.complete(key.sign(digest))
        for key, digest, text in signature.unsigned(stamped, own_body_hash)
    )


def dns_record(key: SigningKey) -> str:
    """Return the TXT record to publish at `<selector>._domainkey.<domain>` (RFC 6376 3.6.1)."""
    public = key._private.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        kind, der = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        kind, der = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"v=DKIM1; k={kind}; p={base64.b64encode(der).decode('ascii')}"


def dns(name: bytes, timeout: int = 5) -> bytes:
    """Answer as the DNS would for the RSA key."""
    return (
        dns_record(RSA_KEY).encode() if name.startswith(f"{SELECTOR}._domainkey.".encode()) else b""
    )


def tags_of(field: bytes) -> dict[bytes, bytes]:
    """Return the tags of a raw DKIM-Signature field, in their order."""
    tags = field.removeprefix(b"DKIM-Signature:").replace(b"\r\n", b"").split(b";")
    return {name.strip(): value.strip() for name, _, value in (tag.partition(b"=") for tag in tags)}


def verifies(copy: bytes) -> bool:
    """Say what dkimpy thinks of the topmost signature."""
    with time_machine.travel(NOW, tick=False):
        result: bool = dkim.verify(copy, dnsfunc=dns)
    return result
