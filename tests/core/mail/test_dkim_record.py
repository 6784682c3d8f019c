"""What the DNS record of a key may say, and what is wrong with it (catalogue D15)."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.core.mail.dkim_record import parse_record, problems_of, record_name

OWN = generate_private_key(public_exponent=65537, key_size=2048).public_key()
SHORT = generate_private_key(public_exponent=65537, key_size=1024).public_key()
EDWARDS = Ed25519PrivateKey.generate().public_key()


def published(key: RSAPublicKey, *, tags: str = "v=DKIM1; k=rsa;") -> str:
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"{tags} p={base64.b64encode(der).decode()}"


def test_a_record_that_fits_has_no_problem() -> None:
    """Catalogue D15."""
    assert problems_of([published(OWN)], OWN) == ()


def test_white_space_in_the_key_is_no_problem() -> None:
    whole = published(OWN)

    assert problems_of([f"{whole[:100]} \t{whole[100:]}"], OWN) == ()


def test_an_ed25519_record_holds_the_bare_key() -> None:
    """RFC 8463 section 4."""
    raw = EDWARDS.public_bytes(Encoding.Raw, PublicFormat.Raw)

    assert problems_of([f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode()}"], EDWARDS) == ()


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([], "no record"),
        ([published(OWN), published(OWN)], "2 records"),
        ([published(SHORT)], "another one"),
        ([published(OWN, tags="v=DKIM1; t=y;")], "t=y"),
        ([published(OWN, tags="v=DKIM2;")], "v= is DKIM2"),
        (["v=DKIM1; k=rsa"], "no p= tag"),
        (["v=DKIM1; p="], "revoked"),
        (["v=DKIM1; p=???"], "not Base64"),
        (["v=DKIM1; p=AAAA"], "no rsa key"),
    ],
)
def test_every_problem_is_named(records: list[str], words: str) -> None:
    """Catalogue D15."""
    assert any(words in problem for problem in problems_of(records, OWN))


def test_a_short_key_is_a_problem_even_when_it_is_the_right_one() -> None:
    assert problems_of([published(SHORT)], SHORT) == (
        "the key has 1024 bits; 2048 are needed (RFC 8301 3.2)",
    )


def test_the_testing_flag_is_read_among_others() -> None:
    assert parse_record(published(OWN, tags="v=DKIM1; t=s:y;")).testing


def test_the_name_is_selector_and_domain() -> None:
    assert record_name("s1", "acme.example") == "s1._domainkey.acme.example"
