"""The DNS record of a DKIM key: how it reads, and whether it fits a private key (RFC 6376 3.6.1;
catalogue D15).
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

MIN_RSA_BITS = 2048
_MAX_STRING = 255
PublicKey = RSAPublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimRecord:
    """A record that can verify signatures. `testing`: t=y, so receivers treat a bad signature like
    none.
    """

    key: PublicKey
    testing: bool


def record_name(selector: str, domain: str) -> str:
    """Return the name under which the record stands."""
    return f"{selector}._domainkey.{domain}"


def zone_line(name: str, text: str) -> str:
    """Return a TXT record as it stands in a zone file: its text in strings of at most 255 octets
    (RFC 1035 3.3.14).
    """
    strings = " ".join(
        f'"{text[start : start + _MAX_STRING]}"' for start in range(0, len(text), _MAX_STRING)
    )
    return f"{name}. IN TXT ( {strings} )"


def parse_record(text: str) -> DkimRecord:
    """Return what a TXT record says; ValueError tells the operator what is wrong with it."""
    tags = _tags(text)
    if tags.get("v", "DKIM1") != "DKIM1":
        raise ValueError(f"v= is {tags['v']}, not DKIM1")
    if "p" not in tags:
        raise ValueError("there is no p= tag")
    encoded = "".join(tags["p"].split())
    if not encoded:
        raise ValueError("p= is empty: the key is revoked")
    try:
        der = base64.b64decode(encoded, validate=True)
    except binascii.Error as exc:
        raise ValueError("p= is not Base64") from exc
    flags = {flag.strip() for flag in tags.get("t", "").split(":")}
    return DkimRecord(key=_public_key(tags.get("k", "rsa"), der), testing="y" in flags)


def _tags(text: str) -> Mapping[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _public_key(kind: str, der: bytes) -> PublicKey:
    try:
        # RFC 8463 4: p= is the bare key
        key = (
            Ed25519PublicKey.from_public_bytes(der)
            if kind == "ed25519"
            else load_der_public_key(der)
        )
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise ValueError(f"p= is no {kind} key") from exc
    if not isinstance(key, RSAPublicKey | Ed25519PublicKey):
        raise ValueError("p= is neither an RSA nor an ed25519 key")  # noqa: TRY004 - damaged data, not a wrong call
    return key


def problems_of(records: Sequence[str], own: PublicKey) -> tuple[str, ...]:
    """Return everything that keeps receivers from verifying what `own` signs, given all TXT records
    at the key's name.
    """
    if not records:
        return ("no record is published, so nobody can verify the signature",)
    if len(records) > 1:
        return (f"{len(records)} records are published: receivers may pick any (RFC 6376 3.6.2.2)",)
    try:
        record = parse_record(records[0])
    except ValueError as exc:
        return (str(exc),)
    problems: list[str] = []
    if _raw(record.key) != _raw(own):
        problems.append("the published key is another one than the private key's")
    if isinstance(record.key, RSAPublicKey) and record.key.key_size < MIN_RSA_BITS:
        problems.append(
            f"the key has {record.key.key_size} bits; {MIN_RSA_BITS} are needed (RFC 8301 3.2)"
        )
    if record.testing:
        problems.append(
            "t=y: receivers treat a failed signature like none; remove it when the trial is over"
        )
    return tuple(problems)


def _raw(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def record_of(given: bytes) -> str:
    """Return the record for what an operator has at hand: a PEM key, private or public, or the
    record itself. ValueError for else.
    """
    if b"-----BEGIN" not in given:
        text = given.decode("ascii", "replace").strip()
        parse_record(text)
        return text
    try:
        key = load_pem_public_key(given) if b" PUBLIC KEY" in given else _public_half(given)
    except (TypeError, UnsupportedAlgorithm) as exc:
        raise ValueError("the key is encrypted or of an unknown kind") from exc
    if isinstance(key, RSAPublicKey):
        return f"v=DKIM1; k=rsa; p={base64.b64encode(_raw(key)).decode('ascii')}"
    if isinstance(key, Ed25519PublicKey):
        return (
            "v=DKIM1; k=ed25519;"
            f" p={base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode('ascii')}"
        )
    raise ValueError("it is neither an RSA nor an ed25519 key")


def _public_half(pem: bytes) -> object:
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError("it is neither an RSA nor an ed25519 key")  # noqa: TRY004 - damaged data, not a wrong call
    return key.public_key()
