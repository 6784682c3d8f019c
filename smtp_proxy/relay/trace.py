"""The Received field that we add, and the loop check over those that came (RFC 5321 4.4, 6.3).

Our field stands above the stamp and outside every signature (catalogue X9): a later hop may do to it what it likes.
"""

import datetime
import email.utils
import re
from collections.abc import Iterable
from functools import lru_cache

from app.core.errors import MailLoop
from app.core.mail.message import Field
from smtp_proxy.session.submission import Envelope

_UNPRINTABLE = re.compile(r"[^!-~]+")
_BY = re.compile(rb"\bby\s+([^\s;()]+)", re.IGNORECASE)
MAX_OWN_HOPS = 3  # a mail may rightly pass us more than once, such as to a list behind us and on; not for ever


def check_loop(fields: Iterable[Field], *, hostname: str, max_received: int) -> None:
    """Raise MailLoop when the Received fields show a loop."""
    received = [field.value for field in fields if field.name == b"received"]
    own = hostname.lower().encode()
    passed_us = sum(1 for value in received if (found := _BY.search(value)) and found[1].lower() == own)
    if len(received) > max_received or passed_us > MAX_OWN_HOPS:
        raise MailLoop(f"{len(received)} Received fields, {passed_us} of them ours")


@lru_cache(maxsize=8)
def rfc5322_date(seconds: int) -> str:
    """Return a moment in the form of Date and Received fields (RFC 5322 3.3), in UTC."""
    return email.utils.format_datetime(datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC))


def received_field(envelope: Envelope, *, hostname: str, date: str) -> tuple[bytes, bytes]:
    """Return what stands before and behind the recipient's address in the Received field of each copy."""
    client = envelope.client
    helo = _UNPRINTABLE.sub("?", client.helo)[:255] or "unknown"
    name = f"{_UNPRINTABLE.sub('?', client.name)[:255]} " if client.name else ""
    address = f"IPv6:{client.address}" if ":" in client.address else client.address or "unknown"
    head = f"Received: from {helo} ({name}[{address}])\r\n\tby {hostname} with {client.protocol} id {envelope.id}\r\n\tfor <"
    return head.encode("ascii", "replace"), f">;\r\n\t{date}\r\n".encode("ascii")
