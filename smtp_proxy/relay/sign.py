"""Keys and signatures: which key signs for which sender, and one DKIM-Signature field a copy, by OpenSSL.

1. `d=` is the From domain or a parent of it, the longest that has a key (RFC 9989 relaxed alignment, catalogue D6). No key, no signature:
   the caller defers the mail, nothing leaves that promises a signature without one (H3).
2. RSA of 2048 bits or more signs always (RFC 8301); ed25519 only beside it (RFC 8463, D7). Of several keys of a kind the first signs, and
   the others wait or retire (`app.core.mail.dkim_rotation`).
3. Work is done where it is the same: a key is read once a process, body and shared fields are hashed once a message, a copy costs the hash
   of its stamped fields and one signature (D17); only a body of its own is hashed for each copy. PKCS #1 v1.5 is deterministic: the same
   copy gets the same signature.

The canonical bytes and the text of the field are made in `app.core.mail.dkim`.
"""

import asyncio
import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.core.errors import Misconfigured, SignerUnavailable
from app.core.mail import dkim
from app.core.mail.dkim_private import PrivateKey, algorithm_of, read_private_key
from app.core.mail.dkim_record import MIN_RSA_BITS
from app.core.mail.dkim_rotation import rotation_problems, signing_keys
from app.core.mail.message import Field, from_domains, sender_field
from app.core.mail.stamp import STAMPED, Base

_PADDING = padding.PKCS1v15()
_PREHASHED = utils.Prehashed(SHA256())


