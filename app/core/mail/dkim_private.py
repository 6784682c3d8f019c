"""A DKIM key's private half: read from PEM, judged, and what its record says (RFC 6376 3.3, RFC
8301, RFC 8463).

OpenSSL tests the primes of an RSA key each time one is read, which takes about 40 ms. An
installation of 2,000 brands would need a minute and a half to start, so that test is left out;
instead the numbers of the key must fit each other, which finds every damaged file.
"""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from app.core.errors import Misconfigured
from app.core.mail.dkim_record import MIN_RSA_BITS

PrivateKey = RSAPrivateKey | Ed25519PrivateKey


def read_private_key(pem: bytes) -> PrivateKey:
    """Return the key of an unencrypted PEM, PKCS #1 or PKCS #8 (about 0.2 ms). Raises Misconfigured
    for any that cannot sign.
    """
    try:
        key = load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise Misconfigured(["DKIM key: not a readable, unencrypted PEM private key"]) from exc
    if isinstance(key, Ed25519PrivateKey):
        return key
    if not isinstance(key, RSAPrivateKey):
        raise Misconfigured(["DKIM key: neither RSA nor ed25519"])
    refuse_short(key)
    if not _numbers_fit(key.private_numbers()):
        raise Misconfigured(["DKIM key: damaged: its numbers do not fit each other"])
    return key


def refuse_short(key: PrivateKey) -> None:
    """Raise Misconfigured for an RSA key that verifiers may not trust (RFC 8301 3.2)."""
    if isinstance(key, RSAPrivateKey) and key.key_size < MIN_RSA_BITS:
        raise Misconfigured(
            [f"DKIM key: RSA of {key.key_size} bits, at least {MIN_RSA_BITS} are needed"]
        )


def algorithm_of(key: PrivateKey) -> str:
    """Return the value of `a=` in signatures by this key."""
    return "rsa-sha256" if isinstance(key, RSAPrivateKey) else "ed25519-sha256"


def _numbers_fit(numbers: RSAPrivateNumbers) -> bool:
    """Say whether this is a key as RFC 8017 3.2 defines it, but for the test that p and q are
    primes.
    """
    p, q, d, public = numbers.p, numbers.q, numbers.d, numbers.public_numbers
    return (
        min(p, q) > 1
        and p * q == public.n
        and (numbers.dmp1, numbers.dmq1) == (d % (p - 1), d % (q - 1))
        and numbers.iqmp * q % p == 1
        and public.e * numbers.dmp1 % (p - 1) == 1
        and public.e * numbers.dmq1 % (q - 1) == 1
    )
