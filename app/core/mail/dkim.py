"""DKIM without keys: the choice of fields and the text of the signature field (RFC 6376).

1. Fields are listed in lower case. Those that change what a reader sees are listed once more than
   they occur, so adding another breaks the signature (RFC 6376 8.15, catalogue D2).
   List-Unsubscribe and -Post come last: what is before is the same for every copy (D17).
2. Never signed: what transport adds or other signers own (D12). No `l=` (D4). `b=` is last (D16).
   Header fields are always relaxed.
3. The field is, byte for byte, what dkimpy writes for the same tags: tag order, separators, folds
   at column 72. One difference: a domain too long for a line stays in one piece, where dkimpy cuts
   it and so spoils its own signature.
"""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from app.core.mail.canonical import CHUNK_BYTES, BodyMode, body_hash, relaxed
from app.core.mail.message import Field
from app.core.mail.stamp import LIST_UNSUBSCRIBE, LIST_UNSUBSCRIBE_POST

__all__ = [
    "CHUNK_BYTES",
    "OVERSIGNED",
    "SIGNED",
    "BodyMode",
    "Profile",
    "Selection",
    "SignatureTags",
    "SignatureText",
    "body_hash",
    "covering",
    "relaxed",
    "select",
    "signature_text",
]

OVERSIGNED: tuple[bytes, ...] = (
    b"from",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"message-id",
    b"reply-to",
    b"sender",
    b"references",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"list-id",
    b"list-help",
    b"list-subscribe",
    b"list-post",
    b"list-owner",
    b"list-archive",
    b"feedback-id",
)
"""Signed once more than present, besides the two stamped fields."""

SIGNED: tuple[bytes, ...] = (
    b"in-reply-to",
    b"content-id",
    b"content-description",
    b"x-csa-complaints",
    b"cfbl-address",
    b"cfbl-feedback-id",
)
"""Signed as often as present: RFC 6376 5.4.1, and the complaint fields of catalogue H18 (RFC 9477).
"""


class Profile(StrEnum):
    """What the downstream does to mail on its way, and the signature therefore leaves out
    (catalogue D7, D13).
    """

    DEFAULT = "default"
    SES = "ses"  # writes its own Message-ID and Date, and refuses a second DKIM-Signature

    @property
    def rewritten(self) -> frozenset[bytes]:
        """Return the names of the fields that arrive with another value than they left with."""
        return frozenset((b"message-id", b"date")) if self is Profile.SES else frozenset()

    @property
    def one_signature(self) -> bool:
        """Say whether a copy may carry no more than one DKIM-Signature."""
        return self is Profile.SES


_ORDER = {
    name: place
    for place, name in enumerate((*OVERSIGNED, *SIGNED, LIST_UNSUBSCRIBE, LIST_UNSUBSCRIBE_POST))
}
_FIELD_NAME = b"DKIM-Signature"
_TIME = b"\0" * 10
_DIGEST = b"\1" * 44
_WIDTH = 71
_FIRST_WIDTH = 72 - len(_FIELD_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The fields of a message that a signature covers: `names` in the order of `canonical`, the
    bytes that are hashed.
    """

    names: tuple[bytes, ...]
    canonical: bytes


def select(fields: Sequence[Field], profile: Profile = Profile.DEFAULT) -> Selection:
    """Choose the signed fields of what every copy carries. Several fields of a name count from the
    bottom (RFC 6376 5.4.2).
    """
    left_out = profile.rewritten
    signed = [
        (_ORDER[name], place, name, raw)
        for place, (name, raw) in enumerate(reversed(fields))
        if name in _ORDER and name not in left_out
    ]
    signed.sort()  # by the first two alone: no two fields have the same place
    return Selection(
        names=tuple([one[2] for one in signed]), canonical=relaxed([one[2:] for one in signed])
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureTags:
    """What one key writes into its signatures, whatever the message."""

    algorithm: bytes  # rsa-sha256, ed25519-sha256
    body_mode: BodyMode
    domain: bytes
    selector: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureText:
    """A signature field that lacks only its signature: `canonical` is hashed last, `folded` is
    written.
    """

    canonical: bytes
    folded: bytes

    def complete(self, signature: bytes) -> bytes:
        """Return the whole field with its CRLF."""
        line = b"b=" + base64.b64encode(signature)
        return (
            self.folded
            + b"\r\n ".join([line[start : start + _WIDTH] for start in range(0, len(line), _WIDTH)])
            + b"\r\n"
        )


def signature_text(
    tags: SignatureTags, names: tuple[bytes, ...], *, timestamp: int, body_hash: bytes
) -> SignatureText:
    """Return the field for these tags (RFC 6376 3.5), with `names` as h= and the time in
    seconds.
    """
    template = _template(tags, names)
    time, digest = b"%010d" % timestamp, base64.b64encode(body_hash)
    return SignatureText(
        canonical=template.canonical.replace(_TIME, time).replace(_DIGEST, digest),
        folded=template.folded.replace(_TIME, time).replace(_DIGEST, digest),
    )


@lru_cache(maxsize=1024)
def covering(
    names: tuple[bytes, ...], stamped: tuple[bytes, ...], profile: Profile = Profile.DEFAULT
) -> tuple[bytes, ...]:
    """Return h= for a copy with the selected fields of these names and stamped fields of those.

    What all copies share comes first; a name listed beyond its fields stands for none, and guards
    against one more.
    """
    count = Counter(names)
    oversigned = frozenset(OVERSIGNED) - profile.rewritten
    shared = [name for name in _ORDER for _ in range(count[name] + (name in oversigned))]
    return (*shared, *stamped, LIST_UNSUBSCRIBE, LIST_UNSUBSCRIBE_POST)


@lru_cache(maxsize=1024)
def _template(tags: SignatureTags, names: tuple[bytes, ...]) -> SignatureText:
    """Return the field with marks, as wide as what they stand for, in the places of time and body
    hash.

    The mails of a campaign have the same fields: to join and fold their names once saves a third of
    preparing a signature.
    """
    text = b"; ".join(
        (
            b"v=1",
            b"a=" + tags.algorithm,
            b"c=relaxed/" + tags.body_mode.encode("ascii"),
            b"d=" + tags.domain,
            b"i=@" + tags.domain,
            b"q=dns/txt",
            b"s=" + tags.selector,
            b"t=" + _TIME,
            b"h=" + b" : ".join(names),
            b"bh=" + _DIGEST + b";",
        )
    )
    # RFC 6376 3.7: the field itself is hashed with an empty b= and without its CRLF.
    return SignatureText(
        canonical=_FIELD_NAME.lower() + b":" + text + b" b=",
        folded=_FIELD_NAME + b": " + _fold(text) + b"\r\n ",
    )


def _fold(text: bytes) -> bytes:
    lines: list[bytes] = []
    start, width = 0, _FIRST_WIDTH
    while len(text) - start >= width:
        cut = text.rfind(b" ", start, start + width)
        if cut < 0:
            cut = text.find(b" ", start + width)
        if cut < 0:
            break
        lines.append(text[start:cut])
        start, width = cut + 1, _WIDTH
    lines.append(text[start:])
    return b"\r\n ".join(lines)
