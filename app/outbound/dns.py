"""Records of the DNS, looked up with a deadline. The only place that speaks to dnspython."""

from collections.abc import Iterable
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.resolver

from app.core.errors import Unavailable

_SECONDS = 5.0


async def txt_records(name: str, *, seconds: float = _SECONDS) -> tuple[str, ...]:
    """Return every TXT record at a name, the strings of each joined (RFC 7208 3.3, RFC 6376
    3.6.2.2); none when there is none.

    Raises Unavailable when nobody answers in time.
    """
    return tuple(
        b"".join(record.strings).decode("ascii", "replace")
        for record in await _records(name, "TXT", seconds)
    )


async def mail_exchangers(domain: str, *, seconds: float = _SECONDS) -> tuple[str, ...]:
    """Return the hosts of a domain's MX records, the preferred one first, without the final dot
    (RFC 5321 5.1); none when there is none.

    Raises Unavailable when nobody answers in time.
    """
    found = sorted(
        await _records(domain, "MX", seconds),
        key=lambda record: (record.preference, str(record.exchange)),
    )
    return tuple(str(record.exchange).rstrip(".") for record in found)


# Any: dnspython gives a class a kind of record
async def _records(name: str, kind: str, seconds: float) -> Iterable[Any]:
    try:
        answer = await dns.asyncresolver.resolve(name, kind, lifetime=seconds, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return ()
    except (dns.exception.DNSException, OSError) as exc:
        raise Unavailable(f"{name}: {type(exc).__name__}") from exc
    return list(answer)
