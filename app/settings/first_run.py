"""What a development machine needs and does not have yet: keyring, DKIM key, certificate, admin API
key, all under `var/`.

Several processes may come first at once, so it is done under a lock; what exists is never touched.
Nothing here runs in production.
"""

import datetime
import fcntl
import ipaddress
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from app.settings.keyring_file import dump, new_key, new_pepper, write_secret

DKIM_KEY_BITS = 2048
_CERTIFICATE_LIFE = datetime.timedelta(days=825)


def prepare(state: Path, *, dkim: bool = True) -> None:
    """Make whatever is missing under `state`; a DKIM key only with `dkim`. Safe to run in several
    processes at once.
    """
    state.mkdir(parents=True, exist_ok=True)
    with (state / "first-run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _if_missing(
            state / "keys/keyring.toml",
            lambda: dump((new_key(1, not_before_ms=int(time.time()) * 1000),), new_pepper()),
        )
        if dkim:
            _if_missing(state / "keys/acme-s1.pem", new_dkim_key)
        _if_missing(state / "keys/admin-api-key", _new_api_key)
        if not (state / "tls/cert.pem").exists():
            certificate, key = new_certificate()
            write_secret(state / "tls/key.pem", key)
            write_secret(state / "tls/cert.pem", certificate)


def new_dkim_key() -> bytes:
    """Return a fresh RSA key for DKIM as PEM (PKCS#8)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=DKIM_KEY_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def new_certificate() -> tuple[bytes, bytes]:
    """Return certificate and key, both PEM, of a self-made TLS certificate for localhost and the
    loopback addresses.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Signoff development")])
    now = datetime.datetime.now(tz=datetime.UTC)
    addresses = [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _CERTIFICATE_LIFE)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), *addresses]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), pem


def _new_api_key() -> bytes:
    return f"{secrets.token_urlsafe(32)}\n".encode()


def _if_missing(path: Path, make: Callable[[], bytes]) -> None:
    if not path.exists():
        write_secret(path, make())
