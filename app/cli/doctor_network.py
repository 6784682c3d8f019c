"""What `signoff doctor` finds out by asking: downstream, DNS, public URL, listeners, receivers of
webhooks. All are asked at once.
"""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import urlsplit

from app.cli.findings import CheckVerdict, DoctorFinding
from app.cli.health import NO_ANSWER, states
from app.core.downstream import Target
from app.core.errors import Misconfigured, SignoffError, Unavailable
from app.core.webhook import Reach
from app.outbound.dns import mail_exchangers
from app.outbound.trials import get_page, greet_downstream, reach_endpoint
from app.settings.model import Settings
from app.settings.types import split_address

ENDS_SOON = timedelta(days=14)
_WANTED = ("8BITMIME", "SMTPUTF8")  # what the relay offers while its downstream does
_OUR_ROBOTS = b"User-agent: *\nDisallow: /"

_AT_ONCE = 8  # trials of one kind


async def ask_around(settings: Settings, *, dns: bool, offline: bool) -> Sequence[DoctorFinding]:
    """Try everything that others must answer for; what fails in one trial hides no other."""
    if offline:
        return await tried("listeners", _listeners(settings))
    trials: list[Awaitable[Sequence[DoctorFinding]]] = [
        tried("listeners", _listeners(settings)),
        tried("downstream", _downstream(settings)),
        tried("public_url", _public_url(settings)),
        tried("webhooks", _webhooks(settings)),
    ]
    if dns:
        trials.append(tried("inbox.domain", _inbox(settings)))
    return [finding for found in await asyncio.gather(*trials) for finding in found]


async def all_tried(
    trials: Iterable[tuple[str, Awaitable[Iterable[DoctorFinding]]]],
) -> Sequence[DoctorFinding]:
    """Try several of one kind, a few at once, and return their findings in the order of the trials,
    each under its check's name.
    """
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(check: str, trial: Awaitable[Iterable[DoctorFinding]]) -> Sequence[DoctorFinding]:
        async with room:
            return await tried(check, trial)

    found = await asyncio.gather(*(one(check, trial) for check, trial in trials))
    return [finding for findings in found for finding in findings]


async def tried(check: str, trial: Awaitable[Iterable[DoctorFinding]]) -> Sequence[DoctorFinding]:
    """Return what a trial finds, or why it broke off: that too is a line of the report, and hides
    no other line.
    """
    try:
        return list(await trial)
    except Misconfigured as exc:
        return [DoctorFinding(check, CheckVerdict.PROBLEM, problem) for problem in exc.problems]
    except Exception as exc:  # a rim: whatever another machine answers is told
        return [DoctorFinding(check, CheckVerdict.PROBLEM, f"{type(exc).__name__}: {exc}")]


async def _downstream(settings: Settings) -> Iterable[DoctorFinding]:
    relay = settings.relay
    target = Target.parse(
        relay.downstream, user=relay.downstream_user, password=relay.downstream_password.reveal()
    )
    try:
        offered = await greet_downstream(
            target, hostname=relay.hostname, ca_file=relay.downstream_ca_file
        )
    except Unavailable as exc:
        return [
            DoctorFinding(
                "downstream",
                CheckVerdict.PROBLEM,
                f"{relay.downstream}: {exc}; mail waits at its senders' until it answers",
            )
        ]
    logged_in = " and takes our login" if target.credentials else ""
    extensions = ", ".join(sorted(offered)) or "no extension"
    found = [
        DoctorFinding(
            "downstream",
            CheckVerdict.GOOD,
            f"{relay.downstream} answers{logged_in}, with {extensions}",
        )
    ]
    missing = [name for name in _WANTED if name not in offered]
    if missing:
        words = f"it has no {', '.join(missing)}, so the relay offers its own senders none either"
        found.append(DoctorFinding("downstream", CheckVerdict.WARNING, words))
    if "." not in relay.hostname and not settings.development:
        found.append(
            DoctorFinding(
                "relay.hostname",
                CheckVerdict.WARNING,
                f"{relay.hostname} has no dot: set the full host name",
            )
        )
    return found


async def _inbox(settings: Settings) -> Iterable[DoctorFinding]:
    domain = settings.inbox.domain
    if not domain or settings.development:
        reason = (
            "there is none, so copies carry no mailto"
            if not domain
            else "development: nobody outside writes to it"
        )
        return [DoctorFinding("inbox.domain", CheckVerdict.SKIPPED, reason)]
    check = f"mx {domain}"
    try:
        hosts = await mail_exchangers(domain)
    except Unavailable as exc:
        return [
            DoctorFinding(check, CheckVerdict.WARNING, f"the record could not be looked up: {exc}")
        ]
    if not hosts:
        record = f"{domain}. IN MX 10 {settings.relay.hostname}."
        return [
            DoctorFinding(
                check,
                CheckVerdict.PROBLEM,
                f"no MX record, so no mail-to unsubscribe arrives; publish: {record}",
            )
        ]
    nowhere = [host or "." for host in hosts if not await _has_address(host)]
    if nowhere:
        return [
            DoctorFinding(
                check,
                CheckVerdict.PROBLEM,
                f"the MX record names {', '.join(nowhere)}, which has no address",
            )
        ]
    return [DoctorFinding(check, CheckVerdict.GOOD, f"mail to it goes to {', '.join(hosts)}")]


async def _has_address(host: str) -> bool:
    try:
        return bool(host) and bool(await asyncio.get_running_loop().getaddrinfo(host, 25))
    except OSError:
        return False


