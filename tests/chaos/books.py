"""The books: what was promised beside what is so, each account one line of a table.

1. A click or a line of a list that was acknowledged is in the state, once in the history, and at
   the receiver by one webhook-id. What was asked for and never acknowledged may have happened, once
   at most.
2. A message that was answered 250 is with the mail server once for each recipient, its body as it
   was sent, its link of that recipient. A second copy is only there where a window of
   docs/delivery.md was open for its message; those are counted.
3. Who has left gets no mail.
"""

import email
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from app.core.model import BrandNumber, HistoryEntry, Purpose, RecipientDigest, Source
from app.observe.log import LogEvent
from tests.chaos.faults import Scene
from tests.chaos.importers import Importers
from tests.chaos.installation import Installation
from tests.chaos.mailers import Message
from tests.support import circles
from tests.support.clickers import WAYS, Clickers
from tests.support.sink import Received

_AT_ONCE = 200  # recipients of one question to the store


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One line: how many were promised, how many are as promised, how many twice in a documented
    window, and what is wrong.
    """

    name: str
    promised: int = 0
    kept: int = 0
    again: int = 0
    wrong: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Everybody who did something."""

    scene: Scene
    clickers: Clickers
    importers: Importers

    @property
    def installation(self) -> Installation:
        """What they did it to."""
        return self.scene.installation

    def digest(self, address: str) -> RecipientDigest:
        """Return how the store knows a recipient."""
        return self.installation.services.codec.digest(address, brand=self.brand(address))

    def brand(self, address: str) -> BrandNumber:
        """Return whom a recipient leaves."""
        return (
            self.clickers.brand(address)
            if address in self.clickers.asked
            else circles.number(self.installation.services, "acme")
        )

    def owner(self, token: str) -> str:
        """Return for whom a one-click token was minted."""
        return self.installation.services.codec.open(token, purpose=Purpose.ONE_CLICK).address

    @property
    def told(self) -> Sequence[str]:
        """Return everybody who was told that it is done."""
        return (*self.clickers.told, *self.importers.told)

    async def missing(self) -> list[str]:
        """Return who was told so and is subscribed."""
        found: list[str] = []
        for brand in {self.brand(address) for address in self.told}:
            of_brand = [address for address in self.told if self.brand(address) == brand]
            for start in range(0, len(of_brand), _AT_ONCE):
                part = of_brand[start : start + _AT_ONCE]
                states = await self.installation.store.preferences(
                    brand, [self.digest(address) for address in part]
                )
                found += [
                    address
                    for address, state in zip(part, states, strict=True)
                    if state.everything.subscribed
                ]
        return found

    async def histories(self) -> Mapping[str, Sequence[HistoryEntry]]:
        """Return the changes of everybody who asked, told or not."""
        asked = (*self.clickers.asked, *self.importers.asked)
        return {
            address: await self.installation.store.history(
                self.brand(address), self.digest(address)
            )
            for address in asked
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What store and receiver know when everything has settled."""

    missing: frozenset[str]
    histories: Mapping[str, Sequence[HistoryEntry]]
    heard: Counter[str]  # by webhook-id

    def wrong(self, address: str, *, told: bool, source: Source) -> list[str]:
        """Say what is wrong with one recipient."""
        entries = self.histories[address]
        found = []
        if address in self.missing:
            found.append("acknowledged, and subscribed")
        if len(entries) > 1 or (told and not entries):
            found.append(f"{len(entries)} changes in the history")
        if any(entry.statement.source != source for entry in entries):
            found.append(f"of another source: {[entry.statement.source for entry in entries]}")
        if silent := [one for one in _ids(entries) if not self.heard[one]]:
            found.append(f"never told to the receiver: {silent}")
        return found

    def acts(
        self, name: str, asked: Iterable[str], told: Collection[str], source: Source
    ) -> Account:
        """Return the account of everybody who left in one way."""
        again, kept, wrong = 0, 0, []
        for address in dict.fromkeys(asked):
            found = self.wrong(address, told=address in told, source=source)
            wrong += [f"{address}: {line}" for line in found]
            kept += address in told and not found
            again += sum(
                self.heard[one] - 1 for one in _ids(self.histories[address]) if self.heard[one]
            )
        return Account(name=name, promised=len(told), kept=kept, again=again, wrong=wrong)


def _ids(entries: Iterable[HistoryEntry]) -> set[str]:
    return {entry.statement.id.hex() for entry in entries}


async def accounts(load: Load, probes: Sequence[Message]) -> list[Account]:
    """Close the books when everything has settled. `probes`: messages that were sent to people who
    had left by then.
    """
    missing = frozenset(await load.missing())
    seen = Seen(
        missing=missing, histories=await load.histories(), heard=load.installation.endpoint.taken
    )
    found = []
    for way in WAYS.values():
        asked = [address for address, chosen in load.clickers.asked.items() if chosen is way]
        found.append(
            seen.acts(
                f"clicks: {way.name}",
                asked,
                {address for address in asked if address in load.clickers.told},
                way.source,
            )
        )
    found.append(
        seen.acts("lines of lists", load.importers.asked, set(load.importers.told), Source.IMPORT)
    )
    sent = mails(load.scene.mailers.messages, load.installation.sink.received, load.owner)
    return [*found, *sent, _after_leaving(load, probes), *_processes(load)]


def mails(
    messages: Sequence[Message], received: Iterable[Received], opened: Callable[[str], str]
) -> list[Account]:
    """Hold what the mail server has beside what was answered 250. `opened` returns whose a token
    is.
    """
    of = {recipient: message for message in messages for recipient in message.recipients}
    copies = _copies(received)
    wrong, altered, again, windows = [], [], 0, Counter[str]()
    for recipient, message in of.items():
        found = copies.get(recipient, [])
        if len(found) > 1 and (open_windows := message.windows.get(recipient)):
            again += len(found) - 1
            windows.update(dict.fromkeys(open_windows, len(found) - 1))
        elif len(found) > 1:
            wrong.append(
                f"{recipient}: {len(found)} copies of {message.id}, tries {message.replies}"
            )
        if not found and message.is_taken:
            wrong.append(f"{recipient}: answered 250, and no copy")
        altered += [
            f"{recipient}: {reason}"
            for content in found
            if (reason := _reason(recipient, message, content, opened))
        ]
    promised = [recipient for recipient, message in of.items() if message.is_taken]
    bad = {line.partition(":")[0] for line in wrong}
    kept = sum(recipient not in bad for recipient in promised)
    refused = [
        f"{message.id}: {message.replies[-1:]}" for message in messages if not message.is_taken
    ]
    total = sum(len(copies.get(recipient, [])) for recipient in of)
    return [
        Account(
            name="copies answered 250", promised=len(promised), kept=kept, again=again, wrong=wrong
        ),
        *(Account(name=f"  after: {name}", again=count) for name, count in sorted(windows.items())),
        Account(
            name="copies as they came, with their own link",
            promised=total,
            kept=total - len(altered),
            wrong=altered,
        ),
        Account(
            name="messages",
            promised=len(messages),
            kept=len(messages) - len(refused),
            wrong=refused,
        ),
    ]


def _copies(received: Iterable[Received]) -> Mapping[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for one in received:
        for line in one.recipients:
            found.setdefault(line.partition(b"<")[2].partition(b">")[0].decode(), []).append(
                one.content
            )
    return found


def _reason(recipient: str, message: Message, content: bytes, opened: Callable[[str], str]) -> str:
    """Say what is wrong with a copy; nothing when it is right."""
    if content.partition(b"\r\n\r\n")[2] != message.body:
        return "another body"
    link = str(email.message_from_bytes(content)["List-Unsubscribe"])
    return (
        ""
        if opened(link.partition("qmoe=")[2].partition(">")[0]) == recipient
        else "a link of somebody else"
    )


def _after_leaving(load: Load, probes: Sequence[Message]) -> Account:
    asked = {recipient for message in probes for recipient in message.recipients}
    mailed = sorted(asked.intersection(_copies(load.installation.sink.received)))
    wrong = [f"{address}: mailed after leaving" for address in mailed]
    return Account(
        name="people who left, mailed again: no copy",
        promised=len(asked),
        kept=len(asked) - len(mailed),
        wrong=wrong,
    )


def _processes(load: Load) -> list[Account]:
    lines = [
        (name, line)
        for name, service in load.installation.services.by_name.items()
        for line in service.lines
    ]
    known = set(LogEvent) - {LogEvent.UNEXPECTED_ERROR}
    odd = [f"{name}: {line}" for name, line in lines if _event(line) not in known]
    refusals, lists = load.clickers.refusals, load.importers.lists
    odd_refusals = [
        f"status {status}" for status in refusals if status != HTTPStatus.SERVICE_UNAVAILABLE
    ]
    return [
        Account(
            name="log lines of the vocabulary",
            promised=len(lines),
            kept=len(lines) - len(odd),
            wrong=odd,
        ),
        Account(
            name="orderly ends",
            promised=load.scene.ends,
            kept=load.scene.ends - len(load.scene.codes),
            wrong=load.scene.codes,
        ),
        Account(
            name="clicks refused, all with 503",
            promised=len(refusals),
            kept=len(refusals) - len(odd_refusals),
            wrong=odd_refusals,
        ),
        Account(
            name="lists reported as they were",
            promised=lists,
            kept=lists - len(load.importers.wrong),
            wrong=load.importers.wrong,
        ),
    ]


def _event(line: str) -> str:
    try:
        record = json.loads(line)
    except ValueError:
        return ""
    return str(record.get("event")) if isinstance(record, dict) else ""
