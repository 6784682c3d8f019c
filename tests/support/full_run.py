"""Everything that Signoff does, done once with every process running: what they logged and counted,
and every secret of it.
"""

import asyncio
import base64
import csv
import email.policy
import io
import json
import re
import smtplib
import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import aiohttp

from app.core.model import Purpose
from app.core.subject import encode
from smtp_proxy.session.accounts import hash_password
from tests.support import circles
from tests.support.receiver import Receiver, receiving
from tests.support.services import COMMANDS, Services, port, running_services
from tests.support.sink import Say, Sink
from tests.support.upstream import connected
from tests.web.choosing import HTML, Form

PASSWORD, WRONG_PASSWORD = "correct-horse-battery-staple", "wrong-horse-battery-staple"
WRONG_KEY = "so_0123456789abcdef_wrongwrongwrongwrongwrongwrongwrong"
RELAY_WORKERS = 2
# of a brand without groups, to which every page link leads
_PAGE = re.compile(r"/unsubscribe\?e=([A-Za-z0-9_-]+)")


def who(name: str) -> str:
    """Return an address whose local part stands nowhere else."""
    return f"{name}.zaphodbeeblebrox+news@Quux-Mail.example"


@dataclass(slots=True, kw_only=True)
class FullRun:
    """What came of it."""

    lines: dict[str, list[str]] = field(default_factory=dict)  # by process
    metrics: dict[str, str] = field(default_factory=dict)  # by process
    addresses: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    codes: dict[str, int] = field(default_factory=dict)  # with which each process ended
    # statuses of HTTP requests, by what was done
    answers: dict[str, int] = field(default_factory=dict)
    replies: dict[str, str] = field(default_factory=dict)  # of SMTP, by what was done


