"""A whole inbox in this process: real listener, real door and intake, any store."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app.core.mail.inbound_mailbox import Mailboxes
from app.core.model import HistoryEntry, Preferences
from app.observe.log import logger
from app.usecases.mailto import Complaints, Mailto
from app.usecases.ports import Spool, Store
from app.usecases.record_statement import RecordStatement
from app.usecases.token_links import TokenLinks
from smtp_proxy.inbox.cabinet import Cabinet
from smtp_proxy.inbox.door import Door
from smtp_proxy.inbox.intake import Intake
from smtp_proxy.session.limits import Limits
from tests.support.people import BRAND, CODEC, DOMAIN, NOW_MS, Person
from tests.support.upstream import connected, listening


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """A running inbox and what stands behind it."""

    port: int
    store: Store
    maildir: Cabinet | None

    async def takes(
        self, content: bytes, *recipients: str, sender: str = "someone@example.net"
    ) -> str:
        """Send one mail and return the reply to its end."""
        async with connected(self.port) as client:
            await client.begin(sender=sender, recipients=recipients or (f"unsubscribe@{DOMAIN}",))
            await client.send(
                content.replace(b"\r\n.", b"\r\n..")
                + (b"" if content.endswith(b"\r\n") else b"\r\n")
                + b".\r\n"
            )
            return await client.reply()

    async def state(self, who: Person) -> Preferences:
        (found,) = await self.store.preferences(BRAND, [CODEC.digest(who.address, brand=BRAND)])
        return found

    async def left(self, who: Person) -> bool:
        return not (await self.state(who)).everything.subscribed

    async def events(self, who: Person) -> list[HistoryEntry]:
        return list(await self.store.history(BRAND, CODEC.digest(who.address, brand=BRAND)))

    def filed(self) -> list[bytes]:
        """Return what lies ready for people."""
        assert self.maildir
        return [path.read_bytes() for path in sorted((self.maildir.folder / "new").iterdir())]


def mailto_of(
    store: Store, *, spool: Spool | None = None, complaints: Complaints = Complaints.UNSUBSCRIBE
) -> Mailto:
    one_click = TokenLinks(
        codec=CODEC,
        unsubscribe=RecordStatement(store, spool, lambda: NOW_MS),
        clock=lambda: NOW_MS,
        new_id=lambda: os.urandom(16),
        seal=CODEC.seal_address,
    )
    return Mailto(
        codec=CODEC,
        one_click=one_click,
        mailboxes=Mailboxes(domain=DOMAIN, data_centre=1),
        complaints=complaints,
    )


@asynccontextmanager
async def receiving(
    store: Store,
    *,
    spool: Spool | None = None,
    complaints: Complaints = Complaints.UNSUBSCRIBE,
    maildir: Path | None = None,
    may_miss: Callable[[str], bool] = lambda _: True,
    limits: Limits | None = None,
    quota: int = 2**28,
) -> AsyncIterator[Inbox]:
    """Run an inbox on a free port of loopback."""
    log = logger("inbox")
    mailto = mailto_of(store, spool=spool, complaints=complaints)
    folder = Cabinet(maildir, quota=quota) if maildir else None
    intake = Intake(mailto=mailto, digest=CODEC.digest, maildir=folder, log=log)
    door = Door(mailto=mailto, may_miss=may_miss, log=log)
    terms = {
        "recipient_policy": door,
        "postmaster": f"postmaster@{DOMAIN}",
        "limits": limits or Limits(),
    }
    async with listening(intake, implicit_tls=False, line_endings="normalise", **terms) as (
        _,
        port,
    ):
        yield Inbox(port=port, store=store, maildir=folder)
