"""Which key signs, what a key must be, and what the body hash asks of the event loop."""

import asyncio
import base64
import hashlib

import dkim
import pytest
import time_machine
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from app.core.errors import MalformedMessage, Misconfigured, SignerUnavailable
from app.core.mail.canonical import BodyMode, body_hash, relaxed
from app.core.mail.dkim import SignatureTags, signature_text
from app.core.mail.message import Field, parse
from smtp_proxy.relay.sign import DkimKey, Signer, SigningKey
from tests.support.corpus import MAILS, NAMED
from tests.support.dkim_keys import (
    ED25519_KEY,
    NOW,
    RSA,
    RSA_KEY,
    RSA_PEM,
    base_of,
    dkim_key,
    dns_record,
    prepared,
    signed_copy,
    tags_of,
    verifies,
)

EVERY_MAIL = pytest.mark.parametrize("name", MAILS)
BOTH_MODES = pytest.mark.parametrize("mode", BodyMode)


@pytest.mark.parametrize(
    ("sender", "domain"),
    [
        ("a@ex.com", "ex.com"),
        ("a@news.ex.com", "ex.com"),
        ("a@EU.News.Ex.com", "ex.com"),
        ("a@mail.ex.com", "mail.ex.com"),
        ("a@x.mail.ex.com", "mail.ex.com"),
        ("A <a@mail.ex.com>, B <b@ex.com>", "ex.com"),
        ("a@bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_the_key_of_the_closest_parent_domain_signs(sender: str, domain: str) -> None:
    """Catalogue D6."""
    keys = [
        dkim_key("ex.com"),
        dkim_key("mail.ex.com"),
        dkim_key("other.org"),
        dkim_key("xn--bcher-kva.example"),
    ]

    copy = signed_copy(f"From: {sender}\r\n\r\n".encode(), *keys)

    assert domain.encode() == tags_of(parse(copy).fields[0].raw)[b"d"]


@pytest.mark.parametrize(
    "sender",
    ["a@other.org", "a@com", "a@notex.com", "a@ex.com.evil.example", "a@ex.com, b@other.org"],
)
def test_a_foreign_domain_is_never_signed_for(sender: str) -> None:
    """Catalogue D6, H3."""
    base = base_of(f"From: {sender}\r\n\r\n".encode())

    with pytest.raises(SignerUnavailable):
        Signer([dkim_key("ex.com")]).prepare(base, NOW)


@pytest.mark.parametrize(
    "head", [b"", b"From: a@ex.com\r\nFrom: b@ex.com\r\n", b"From: a@ex.com b@ex.com\r\n"]
)
def test_a_mail_without_one_clear_sender_is_refused(head: bytes) -> None:
    """Catalogue D9."""
    base = base_of(head + b"\r\n")

    with pytest.raises(MalformedMessage):
        Signer([dkim_key("ex.com")]).prepare(base, NOW)


@pytest.mark.parametrize("mode", BodyMode)
async def test_a_large_body_is_hashed_while_the_loop_turns(mode: BodyMode) -> None:
    """Catalogue D8."""
    base = base_of(b"From: news@acme.example\r\n\r\n" + (b" " * 990 + b"\r\n") * 30_000)
    hashing = asyncio.create_task(prepared(base, dkim_key(mode=mode)).hash_body(base.body))
    turns = 0
    while not hashing.done():
        turns += 1
        await asyncio.sleep(0)

    assert body_hash(base.body, mode) == hashing.result()
    assert turns > 10


async def test_the_body_is_hashed_in_the_form_that_the_key_asks_for() -> None:
    """Catalogue D11."""
    base = base_of(b"From: news@acme.example\r\n\r\na  b \r\n")
    expected = {BodyMode.SIMPLE: b"a  b \r\n", BodyMode.RELAXED: b"a b\r\n"}

    for mode, canonical in expected.items():
        assert hashlib.sha256(canonical).digest() == await prepared(
            base, dkim_key(mode=mode)
        ).hash_body(base.body)


@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
def test_a_key_is_read_from_pkcs_1_and_pkcs_8(form: PrivateFormat) -> None:
    """Catalogue D15."""
    pem = RSA.private_bytes(Encoding.PEM, form, NoEncryption())

    assert dns_record(RSA_KEY) == dns_record(SigningKey.from_pem(pem))


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"no key",
        RSA_PEM.replace(b"A", b"B", 20),
        RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
        rsa.generate_private_key(65537, 1024).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
    ],
    ids=["empty", "text", "damaged", "encrypted", "elliptic", "1024 bits"],
)
def test_a_key_that_cannot_sign_is_a_configuration_error(pem: bytes) -> None:
    """Catalogue D7."""
    with pytest.raises(Misconfigured):
        SigningKey.from_pem(pem)


@pytest.mark.parametrize(
    "keys",
    [
        [dkim_key(key=ED25519_KEY)],
        [dkim_key(), dkim_key()],
        [dkim_key(), dkim_key(key=ED25519_KEY, selector="s2", mode=BodyMode.RELAXED)],
    ],
    ids=["ed25519 alone", "two keys of one selector", "two canonical forms"],
)
def test_keys_of_a_domain_that_do_not_go_together_are_a_configuration_error(
    keys: list[DkimKey],
) -> None:
    """Catalogue D7."""
    with pytest.raises(Misconfigured):
        Signer(keys)


def test_of_two_keys_of_a_kind_the_first_signs_and_the_other_waits() -> None:
    """A key is rotated by moving it above the old one."""
    old, new = dkim_key(selector="s1"), dkim_key(selector="s2", mode=BodyMode.RELAXED)

    def selectors(*keys: DkimKey) -> list[bytes]:
        fields = parse(signed_copy(NAMED["newsletter"], *keys)).fields
        return [tags_of(field.raw)[b"s"] for field in fields if field.name == b"dkim-signature"]

    assert (selectors(old, new), selectors(new, old)) == ([b"s1"], [b"s2"])


def test_one_key_makes_one_signature() -> None:
    """Catalogue D7."""
    copy = signed_copy(NAMED["newsletter"])

    assert [b"rsa-sha256"] == [
        tags_of(field.raw)[b"a"] for field in parse(copy).fields if field.name == b"dkim-signature"
    ]


class _Ed25519Dkim(dkim.DKIM):  # type: ignore[misc]  # dkimpy has no types
    """dkimpy with OpenSSL's ed25519 in the place of PyNaCl's."""

    def verify_sig(
        self,
        sig: dict[bytes, bytes],
        include_headers: list[bytes],
        sig_header: tuple[bytes, bytes],
        dnsfunc: object,
    ) -> bool:
        record = dns_record(ED25519_KEY).rpartition("p=")[2]
        self.pk = _PublicKey(base64.b64decode(record))
        self.ktag, self.keysize, self.seqtlsrpt = b"ed25519", 256, False
        result: bool = self.verify_sig_process(sig, include_headers, sig_header, dnsfunc)
        return result


class _PublicKey:
    def __init__(self, raw: bytes) -> None:
        self._key = ed25519.Ed25519PublicKey.from_public_bytes(raw)

    def verify(self, digest: bytes, signature: bytes) -> None:
        self._key.verify(signature, digest)


@BOTH_MODES
@EVERY_MAIL
def test_an_ed25519_key_adds_a_second_valid_signature(name: str, mode: BodyMode) -> None:
    """Catalogue D7."""
    copy = signed_copy(
        MAILS[name], dkim_key(key=ED25519_KEY, mode=mode, selector="s2"), dkim_key(mode=mode)
    )

    assert [b"rsa-sha256", b"ed25519-sha256"] == [
        tags_of(field.raw)[b"a"] for field in parse(copy).fields[:2]
    ]
    assert verifies(copy)
    with time_machine.travel(NOW, tick=False):
        assert _Ed25519Dkim(copy).verify(idx=1)


def test_the_sample_signature_of_rfc_8463_is_ours() -> None:
    """Catalogue D7."""
    fields = {
        b"from": b"From: Joe SixPack <joe@football.example.com>\r\n",
        b"to": b"To: Suzie Q <suzie@shopping.example.net>\r\n",
        b"subject": b"Subject: Is dinner ready?\r\n",
        b"date": b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n",
        b"message-id": b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n",
    }
    body = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
    key = ed25519.Ed25519PrivateKey.from_private_bytes(
        base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    )
    text = signature_text(
        SignatureTags(
            algorithm=b"ed25519-sha256",
            body_mode=BodyMode.RELAXED,
            domain=b"football.example.com",
            selector=b"brisbane",
        ),
        tuple(b"from to subject date message-id from subject date".split()),
        timestamp=1528637909,
        body_hash=body_hash(body, BodyMode.RELAXED),
    )
    canonical = relaxed(Field(name, raw) for name, raw in fields.items()) + text.canonical

    signature = SigningKey(key).sign(hashlib.sha256(canonical).digest())

    assert (
        "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
        == base64.b64encode(signature).decode()
    )


def test_a_wrong_ed25519_signature_is_seen() -> None:
    """The verifier above can fail."""
    public = _PublicKey(base64.b64decode(dns_record(ED25519_KEY).rpartition("p=")[2]))

    with pytest.raises(InvalidSignature):
        public.verify(b"another digest", ED25519_KEY.sign(bytes(32)))