class Actor:
    """Who does it all: senders, recipients, an operator and somebody who guesses."""

    def __init__(
        self, run: FullRun, services: Services, sink: Sink, client: aiohttp.ClientSession
    ) -> None:
        self.run = run
        self._services = services
        self._sink = sink
        self._client = client
        self._settings = services.settings
        self._key = (services.folder / "var/keys/admin-api-key").read_text().strip()
        run.secrets.add(self._key)

    def token(self, name: str, purpose: Purpose, brand: str = "acme") -> str:
        """Return a token for a person, and remember it as a secret."""
        token = circles.token(self._services, who(name), purpose, brand=brand)
        self.run.secrets.add(token)
        return token

    async def mail(
        self,
        did: str,
        *names: str,
        sender: str = "news@acme.example",
        fields: str = "X-Signoff-Campaign: spring-24\r\n",
    ) -> None:
        """Send one mail through the relay."""
        recipients = tuple(map(who, names))
        self.run.addresses.update(recipients)
        body = (
            "Hello. *|UNSUBSCRIBE|* *|CT_MANAGE_PREFERENCES|* *|CT_GROUP_UNSUBSCRIBE|*\r\n"
            if fields
            else "Your password.\r\n"
        )
        head = (
            f"From: <{sender}>\r\nTo: {', '.join(recipients)}\r\nSubject: to {names[0]}\r\n{fields}"
        )
        async with connected(port(self._settings.relay.listen)) as upstream:
            await upstream.begin(sender=sender, recipients=recipients)
            await upstream.send(f"{head}\r\n{body}.\r\n".encode())
            self.run.replies[did] = await upstream.reply()

    def copy(self, name: str) -> tuple[str, str, str]:
        """Return what stands in the newest copy for a person: the one-click token, the mail-to box,
        the pages' token.
        """
        to_them = [
            one.content for one in self._sink.received if who(name).encode() in one.recipients[0]
        ]
        content = [content for content in to_them if b"List-Unsubscribe:" in content][-1]
        message = email.message_from_bytes(content, policy=email.policy.default)
        field_ = str(message["List-Unsubscribe"])
        token = field_.partition("qmoe=")[2].partition(">")[0]
        box = field_.partition("mailto:")[2].partition("?")[0]
        assert isinstance(message, EmailMessage)
        (page,) = set(_PAGE.findall(str(message.get_content())))
        subject = field_.partition("cattr%3A")[2].partition(">")[0]
        self.run.secrets |= {token, box.partition("@")[0].removeprefix("u-"), page, subject}
        return token, box, page

    async def ask(
        self, did: str, method: str, target: str, *, admin: str | None = None, **request: object
    ) -> str:
        """Send one HTTP request and return the answer's body; `admin`: with this key, to the admin
        listener.
        """
        address = self._settings.web.listen if admin is None else self._settings.web.admin_listen
        fields = {} if admin is None else {"Authorization": f"Bearer {admin}"}
        given = {"headers": {**fields, **HTML}, "allow_redirects": False, **request}
        async with self._client.request(
            method,
            self._services.url(address, target),
            **given,  # type: ignore[arg-type]
        ) as answer:  # parameters of aiohttp
            self.run.answers[did] = answer.status
            return await answer.text()

    async def inbox(
        self, did: str, recipient: str, *, sender: str, subject: str = "", body: str = ""
    ) -> None:
        """Write to the inbox."""
        async with connected(port(self._settings.inbox.listen)) as client:
            answer = await client.say(f"MAIL FROM:<{sender}>")
            answer = await client.say(f"RCPT TO:<{recipient}>")
            if answer.startswith("250"):
                await client.say("DATA")
                await client.send(
                    f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject:"
                    f" {subject}\r\n\r\n{body}\r\n.\r\n".encode()
                )
                answer = await client.reply()
            self.run.replies[did] = answer

    async def send(self) -> None:
        """Send mail of every kind to people of every kind."""
        for name in ("ann", "bob", "cat", "dora"):
            await self.mail(f"promote {name}", name)
        await self.mail("password", "ann", fields="")
        self._sink.always(
            "RCPT",
            Say(
                b"550 5.1.1 <%s>: Recipient address rejected: no such user\r\n"
                % who("eve").encode()
            ),
            recipient=who("eve"),
        )
        self._sink.always(
            "RCPT",
            Say(b"451 4.2.1 <%s>: mailbox busy\r\n" % who("fay").encode()),
            recipient=who("fay"),
        )
        await self.mail("refused", "eve")
        await self.mail("deferred", "fay")
        await self.mail("refused in part", "gil", "eve")
        await self.mail("foreign", "hal", sender=who("foreign"))
        self.run.addresses.add(who("foreign"))
        await self.mail("self-managed", "ivy", sender="news@shop.example")
        async with connected(port(self._settings.relay.listen)) as upstream:
            await upstream.say(f"MAIL FROM:<{who('jim')}")
            self.run.replies["half an address"] = await upstream.say(f"RCPT TO:<{who('jim')}@@>")
        self.run.addresses.add(who("jim"))
        await asyncio.to_thread(self._log_in)

    def _log_in(self) -> None:
        for password in (PASSWORD, WRONG_PASSWORD):
            trust = ssl.create_default_context(cafile=self._services.folder / "var/tls/cert.pem")
            with smtplib.SMTP(
                "localhost", port(self._settings.relay.listen), timeout=60
            ) as session:
                session.starttls(context=trust)
                try:
                    session.login("acme-sender", password)
                    self.run.replies["right password"] = "235"
                except smtplib.SMTPAuthenticationError as exc:
                    self.run.replies["wrong password"] = str(exc.smtp_code)
        self.run.secrets |= {
            PASSWORD,
            WRONG_PASSWORD,
            base64.b64encode(f"\0acme-sender\0{PASSWORD}".encode()).decode(),
        }

    async def leave(self) -> None:
        """Leave by every way, and try ways that lead nowhere."""
        token, _, _ = self.copy("ann")
        await self.ask("scan", "GET", f"/u?qmoe={token}")
        await self.ask("click", "POST", f"/u?qmoe={token}", data=b"List-Unsubscribe=One-Click")
        await self.ask("click again", "POST", f"/u/{token}", data=b"")
        bad = token[:40] + token[40:50].swapcase() + token[50:]
        self.run.secrets.add(bad)
        await self.ask("bad click", "POST", f"/u?qmoe={bad}", data=b"")
        await self.ask("wrong purpose", "GET", f"/v1/emailunsubscribe?qmoe={token}")
        await self.ask(
            "callback",
            "POST",
            f"/v1/emailunsubscribe?qmoe={self.token('ivy', Purpose.CALLBACK, 'shop')}",
        )
        _, box, _ = self.copy("bob")
        full = self.token("bob", Purpose.MAILTO)
        await self.inbox("mail-to", box, sender=who("bob"), subject=encode("ID 7", full))
        await self.inbox(
            "mail-to nobody",
            "u-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@in.acme.example",
            sender=who("mal"),
        )
        await self.inbox(
            "mail for people",
            "postmaster@in.acme.example",
            sender=who("kim"),
            subject=f"I am {who('kim')}",
            body=full,
        )
        self.run.addresses |= {who("mal"), who("kim")}
        _, _, page = self.copy("cat")
        form = Form(await self.ask("page", "GET", f"/preferences?e={page}"))
        self.run.secrets |= {value for _, value in form.fields}
        typed = {
            **HTML,
            "Content-Type": "application/x-www-form-urlencoded",
            "Sec-Fetch-Site": "same-origin",
        }
        await self.ask(
            "save", "POST", f"/preferences?e={page}", data=form.body(all_mail=False), headers=typed
        )
        await self.ask(
            "forged save",
            "POST",
            f"/preferences?e={page}",
            data=b"page=forged&all=on",
            headers=typed,
        )
        await self.ask("script", "GET", f"/e?r=1&e={page}&d=AAAA&sub=0&r=2")
        _, _, page = self.copy("dora")
        await self.ask("group page", "GET", f"/unsubscribe?e={page}")

    async def administrate(self) -> None:
        """Do over the admin API what an operator does, and what somebody without a key tries."""
        recipient = f"/v1/brands/acme/recipients/{quote(who('lea'))}"
        self.run.addresses |= {who("lea"), who("nat"), who("oli")}
        await self.ask("no key", "GET", recipient, admin=WRONG_KEY)
        self.run.secrets.add(WRONG_KEY)
        await self.ask("state", "GET", recipient, admin=self._key)
        await self.ask("by hand", "POST", f"{recipient}/unsubscribe", admin=self._key)
        await self.ask(
            "stale",
            "POST",
            f"{recipient}/resubscribe",
            admin=self._key,
            json={"consent": f"{who('lea')} called", "sequence": 9},
        )
        made = await self.ask(
            "new key",
            "POST",
            "/v1/brands/acme/keys",
            admin=self._key,
            json={"name": "CRM", "scopes": ["read"]},
        )
        self.run.secrets |= {
            value
            for value in json.loads(made).values()
            if isinstance(value, str) and value.startswith("so_")
        }
        await self.ask(
            "check",
            "POST",
            "/v1/brands/acme/check",
            admin=self._key,
            json={"addresses": [who("lea"), "no address"]},
        )
        rows = io.StringIO()
        csv.writer(rows).writerows([["email"], [who("nat")], [f"{who('oli')} <broken"]])
        content = {"Authorization": f"Bearer {self._key}", "Content-Type": "text/csv"}
        await self.ask(
            "import",
            "POST",
            "/v1/brands/acme/suppressions",
            admin=self._key,
            data=rows.getvalue(),
            headers=content,
        )
        await self.ask("export", "GET", "/v1/brands/acme/suppressions?format=csv", admin=self._key)
        await self.ask(
            "erase", "DELETE", f"/v1/brands/acme/recipients/{quote(who('nat'))}", admin=self._key
        )
        await self.ask("nothing", "GET", f"/v1/brands/{quote(who('nat'))}/groups", admin=self._key)


