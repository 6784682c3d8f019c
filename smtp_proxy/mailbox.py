"""The development downstream: takes what the relay forwards and files it in a Maildir, as a final delivery does.

Serves RFC 5321 4.4: a `Return-Path` and a `Delivered-To` field go on top, the rest stays octet for octet as it came, CR LF included. Each
recipient has a file of its own. It takes mail from loopback only, and is no mail store for production.
"""

import asyncio
import os
import socket
import time
from collections.abc import Sequence
from ipaddress import ip_network
from itertools import count
from pathlib import Path

from app.observe.log import LogEvent, Logger
from app.settings.types import split_address
from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.config import SessionConfig
from smtp_proxy.session.limits import Limits
from smtp_proxy.session.listener import Server
from smtp_proxy.session.submission import Envelope, Offers

_GRACE_SECONDS = 5.0
_MIB = 1024 * 1024


def _offers() -> Offers:
    return Offers(smtputf8=True)


_LIMITS = Limits(max_message_bytes=1100 * _MIB, max_in_flight_bytes=2200 * _MIB)  # whatever the relay may be set to take, and its fields
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class Maildir:
    """A folder with `tmp`, `new` and `cur`; what stands in `new` is complete and on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = count(1)
        self._host = socket.gethostname().replace("/", "-").replace(":", "-")
        for name in ("tmp", "new", "cur"):
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def file(self, *, sender: str, recipient: str, content: bytearray) -> Path:
        """Write one message durably and return its file. Blocks; raises OSError when the disk does."""
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        name = f"{seconds}.M{nanoseconds // 1000}P{os.getpid()}Q{next(self._numbers)}.{self._host}"
        temporary, final = self.folder / "tmp" / name, self.folder / "new" / name
        with temporary.open("xb") as file:
            file.write(f"Return-Path: <{sender}>\r\nDelivered-To: {recipient}\r\n".encode())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(final)
        _sync_folder(final.parent)
        return final

    def file_all(self, *, sender: str, recipients: Sequence[str], content: bytearray) -> None:
        """Write one message for each recipient."""
        for recipient in recipients:
            self.file(sender=sender, recipient=recipient, content=content)


def mailbox_server(folder: Path, *, log: Logger, hostname: str = "localhost") -> Server:
    """Return a server, not yet started, that files in the Maildir `folder`."""
    maildir = Maildir(folder)

    async def file(envelope: Envelope, content: bytearray) -> Reply:
        await asyncio.to_thread(maildir.file_all, sender=envelope.sender, recipients=envelope.recipients, content=content)
        return Reply(250, replies.ACCEPTED.enhanced, f"Filed as {envelope.id}")

    return Server(SessionConfig(hostname=hostname, handler=file, limits=_LIMITS, trusted_networks=_LOOPBACK, offers=_offers, log=log))


async def serve(listen: str, folder: Path, *, log: Logger) -> None:
    """Run the development downstream on an address such as `127.0.0.1:2527` until it is cancelled."""
    server = mailbox_server(folder, log=log)
    host, port = await server.start(*split_address(listen))
    log.info(LogEvent.PROCESS_STARTED, listen=f"{host}:{port}", maildir=str(folder))
    try:
        await asyncio.Event().wait()
    finally:
        await server.stop(_GRACE_SECONDS)


def _sync_folder(folder: Path) -> None:
    """Make the new name durable too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
