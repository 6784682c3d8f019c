"""Keys and signatures: which key signs for which sender, and one DKIM-Signature field a copy, by
OpenSSL.

1. `d=` is the From domain or a parent of it, the longest that has a key (RFC 9989 relaxed
   alignment). No key, no signature: the caller defers the mail, nothing leaves that promises a
   signature without one.
2. RSA of 2048 bits or more signs always (RFC 8301); ed25519 only beside it (RFC 8463). Of several
   keys of a kind the first signs, and the others wait or retire (`app.core.mail.dkim_rotation`).
3. Work is done where it is the same: a key is read once a process, body and shared fields are
   hashed once a message, a copy costs the hash of its stamped fields and one signature; only a body
   of its own is hashed for each copy. PKCS #1 v1.5 is deterministic: the same copy gets the same
   signature.
4. OpenSSL lets go of the interpreter while it signs, so copies are signed in a thread beside the
   event loop: all that are asked for in one turn of the loop go there together, at most
   `MOST_TOGETHER`, and what is asked for meanwhile waits for the next round. A signature that is
   alone is made at once: a hop to a thread would only make its mail wait. Measured on two cores
   with 50 sessions: 24 % more mails a second for 10 % more CPU.

The canonical bytes and the text of the field are made in `app.core.mail.dkim`.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256

from app.core.errors import Misconfigured, SignerUnavailable
from app.core.mail import dkim
from app.core.mail.dkim_private import PrivateKey, algorithm_of, read_private_key, refuse_short
from app.core.mail.dkim_rotation import rotation_problems, signing_keys
from app.core.mail.message import from_domains, sender_field
from app.core.mail.stamp import STAMPED, Base

_PADDING = padding.PKCS1v15()
_PREHASHED = utils.Prehashed(SHA256())
MOST_TOGETHER = 16


class SigningKey:
    """A private key, read once. `algorithm` is the value of `a=`."""

    __slots__ = ("_private", "algorithm")

    def __init__(self, private: PrivateKey) -> None:
        refuse_short(private)
        self._private = private
        self.algorithm = algorithm_of(private).encode("ascii")

    @classmethod
    def from_pem(cls, pem: bytes) -> "SigningKey":
        """Read an unencrypted PEM key, PKCS #1 or PKCS #8. Raises Misconfigured for any other."""
        return cls(read_private_key(pem))

    def sign(self, digest: bytes) -> bytes:
        """Sign the SHA-256 digest of the canonical header (for ed25519 the digest is the message:
        RFC 8463 3).
        """
        if isinstance(self._private, rsa.RSAPrivateKey):
            return self._private.sign(digest, _PADDING, _PREHASHED)
        return self._private.sign(digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimKey:
    """One configured key: `domain` is an A-label name in lower case. relaxed/simple, unless the
    downstream touches bodies (D11).
    """

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
    """Signs for the sender domains of its keys. Raises Misconfigured when keys of one domain do not
    go together.
    """

    def __init__(
        self, keys: Sequence[DkimKey], *, profile: dkim.Profile = dkim.Profile.DEFAULT
    ) -> None:
        self._profile = profile
        found = {
            domain: _keys_of(domain, keys) for domain in dict.fromkeys(key.domain for key in keys)
        }
        # RSA comes first, and is what everybody verifies.
        self._keys = {
            domain: own[:1] if profile.one_signature else own for domain, own in found.items()
        }
        self._aligned = lru_cache(maxsize=1024)(self._find_aligned)

    def prepare(self, base: Base, timestamp: int) -> "MessageSignature":
        """Do what the signatures of all copies share, but for the hash of a body. `timestamp` is in
        seconds since 1970.

        Raises SignerUnavailable when no key is aligned with the From field, MalformedMessage when
        that field is not usable.
        """
        keys = self._aligned(from_domains(sender_field(base).value))
        return MessageSignature(
            dkim.select(base.fields, self._profile),
            keys,
            timestamp=timestamp,
            profile=self._profile,
        )

    def _find_aligned(self, domains: frozenset[str]) -> tuple[DkimKey, ...]:
        common = set.intersection(*(set(_suffixes(domain)) for domain in domains))
        candidates = [domain for domain in common if domain in self._keys]
        if not candidates:
            raise SignerUnavailable("no DKIM key is aligned with the domain of the From field")
        return self._keys[max(candidates, key=len)]


class MessageSignature:
    """What the signatures of all copies of one message share. `body_hash` is that of the body they
    share; b"": each has its own.
    """

    __slots__ = ("_hasher", "_keys", "_names", "_profile", "_texts", "_timestamp", "body_hash")

    def __init__(
        self,
        selection: dkim.Selection,
        keys: Sequence[DkimKey],
        *,
        timestamp: int,
        profile: dkim.Profile,
    ) -> None:
        self.body_hash = b""
        self._names = selection.names
        self._profile = profile
        self._hasher = hashlib.sha256(selection.canonical)
        self._keys = keys
        self._timestamp = timestamp
        self._texts: dict[tuple[bytes, ...], Sequence[tuple[SigningKey, dkim.SignatureText]]] = {}

    async def hash_body(self, body: bytes | memoryview) -> bytes:
        """Return the hash of a body in the form that the key asks for; a large one is hashed in a
        thread.
        """
        mode = self._keys[0].canonicalization
        return (
            dkim.body_hash(body, mode)
            if len(body) <= dkim.CHUNK_BYTES
            else await asyncio.to_thread(dkim.body_hash, body, mode)
        )

    def unsigned(self, stamped: Sequence[bytes], own_body_hash: bytes = b"") -> list["Unsigned"]:
        """Return the signature fields of one copy, each with what its key has to sign.

        `stamped` holds the copy's own raw fields: List-Unsubscribe and List-Unsubscribe-Post, or
        none; `own_body_hash` is that of a body of its own.
        """
        names = tuple([raw.partition(b":")[0].lower() for raw in stamped])
        shared = self._hasher.copy()
        shared.update(dkim.relaxed(zip(names, stamped, strict=True)))
        texts = self._texts.get(names) if not own_body_hash else None
        if texts is None:
            texts = self._made_texts(names, own_body_hash or self.body_hash)
            if not own_body_hash:
                self._texts[names] = texts  # the same for every copy, as a rule
        found = []
        for key, text in texts:
            hasher = shared.copy()
            hasher.update(text.canonical)
            found.append((key, hasher.digest(), text))
        return found

    def _made_texts(
        self, stamped: tuple[bytes, ...], body_hash: bytes
    ) -> Sequence[tuple[SigningKey, dkim.SignatureText]]:
        if not body_hash:
            raise ValueError("the copies of this message have bodies of their own")
        if len(set(stamped)) < len(stamped) or not STAMPED.issuperset(stamped):
            raise ValueError(
                "only List-Unsubscribe and List-Unsubscribe-Post may differ from copy to copy, once"
                " each"
            )
        names = dkim.covering(self._names, stamped, self._profile)
        return [
            (
                key.key,
                dkim.signature_text(
                    key.tags, names, timestamp=self._timestamp, body_hash=body_hash
                ),
            )
            for key in self._keys
        ]


# the digest to be signed by the key, and the field that lacks the signature
Unsigned = tuple[SigningKey, bytes, dkim.SignatureText]
_Waiting = tuple[Sequence[Unsigned], asyncio.Future[bytes]]


class SigningThread:
    """One thread that signs for one event loop; `close` ends it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="signing")
        self._waiting: list[_Waiting] = []
        self._due = False
        self._busy = False

    async def sign(self, fields: Sequence[Unsigned]) -> bytes:
        """Return the DKIM-Signature fields of one copy, to stand above everything signed."""
        signed: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting.append((fields, signed))
        if not (self._due or self._busy):
            self._due = True
            self._loop.call_soon(self._sign_batch)
        return await signed

    def close(self) -> None:
        """End the thread once it has signed what was asked for."""
        self._pool.shutdown()

    def _sign_batch(self) -> None:
        self._due = False
        batch, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
        if len(batch) == 1 and len(batch[0][0]) == 1:
            _settle(batch[0][1], _signed(batch[0][0]))
            return
        self._busy = True
        self._loop.run_in_executor(self._pool, _signed_all, batch).add_done_callback(
            lambda done: self._settle_batch(batch, done.result())
        )

    def _settle_batch(
        self, batch: Sequence[_Waiting], results: Sequence[bytes | Exception]
    ) -> None:
        self._busy = False
        for (_, signed), result in zip(batch, results, strict=True):
            _settle(signed, result)
        if self._waiting:
            self._sign_batch()


def _signed_all(batch: Sequence[_Waiting]) -> list[bytes | Exception]:
    return [_signed(fields) for fields, _ in batch]


def _signed(fields: Sequence[Unsigned]) -> bytes | Exception:
    """Return the signed fields, or why there are none: an error belongs to the one copy whose key
    it is.
    """
    try:
        return b"".join([text.complete(key.sign(digest)) for key, digest, text in fields])
    except Exception as error:
        return error


def _settle(signed: asyncio.Future[bytes], result: bytes | Exception) -> None:
    if signed.done():  # by its caller, who has given up
        return
    if isinstance(result, Exception):
        signed.set_exception(result)
    else:
        signed.set_result(result)


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