class SigningKey:
    """A private key, read once. `algorithm` is the value of `a=`."""

    __slots__ = ("_private", "algorithm")

    def __init__(self, private: PrivateKey) -> None:
        if isinstance(private, rsa.RSAPrivateKey) and private.key_size < MIN_RSA_BITS:
            raise Misconfigured([f"DKIM key: RSA of {private.key_size} bits, at least {MIN_RSA_BITS} are needed"])
        self._private = private
        self.algorithm = algorithm_of(private).encode("ascii")

    @classmethod
    def from_pem(cls, pem: bytes) -> "SigningKey":
        """Read an unencrypted PEM key, PKCS #1 or PKCS #8. Raises Misconfigured for any other."""
        return cls(read_private_key(pem))

    def sign(self, digest: bytes) -> bytes:
        """Sign the SHA-256 digest of the canonical header (for ed25519 the digest is the message: RFC 8463 3)."""
        if isinstance(self._private, rsa.RSAPrivateKey):
            return self._private.sign(digest, _PADDING, _PREHASHED)
        return self._private.sign(digest)

    @property
    def dns_record(self) -> str:
        """Return the TXT record to publish at `<selector>._domainkey.<domain>` (RFC 6376 3.6.1)."""
        public = self._private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            kind, der = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            kind, der = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k={kind}; p={base64.b64encode(der).decode('ascii')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimKey:
    """One configured key: `domain` is an A-label name in lower case. relaxed/simple, unless the downstream touches bodies (D11)."""

    domain: str
    selector: str
    key: SigningKey
    canonicalization: dkim.BodyMode = dkim.BodyMode.SIMPLE
    tags: dkim.SignatureTags = field(init=False, repr=False)

    def __post_init__(self) -> None:
        tags = dkim.SignatureTags(
            algorithm=self.key.algorithm,
            body_mode=self.canonicalization,
            domain=self.domain.encode("ascii"),
            selector=self.selector.encode("ascii"),
        )
        object.__setattr__(self, "tags", tags)  # the record is frozen, and this is still its making

    @property
    def algorithm(self) -> str:
        """Return the value of `a=`."""
        return self.key.algorithm.decode("ascii")

    @property
    def body_form(self) -> str:
        """Return the canonical form of bodies, the second half of `c=`."""
        return self.canonicalization.value


class Signer:
    """Signs for the sender domains of its keys. Raises Misconfigured when keys of one domain do not go together."""

    def __init__(self, keys: Sequence[DkimKey], *, profile: dkim.Profile = dkim.Profile.DEFAULT) -> None:
        self._profile = profile
        found = {domain: _keys_of(domain, keys) for domain in dict.fromkeys(key.domain for key in keys)}
        # RSA comes first, and is what everybody verifies.
        self._keys = {domain: own[:1] if profile.one_signature else own for domain, own in found.items()}
        self._aligned = lru_cache(maxsize=1024)(self._find_aligned)

    async def hash_body(self, base: Base) -> bytes:
        """Return the body hash in the form that this message's key asks for; a large body is hashed in a thread (catalogue D8).

        Raises SignerUnavailable as `prepare` does.
        """
        return await _hashed(base.body, self._keys_for(base)[0].canonicalization)

    def prepare(self, base: Base, body_hash: bytes | None, timestamp: int) -> "Prepared":
        """Do what the signatures of all copies share. `timestamp` is in seconds since 1970; no `body_hash` when every copy has its own.

        Raises SignerUnavailable when no key is aligned with the From field, MalformedMessage when that field is not usable.
        """
        selection = dkim.select(base.fields, self._profile)
        return Prepared(selection, self._keys_for(base), body_hash=body_hash, timestamp=timestamp, profile=self._profile)

    def _keys_for(self, base: Base) -> tuple[DkimKey, ...]:
        return self._aligned(from_domains(sender_field(base).value))

    def _find_aligned(self, domains: frozenset[str]) -> tuple[DkimKey, ...]:
        common = set.intersection(*(set(_suffixes(domain)) for domain in domains))
        candidates = [domain for domain in common if domain in self._keys]
        if not candidates:
            raise SignerUnavailable("no DKIM key is aligned with the domain of the From field")
        return self._keys[max(candidates, key=len)]


class Prepared:
    """One message, ready to be signed for any number of copies."""

    __slots__ = ("_body_hash", "_hasher", "_keys", "_names", "_profile", "_texts", "_timestamp")

    def __init__(
        self,
        selection: dkim.Selection,
        keys: Sequence[DkimKey],
        *,
        body_hash: bytes | None,
        timestamp: int,
        profile: dkim.Profile = dkim.Profile.DEFAULT,
    ) -> None:
        self._names = selection.names
        self._profile = profile
        self._hasher = hashlib.sha256(selection.canonical)
        self._keys = keys
        self._body_hash = body_hash
        self._timestamp = timestamp
        self._texts: dict[tuple[bytes, ...], list[tuple[SigningKey, dkim.SignatureText]]] = {}

    def sign(self, stamped: Sequence[bytes]) -> bytes:
        """Return the DKIM-Signature field, or fields, of one copy, to stand above everything signed.

        `stamped` holds the copy's own raw fields: List-Unsubscribe and List-Unsubscribe-Post, or none.
        """
        pending = self.pending(stamped)
        return pending.complete([key.sign(digest) for key, digest in pending.digests])

    async def hash_body(self, body: bytes | memoryview) -> bytes:
        """Return the hash of one copy's own body; a large one is hashed in a thread (catalogue D8)."""
        return await _hashed(body, self._keys[0].canonicalization)

    def pending(self, stamped: Sequence[bytes], own_body_hash: bytes | None = None) -> "Pending":
        """Return what is left to sign of one copy, for a caller that signs elsewhere; with the hash of its body when that is its own."""
        fields = [Field(raw.partition(b":")[0].lower(), raw) for raw in stamped]
        shared = self._hasher.copy()
        shared.update(dkim.relaxed(fields))
        names = tuple([name for name, _ in fields])
        texts = self._texts_for(names) if own_body_hash is None else self._made_texts(names, own_body_hash)
        return Pending([text for _, text in texts], [(key, _digest(text, shared)) for key, text in texts])

    def _texts_for(self, stamped: tuple[bytes, ...]) -> list[tuple[SigningKey, dkim.SignatureText]]:
        """Return the signature fields for copies that carry fields of these names: the same for every copy, as a rule."""
        texts = self._texts.get(stamped)
        if texts is None:
            if self._body_hash is None:
                raise ValueError("the copies of this message have bodies of their own")
            texts = self._texts[stamped] = self._made_texts(stamped, self._body_hash)
        return texts

    def _made_texts(self, stamped: tuple[bytes, ...], body_hash: bytes) -> list[tuple[SigningKey, dkim.SignatureText]]:
        if len(set(stamped)) < len(stamped) or not STAMPED.issuperset(stamped):
            raise ValueError("only List-Unsubscribe and List-Unsubscribe-Post may differ from copy to copy, once each")
        names = dkim.covering(self._names, stamped, self._profile)
        return [(key.key, dkim.signature_text(key.tags, names, timestamp=self._timestamp, body_hash=body_hash)) for key in self._keys]


class Pending(NamedTuple):
    """The signatures of one copy before they are made."""

    texts: Sequence[dkim.SignatureText]
    digests: Sequence[tuple[SigningKey, bytes]]

    def complete(self, signatures: Sequence[bytes]) -> bytes:
        """Return the finished field or fields; `signatures` in the order of `digests`."""
        return b"".join([text.complete(signature) for text, signature in zip(self.texts, signatures, strict=True)])


async def _hashed(body: bytes | memoryview, mode: dkim.BodyMode) -> bytes:
    if len(body) <= dkim.CHUNK_BYTES:
        return dkim.body_hash(body, mode)
    return await asyncio.to_thread(dkim.body_hash, body, mode)


def _digest(text: dkim.SignatureText, shared: "hashlib._Hash") -> bytes:
    hasher = shared.copy()
    hasher.update(text.canonical)
    return hasher.digest()


def _keys_of(domain: str, keys: Iterable[DkimKey]) -> tuple[DkimKey, ...]:
    """Return the keys of one domain that sign, RSA first."""
    own = [key for key in keys if key.domain == domain]
    problems = rotation_problems(domain, own)
    if problems:
        raise Misconfigured(problems)
    return signing_keys(own)


def _suffixes(domain: str) -> Iterable[str]:
    """Return the domain and its parents."""
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]
