"""`signoff demo`, which is `make demo`: the whole circle of one mail and one click, on the running
services, each step seen.

It speaks to the services only from outside, as a sender, a link scanner, a mailbox provider and an
operator do.
"""

import asyncio
import email
import http.client
import secrets
import smtplib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from rich.console import Console
from rich.markup import escape

from app.cli.dev import files_what_it_takes
from app.cli.recipient import changes, states
from app.core.errors import Misconfigured, SignoffError, Unavailable
from app.core.mail import lint
from app.core.mail.dkim_record import record_name, record_of
from app.core.model import BrandId
from app.outbound.signatures import verify
from app.settings.load import load
from app.settings.model import Settings
from app.settings.types import split_address

_PATIENCE = 10.0
_PAUSE = 0.05
# right, and of no matter here
_OF_THIS_MACHINE = frozenset(("lu-host-not-public", "body-host-not-public"))

T = TypeVar("T")


class StepFailed(SignoffError):
    """What the demo should have seen, it did not see."""

    code = "demo_failed"


def run() -> None:
    """Send one mail, click it, and show what each step does on the running services. 1 at the first
    step that is not as promised.
    """
    settings = load()
    demo = _Demo(settings, _managed_brand(settings))
    demo.say(
        f"[bold]One mail, one click[/bold]  (sender: {demo.sender}, recipient: {demo.recipient})\n"
    )
    first = demo.step(
        "send a promotional mail through the relay",
        lambda: demo.send("Spring is here", promotional=True),
    )
    copy = demo.step("the copy in the mailbox is stamped and signed", lambda: demo.arrived(first))
    url = demo.show_stamp(copy)
    demo.step(
        "it meets the rules: signed over both fields, one link, one recipient (signoff check)",
        lambda: demo.judge(copy),
    )
    demo.step("a link scanner opens the URL: a page, and nothing changes", lambda: demo.scan(url))
    demo.step("the mailbox provider POSTs the click: 200, no redirect", lambda: demo.click(url))
    demo.step("the recipient is unsubscribed, with one event", demo.left)
    second = demo.step(
        "the next promotional mail is accepted, and not sent",
        lambda: demo.send("Summer is here", promotional=True),
    )
    third = demo.step(
        "a password reset is sent all the same",
        lambda: demo.send("Your new password", promotional=False),
    )
    demo.step("only the password reset arrived", lambda: demo.only(third, not_=second))
    demo.say("\n[bold green]All of it was seen.[/bold green]")


def _managed_brand(settings: Settings) -> BrandId:
    """Return the brand whose mail the demo sends. Raises Misconfigured where the demo cannot be
    shown with this configuration.
    """
    if not files_what_it_takes(settings):
        own = f"smtp://{settings.mailbox.listen}"
        raise Misconfigured(
            [
                f"relay.downstream: {settings.relay.downstream} keeps what it gets; the demo can"
                f" look only into {own}"
            ]
        )
    found = next(
        (
            name
            for name, brand in settings.brands.items()
            if brand.one_click == "managed" and brand.promotional != "never"
        ),
        None,
    )
    if found is None:
        raise Misconfigured(
            ['brands: the demo needs one with one_click = "managed" that sends promotional mail']
        )
    return BrandId(found)


@dataclass(frozen=True)
class _Seen:
    """What a step shows below its line."""

    lines: tuple[str, ...]