async def _public_url(settings: Settings) -> Iterable[DoctorFinding]:
    check = "public_url"
    # in development the processes may not be up
    failed = CheckVerdict.WARNING if settings.development else CheckVerdict.PROBLEM
    ca_file = settings.web.tls_cert_file if settings.development else None
    try:
        page = await get_page(f"{settings.public_url}/robots.txt", ca_file=ca_file)
    except Unavailable as exc:
        return [DoctorFinding(check, failed, f"{settings.public_url}: {exc}; no click arrives")]
    answered = f"{settings.public_url} answers {page.status}"
    if HTTPStatus.MULTIPLE_CHOICES <= page.status < HTTPStatus.BAD_REQUEST:
        return [
            DoctorFinding(
                check,
                CheckVerdict.PROBLEM,
                f"{answered}: one-click allows no redirect (RFC 8058 3.1)",
            )
        ]
    if page.status != HTTPStatus.OK or _OUR_ROBOTS not in page.body:
        return [
            DoctorFinding(
                check,
                CheckVerdict.PROBLEM,
                f"{answered}, and not as Signoff does: another program is there",
            )
        ]
    return [
        *_ending(check, page.certificate_ends),
        DoctorFinding(check, CheckVerdict.GOOD, f"{settings.public_url} is answered by Signoff"),
    ]


async def _webhooks(settings: Settings) -> Iterable[DoctorFinding]:
    endpoints = [
        (
            f"webhook of {name}, {hook.format}",
            hook.url.reveal(),
            hook.endpoint(record, development=settings.development).reach,
        )
        for name, brand in settings.brands.items()
        for record in settings.brand_records()
        if record.id == name
        for hook in brand.webhooks
    ]
    return await all_tried((check, _webhook(check, url, reach)) for check, url, reach in endpoints)


async def _webhook(check: str, url: str, reach: Reach) -> Iterable[DoctorFinding]:
    host = urlsplit(url).hostname
    try:
        ends = await reach_endpoint(url, reach=reach)
    except SignoffError as exc:
        return [DoctorFinding(check, CheckVerdict.PROBLEM, f"{host}: {exc}")]
    return [
        *_ending(check, ends),
        DoctorFinding(check, CheckVerdict.GOOD, f"{host} takes connections; no event was sent"),
    ]


def _ending(check: str, ends: datetime | None) -> Iterable[DoctorFinding]:
    return [] if ends is None else certificate_findings(check, ends, now=datetime.now(UTC))


def certificate_findings(check: str, ends: datetime, *, now: datetime) -> Sequence[DoctorFinding]:
    """Return what the end of a certificate means now: nothing, while it is far."""
    if ends <= now:
        return [
            DoctorFinding(
                check, CheckVerdict.PROBLEM, f"the certificate has ended on {ends:%Y-%m-%d}"
            )
        ]
    if ends - now < ENDS_SOON:
        return [
            DoctorFinding(
                check,
                CheckVerdict.WARNING,
                f"the certificate ends in {(ends - now).days} days, on {ends:%Y-%m-%d}",
            )
        ]
    return []


async def _listeners(settings: Settings) -> Iterable[DoctorFinding]:
    alive = {
        str(row["process"])
        for row in await asyncio.to_thread(states, settings)
        if row["state"] != NO_ANSWER
    }
    addresses = [
        (key, address)
        for key, address in _addresses(settings).items()
        if address and not address.startswith("unix:")
    ]
    problems = [
        (key, address, problem) for key, address in addresses if (problem := _cannot_bind(address))
    ]
    found = [
        DoctorFinding(
            key,
            CheckVerdict.PROBLEM if problem != _IN_USE else CheckVerdict.WARNING,
            f"{address}: {problem}",
        )
        for key, address, problem in problems
        if not (problem == _IN_USE and _process_of(key) in alive)
    ]
    held = sum(problem == _IN_USE and _process_of(key) in alive for key, _, problem in problems)
    good = len(addresses) - len(found)
    return [
        *found,
        DoctorFinding(
            "listeners",
            CheckVerdict.GOOD,
            f"{good} of {len(addresses)}: {held} held by running processes, {good - held} free",
        ),
    ]


def _addresses(settings: Settings) -> dict[str, str]:
    return {
        "web.listen": settings.web.listen,
        "web.tls_listen": settings.web.tls_listen or "",
        "web.health_listen": settings.web.health_listen,
        "web.admin_listen": settings.web.admin_listen,
        "relay.listen": settings.relay.listen,
        "relay.tls_listen": settings.relay.tls_listen or "",
        "relay.lmtp_listen": settings.relay.lmtp_listen,
        "relay.health_listen": settings.relay.health_listen,
        "inbox.listen": settings.inbox.listen,
        "inbox.health_listen": settings.inbox.health_listen,
        "worker.health_listen": settings.worker.health_listen,
    }


def _process_of(key: str) -> str:
    return "admin" if key == "web.admin_listen" else key.partition(".")[0]


_IN_USE = "in use, and not by a process of this configuration that answers"
_WORDS = {
    errno.EADDRINUSE: _IN_USE,
    errno.EACCES: "this user may not bind it: ports below 1024 need CAP_NET_BIND_SERVICE, or root",
    errno.EPERM: "this user may not bind it",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


def _cannot_bind(address: str) -> str:
    """Return why an address cannot be listened on, empty when it can."""
    try:
        host, port = split_address(address)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as exc:
        return _WORDS.get(exc.errno or 0, str(exc))
    return ""
