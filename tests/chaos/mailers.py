"""Upstreams that send promotional mail, and bring each message again until it is answered 250, as a
queue does.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.installation import Installation
from tests.support.circles import CAMPAIGN
from tests.support.services import port
from tests.support.sink import Drop, Say
from tests.support.upstream import connected

_SIZES = (1, 1, 1, 2, 5, 60)  # recipients; 60 are noted in the ledger while the message runs
_DEFERRED = 0.1  # of recipients, once
_VANISHING = 0.01  # of copies, after which the mail server goes away without an answer
_PAUSE = 0.1
VANISHED = "mail server gone before its answer"
LATER = Say(b"451 4.2.1 later\r\n")


@dataclass(slots=True, kw_only=True)
class Message:
    """One message and what was heard of it."""

    id: str
    recipients: Sequence[str]
    body: bytes
    replies: list[str] = field(default_factory=list)  # one a try; empty: the try broke off
    # by recipient: what happened after which a second copy may come
    windows: dict[str, set[str]] = field(default_factory=dict)
    trying: bool = False

    @property
    def is_taken(self) -> bool:
        """Whether it was answered 250."""
        return bool(self.replies) and self.replies[-1].startswith("250")

    def open(self, window: str, *recipients: str) -> None:
        """Note that a second copy may come from now on, to these recipients or to all."""
        for recipient in recipients or self.recipients:
            self.windows.setdefault(recipient, set()).add(window)

    @property
    def content(self) -> bytes:
        """The message, without the final dot."""
        to = ", ".join(self.recipients)
        head = (
            f"From: news@acme.example\r\nTo: {to}\r\nSubject: Spring\r\nDate: Tue, 01 Dec 2026"
            " 10:00:00 +0000\r\n"
        )
        return (
            f"{head}Message-ID: <{self.id}@acme.example>\r\nX-Signoff-Campaign: {CAMPAIGN}\r\n\r\n".encode()
            + self.body
        )


@dataclass(slots=True, kw_only=True)
class Mailers:
    """All mailers of one run."""

    installation: Installation
    chance: random.Random
    messages: list[Message] = field(default_factory=list)
    stopping: bool = False

    async def send(self, mailer: int) -> None:
        """Send one message after another until asked to stop; the last one too is brought until it
        is taken.
        """
        number = 0
        while not self.stopping:
            number += 1
            message = self._message(f"mail-{mailer}-{number}")
            self.messages.append(message)
            await self.deliver(message)
            await asyncio.sleep(_PAUSE)

    async def deliver(self, message: Message) -> None:
        """Bring a message until it is answered for good."""
        while not message.is_taken and not (
            message.replies and message.replies[-1].startswith("5")
        ):
            message.trying = True
            message.replies.append(await self._tried(message))
            message.trying = False
            if not message.is_taken:
                await asyncio.sleep(_PAUSE)

    async def _tried(self, message: Message) -> str:
        try:
            async with connected(
                port(self.installation.services.settings.relay.listen)
            ) as upstream:
                await upstream.begin(
                    sender="news@acme.example", recipients=tuple(message.recipients)
                )
                await upstream.send(message.content + b".\r\n")
                return await upstream.reply()
        except AssertionError as exc:  # a step before the content that was refused
            return str(exc)
        except (OSError, EOFError, TimeoutError):
            return ""

    def _message(self, name: str) -> Message:
        count = self.chance.choice(_SIZES)
        recipients = [f"{name}-{at}@mail.example" for at in range(count)]
        message = Message(
            id=name,
            recipients=recipients,
            body=b"Hello, %s.\r\n" % name.encode() + b"All about spring.\r\n" * 20,
        )
        for recipient in recipients:
            if self.chance.random() < _DEFERRED:
                self.installation.sink.on("RCPT", LATER, recipient=recipient)
            if self.chance.random() < _VANISHING:
                self.installation.sink.on("DOT", Drop(), recipient=recipient)
                message.open(VANISHED, recipient)
        return message
