"""DKIM signatures verified: the fields read here, the arithmetic by dkimpy, the keys by whatever
looks them up (RFC 6376 6).

dkimpy takes quadratic time for long runs of spaces in a relaxed body. The runs are shortened first,
which is what the relaxed form does anyway (RFC 6376 3.4.4), so the verdict is the same.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import dkim
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from app.core.errors import Unavailable
from app.core.mail.dkim_record import DkimRecord, parse_record, record_name
from app.core.mail.inbound_parts import entity
from app.core.mail.lint.signature import SignatureReport

Lookup = Callable[[str], Awaitable[Sequence[str]]]  # all TXT records at a name; raises Unavailable

MAX_SIGNATURES = 10
_RUNS = re.compile(rb"[ \t]{2,}+")


async def verify(octets: bytes, lookup: Lookup) -> tuple[SignatureReport, ...]:
    """Return a report for each DKIM-Signature field of a mail, top first; one that cannot be read
    is a report too.
    """
    values = list(entity(octets).values(b"dkim-signature"))[:MAX_SIGNATURES]
    return tuple(
        [
            await _verify(octets, position, _tags(value), lookup)
            for position, value in enumerate(values)
        ]
    )


def _tags(value: str) -> Mapping[str, str]:
    pairs = (part.partition("=") for part in value.split(";") if part.strip())
    return {name.strip().lower(): "".join(text.split()) for name, _, text in pairs}


async def _verify(
    octets: bytes, position: int, tags: Mapping[str, str], lookup: Lookup
) -> SignatureReport:
    name = record_name(tags.get("s", ""), tags.get("d", ""))
    try:
        records = await lookup(name)
        record = parse_record(records[0]) if records else None
    except Unavailable as exc:
        return _report(tags, None, None, f"no answer about its key ({exc})")
    except ValueError as exc:
        return _report(tags, None, False, f"its record cannot be used: {exc}")
    if record is None:
        return _report(tags, None, False, f"there is no record at {name}")
    valid, reason = await asyncio.to_thread(_arithmetic, octets, position, tags, records[0])
    return _report(tags, record, valid, reason)


def _arithmetic(
    octets: bytes, position: int, tags: Mapping[str, str], record: str
) -> tuple[bool, str]:
    head, separator, body = octets.partition(b"\r\n\r\n")
    if tags.get("c", "").endswith("/relaxed"):
        body = _RUNS.sub(b" ", body)
    try:
        verifier = dkim.DKIM(head + separator + body, minkey=512)
        valid = verifier.verify(idx=position, dnsfunc=lambda *_, **__: record.encode())
    except dkim.DKIMException as exc:
        return False, str(exc) or type(exc).__name__
    # dkimpy lets IndexError and others escape on odd fields (catalogue D9)
    except Exception as exc:
        return False, f"it cannot be read ({type(exc).__name__})"
    return bool(valid), "" if valid else "the signature does not match"


def _report(
    tags: Mapping[str, str], record: DkimRecord | None, valid: bool | None, reason: str
) -> SignatureReport:
    key = record.key if record else None
    expires = tags.get("x", "")
    return SignatureReport(
        domain=tags.get("d", "").lower(),
        selector=tags.get("s", ""),
        algorithm=tags.get("a", ""),
        signed=tuple(tags.get("h", "").lower().split(":")),
        valid=valid,
        reason=reason,
        key_bits=key.key_size if isinstance(key, RSAPublicKey) else None,
        has_length="l" in tags,
        expired=expires.isdecimal() and int(expires) < time.time(),
        testing=bool(record and record.testing),
    )