LEFT = ("ann", "bob", "cat", "ivy", "lea")  # of whom the brand hears


async def full_run(folder: Path) -> FullRun:
    """Do all of it in a folder."""
    run = FullRun()
    async with AsyncExitStack() as stack:
        sink = await stack.enter_async_context(Sink())
        good = await stack.enter_async_context(receiving())
        bad = await stack.enter_async_context(receiving(statuses=[500] * 1000))
        run.secrets |= _spellings(
            circles.two_brands(folder, [(good.url, "standard"), (bad.url, "clevertap")])
        )
        settings = {
            "LOG_LEVEL": "debug",
            "RELAY__WORKERS": RELAY_WORKERS,
            "RELAY__DOWNSTREAM": f"smtp://127.0.0.1:{sink.port}?tls=none",
            "BRANDS__ACME__SMTP_USERS": json.dumps({"acme-sender": hash_password(PASSWORD)}),
        }
        services = await stack.enter_async_context(running_services(folder, *COMMANDS, **settings))
        client = await stack.enter_async_context(aiohttp.ClientSession())
        actor = Actor(run, services, sink, client)
        await actor.send()
        await actor.leave()
        await actor.administrate()
        await actor.mail("suppressed", "ann")
        await good.until(_knows_all)
        await bad.until(lambda receiver: bool(receiver.book))
        await services["worker"].told("webhook_failed")
        run.metrics = await _metrics(services)
        for name in COMMANDS:
            run.codes[name] = await services[name].end()
        run.lines = {name: services[name].lines for name in COMMANDS}
    return run


def _knows_all(receiver: Receiver) -> bool:
    heard = b"".join(told.body for told in receiver.book)
    return all(who(name).encode() in heard for name in LEFT)


def _spellings(secret: str) -> set[str]:
    return {
        secret,
        secret.removeprefix("whsec_"),
        base64.b64decode(secret.removeprefix("whsec_")).hex(),
    }


async def _metrics(services: Services) -> dict[str, str]:
    settings = services.settings
    addresses = {
        "web": settings.web.health_listen,
        "admin": settings.web.admin_listen,
        "relay": settings.relay.health_listen,
        "inbox": settings.inbox.health_listen,
        "worker": settings.worker.health_listen,
    }
    return {name: await services.metrics(address) for name, address in addresses.items()}
