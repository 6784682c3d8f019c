"""The guard of outgoing requests, at the moment of connecting (catalogue L1).

1. A name is looked up once for each connection, and the connection goes to the addresses that were
   checked: a name that answers differently the next time (rebinding) gains nothing.
2. All its addresses must be allowed, not only the one that would be tried first.
3. A literal address is checked the same way; one in an odd notation is refused.

`Blocked` is no OSError on purpose: nobody must take it for a network that is down and try the next
address.
"""

from collections.abc import Sequence

from app.core.address_policy import is_disguised, may_reach
from app.core.webhook import Reach
from app.outbound.lookup import Lookup


class Blocked(Exception):
    """The request would go where no webhook may."""


async def addresses_of(host: str, port: int, reach: Reach, lookup: Lookup) -> Sequence[str]:
    """Return the addresses to connect to. Raises Blocked when one of them is out of reach, OSError
    when there is none.
    """
    addresses = await lookup(host, port)
    if not addresses:
        raise OSError("the name has no address")
    for address in addresses:
        check(address, reach)
    return addresses


def check(address: str, reach: Reach) -> None:
    """Raise Blocked for an address that is out of reach."""
    if not may_reach(address, reach):
        raise Blocked("an address of the endpoint is not public")


def check_host(host: str, reach: Reach) -> None:
    """Check the host of a URL before it is looked up. Raises Blocked."""
    if is_disguised(host):
        raise Blocked("the endpoint's host is an address in disguise")
    if ":" in host or host.replace(".", "").isdecimal():
        check(host, reach)
