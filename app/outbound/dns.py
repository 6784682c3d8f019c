"""TXT records, looked up with a deadline. The only place that speaks to dnspython."""

import dns.asyncresolver
import dns.exception
import dns.resolver

from app.core.errors import Unavailable

_SECONDS = 5.0


async def txt_records(name: str, *, seconds: float = _SECONDS) -> tuple[str, ...]:
    """Return every TXT record at a name, the strings of each joined (RFC 7208 3.3, RFC 6376 3.6.2.2); none when there is none.

    Raises Unavailable when nobody answers in time.
    """
    try:
        answer = await dns.asyncresolver.resolve(name, "TXT", lifetime=seconds, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return ()
    except (dns.exception.DNSException, OSError) as exc:
        raise Unavailable(f"{name}: {type(exc).__name__}") from exc
    return tuple(b"".join(record.strings).decode("ascii", "replace") for record in answer)
