"""DKIM as RFC 8058 section 4 needs it: valid, covering both fields, aligned with From (catalogue D1
to D7).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.core.errors import MalformedMessage
from app.core.mail.dkim_record import MIN_RSA_BITS
from app.core.mail.inbound_parts import Entity
from app.core.mail.lint.rules import Finding, Severity
from app.core.mail.sender import from_domains

_MET_BY_ANY = frozenset(("dkim-not-covering", "dkim-not-aligned"))
BOTH = ("list-unsubscribe", "list-unsubscribe-post")
# Registries that sell names one level below: with a two-letter country behind, the organisation's
# name has three labels. A short rule in the place of the public suffix list, which changes by the
# week; it errs on the side of the most common suffixes.
_SECOND_LEVEL = frozenset(
    (
        "ac",
        "co",
        "com",
        "edu",
        "go",
        "gob",
        "gov",
        "ltd",
        "me",
        "mil",
        "ne",
        "net",
        "nom",
        "or",
        "org",
        "plc",
        "sch",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureReport:
    """One DKIM-Signature field and what verifying it gave. `valid` is None when nobody could tell;
    `reason` says why not.
    """

    domain: str
    selector: str
    algorithm: str
    signed: tuple[str, ...]  # h=, in lower case
    valid: bool | None
    reason: str = ""
    key_bits: int | None = None  # of an RSA key
    has_length: bool = False  # l=
    expired: bool = False
    testing: bool = False


def judge(mail: Entity, signatures: Sequence[SignatureReport]) -> Iterator[Finding]:
    """Yield what is wrong with the best signature, but for what another valid one makes good.

    A receiver is content with one that covers both fields (RFC 8058 4) and one of the From domain
    (RFC 9989); they need not be the same.
    """
    if not signatures:
        yield Finding("dkim-missing", "there is no DKIM signature")
        return
    best = min(
        signatures, key=lambda signature: (_ranks(mail, signature), signatures.index(signature))
    )
    met = {
        code
        for code in _MET_BY_ANY
        for other in signatures
        if other.valid and code not in _problems(mail, other)
    }
    yield from (finding for finding in _judge_one(mail, best) if finding.code not in met)


def _problems(mail: Entity, signature: SignatureReport) -> frozenset[str]:
    """Return what keeps a signature from counting; its own hash and key count too."""
    found = {
        finding.code
        for finding in _judge_one(mail, signature)
        if finding.severity is Severity.PROBLEM
    }
    return frozenset(_MET_BY_ANY if found - _MET_BY_ANY else found)


def _ranks(mail: Entity, signature: SignatureReport) -> tuple[int, int]:
    found = list(_judge_one(mail, signature))
    return sum(finding.severity.rank == 0 for finding in found), len(found)


def _judge_one(mail: Entity, signature: SignatureReport) -> Iterator[Finding]:
    name = (
        f"the signature of {signature.domain or 'nobody'} ({signature.selector or 'no selector'})"
    )
    if signature.valid is None:
        yield Finding("dkim-unverified", f"{name} could not be verified: {signature.reason}")
    elif not signature.valid:
        yield Finding("dkim-invalid", f"{name} fails: {signature.reason}")
    yield from _coverage(mail, signature, name)
    if not _is_aligned(mail, signature.domain):
        yield Finding("dkim-not-aligned", f"{name} is not of the From domain")
    if signature.has_length:
        yield Finding("dkim-body-length", f"{name} has an l= tag")
    if signature.algorithm.endswith("sha1"):
        yield Finding("dkim-weak-hash", f"{name} uses {signature.algorithm}")
    if signature.key_bits is not None and signature.key_bits < MIN_RSA_BITS:
        yield Finding("dkim-short-key", f"{name} is made with a key of {signature.key_bits} bits")
    if signature.expired:
        yield Finding("dkim-expired", f"{name} has expired")
    if signature.testing:
        yield Finding("dkim-testing", f"the record of {name} says t=y")


def _coverage(mail: Entity, signature: SignatureReport, name: str) -> Iterator[Finding]:
    missing = [field for field in BOTH if field not in signature.signed]
    if missing:
        yield Finding("dkim-not-covering", f"{name} does not cover {' and '.join(missing)}")
    single = [field for field in BOTH if signature.signed.count(field) == _count(mail, field) == 1]
    if single:
        yield Finding(
            "dkim-not-oversigned", f"{name} names {' and '.join(single)} only as often as it stands"
        )


def _count(mail: Entity, name: str) -> int:
    return sum(field.name == name.encode() for field in mail.fields)


def _is_aligned(mail: Entity, domain: str) -> bool:
    """Tell whether d= and every From domain are of one organisation (RFC 9989: relaxed
    alignment).
    """
    try:
        senders = from_domains(mail.value(b"from").encode("latin-1"))
    except MalformedMessage:
        return False
    return all(
        organisation(sender) == organisation(domain.lower().rstrip(".")) for sender in senders
    )


def organisation(domain: str) -> str:
    """Return the name that an organisation registered: the last two labels, three below a registry
    such as co.uk.
    """
    labels = domain.split(".")
    deep = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL  # noqa: PLR2004 - labels, letters
    return ".".join(labels[-3 if deep else -2 :])