@dataclass
class _Demo:
    settings: Settings
    brand: BrandId
    console: Console = field(default_factory=lambda: Console(highlight=False))
    recipient: str = field(default_factory=lambda: f"ann-{secrets.token_hex(4)}@mail.example")

    @property
    def domain(self) -> str:
        return self.settings.brands[self.brand].sender_domains[0]

    @property
    def sender(self) -> str:
        return f"news@{self.domain}"

    def say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)

    def step(self, text: str, act: Callable[[], T]) -> T:
        try:
            result = act()
        except OSError as exc:
            raise Unavailable(f"{text}: {exc} (is `make run` up?)") from exc
        self.say(f"[green]✓[/green] {text}")
        if isinstance(result, _Seen):
            self.say("\n".join(f"    {escape(line)}" for line in result.lines))
        return result

    def send(self, subject: str, *, promotional: bool) -> str:
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self.sender
        mail["To"] = self.recipient
        mail["Subject"] = subject
        mail["Message-ID"] = message_id = f"<{secrets.token_hex(12)}@{self.domain}>"
        if promotional:
            mail["X-Signoff-Campaign"] = "demo"
        way_out = "\nUnsubscribe: *|UNSUBSCRIBE|*\n" if promotional else ""
        mail.set_content(f"{subject}!\n{way_out}")
        host, port = split_address(self.settings.relay.listen)
        with smtplib.SMTP(host, port, timeout=_PATIENCE) as session:
            session.send_message(mail)
        return message_id

    def arrived(self, message_id: str) -> bytes:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            for path in (self.settings.mailbox.maildir / "new").glob("*"):
                content = path.read_bytes()
                if message_id.encode() in content.partition(b"\r\n\r\n")[0]:
                    return content
            time.sleep(_PAUSE)
        raise StepFailed(
            f"no mail with the Message-ID {message_id} came to {self.settings.mailbox.maildir}"
        )

    def show_stamp(self, copy: bytes) -> str:
        fields = email.message_from_bytes(copy)
        link, post = fields["List-Unsubscribe"] or "", fields["List-Unsubscribe-Post"]
        if post != "List-Unsubscribe=One-Click" or not link.startswith(
            f"<{self.settings.public_url}/u?qmoe="
        ):
            raise StepFailed("the copy is not stamped")
        self.say(f"    List-Unsubscribe: {escape(link)}\n    List-Unsubscribe-Post: {post}")
        return link[1:].partition(">")[0]

    def judge(self, copy: bytes) -> None:
        found = lint.judge(copy, asyncio.run(verify(copy, self._published)))
        # The one thing that a development machine cannot have is a public host name.
        wrong = [finding.what for finding in found if finding.code not in _OF_THIS_MACHINE]
        if wrong:
            raise StepFailed("; ".join(wrong))

    def scan(self, url: str) -> None:
        status, _, body = self._request("GET", url)
        if status != HTTPStatus.OK or b"<form" not in body:
            raise StepFailed(f"the page answered {status}")
        if not states(self.settings, self.recipient, self.brand)[0]["state"] == "subscribed":
            raise StepFailed("a GET unsubscribed the recipient")

    def click(self, url: str) -> "_Seen":
        status, location, body = self._request("POST", url, "List-Unsubscribe=One-Click")
        if status != HTTPStatus.OK or location:
            raise StepFailed(f"the click was answered {status}")
        return _Seen((f"{status} {body.decode().strip()}",))

    def left(self) -> "_Seen":
        state = states(self.settings, self.recipient, self.brand)[0]
        events = changes(self.settings, self.recipient, self.brand)
        if state["state"] != "unsubscribed" or len(events) != 1:
            raise StepFailed(f"the state is {state['state']}, with {len(events)} events")
        return _Seen(
            tuple(
                ", ".join(f"{key} {value}" for key, value in row.items())
                for row in (state, *events)
            )
        )

    def only(self, expected: str, *, not_: str) -> None:
        # The relay answered the suppressed mail before it took the other one, so when that one has
        # arrived, nothing else is on its way.
        self.arrived(expected)
        if any(
            not_.encode() in path.read_bytes()
            for path in (self.settings.mailbox.maildir / "new").glob("*")
        ):
            raise StepFailed("the suppressed mail was sent")

    def _request(
        self, method: str, url: str, body: str | None = None
    ) -> tuple[int, str | None, bytes]:
        parts = urlsplit(url)
        connection = self._connection(parts)
        form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection.request(method, f"{parts.path}?{parts.query}", body, form)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.headers["Location"], content

    def _connection(self, parts: SplitResult) -> http.client.HTTPConnection:
        """Return a connection to the web process: in production the public host may be elsewhere,
        so its listener is asked.
        """
        if not self.settings.development:
            return http.client.HTTPConnection(
                *split_address(self.settings.web.listen), timeout=_PATIENCE
            )
        trust = ssl.create_default_context(cafile=self.settings.web.tls_cert_file)
        return http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=_PATIENCE, context=trust
        )

    async def _published(self, name: str) -> tuple[str, ...]:
        """Answer as the DNS would once the operator has published the key."""
        key = self.settings.brands[self.brand].dkim[0]
        return (
            (record_of(key.key_file.read_bytes()),)
            if name == record_name(key.selector, key.domain)
            else ()
        )
