"""Guessing passwords: bounded in one connection, and over all connections of a network."""

import asyncio
import base64
import contextlib
import ipaddress
import ssl

import pytest
import structlog
import trustme

from app.core.model import BrandId
from app.observe import log as logs
from smtp_proxy.session.accounts import Account, Accounts, hash_password
from smtp_proxy.session.bad_logins import BadLogins
from smtp_proxy.session.limits import Limits
from smtp_proxy.session.sasl import LoginAttempt
from tests.support.upstream import Recorder, Upstream, connected, listening

LIMITS = Limits(max_bad_logins_per_address=2, bad_login_seconds=600)
AUTHORITY = trustme.CA()


def context(purpose: ssl.Purpose) -> ssl.SSLContext:
    made = ssl.create_default_context(purpose)
    if purpose is ssl.Purpose.CLIENT_AUTH:
        AUTHORITY.issue_cert("localhost").configure_cert(made)
    else:
        AUTHORITY.configure_trust(made)
    return made


def plain(password: bytes) -> str:
    return "AUTH PLAIN " + base64.b64encode(b"\0news\0" + password).decode()


@pytest.mark.parametrize(
    ("peer", "same", "other"),
    [("192.0.2.1", "192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2", "2001:db8:1::1")],
)
def test_a_network_is_put_off_for_a_while_after_too_many_failures(
    peer: str, same: str, other: str
) -> None:
    """Catalogue C8."""
    failed = BadLogins()

    failed.count(peer, LIMITS, now=1000)
    after_one = failed.are_too_many(peer, LIMITS, now=1001)
    failed.count(peer, LIMITS, now=1002)

    assert not after_one
    assert failed.are_too_many(same, LIMITS, now=1599)
    assert not failed.are_too_many(other, LIMITS, now=1599)
    assert not failed.are_too_many(same, LIMITS, now=1600)


def test_failures_long_ago_do_not_add_up() -> None:
    """Catalogue C8."""
    failed = BadLogins()

    for now in (0, 700, 1400):
        failed.count("192.0.2.1", LIMITS, now=now)

    assert not failed.are_too_many("192.0.2.1", LIMITS, now=1401)


def test_the_memory_of_failures_is_bounded() -> None:
    """Catalogue C8, X13."""
    failed = BadLogins()

    for number in range(12_000):
        for _ in range(2):
            failed.count(str(ipaddress.IPv4Address(number)), LIMITS, now=1)

    remembered = sum(
        failed.are_too_many(str(ipaddress.IPv4Address(number)), LIMITS, now=2)
        for number in range(12_000)
    )
    assert remembered == 10_000


async def secured(upstream: Upstream) -> None:
    await upstream.say("STARTTLS")
    await upstream.secure(context(ssl.Purpose.SERVER_AUTH))
    await upstream.say("EHLO client.example")


async def test_guessing_from_many_connections_is_put_off_and_a_right_password_with_it() -> None:
    """Catalogue C8, S16."""
    checked: list[bytes] = []

    async def accounts(user: str, password: bytes) -> BrandId | None:
        checked.append(password)
        return BrandId("acme") if password == b"right" else None

    terms = {
        "tls": context(ssl.Purpose.CLIENT_AUTH),
        "trusted_networks": (),
        "authenticator": accounts,
        "limits": LIMITS,
    }
    answers = []
    async with listening(Recorder(), **terms) as (_, port):
        for password in (b"one", b"two", b"right"):
            async with connected(port) as upstream:
                await secured(upstream)
                answers.append((await upstream.say(plain(password)))[:9])

    assert answers == ["535 5.7.8", "535 5.7.8", "454 4.7.0"]
    assert checked == [b"one", b"two"]


async def test_logins_at_once_are_no_more_guesses_than_one_after_another() -> None:
    """Catalogue N18: thirty connections guess together while the checks hang; two are checked, the
    others are put off at once.
    """
    checked: list[bytes] = []
    go_on = asyncio.Event()

    async def accounts(user: str, password: bytes) -> BrandId | None:
        checked.append(password)
        await go_on.wait()
        return BrandId("acme") if password == b"right" else None

    terms = {
        "tls": context(ssl.Purpose.CLIENT_AUTH),
        "trusted_networks": (),
        "authenticator": accounts,
        "limits": LIMITS,
    }
    async with listening(Recorder(), **terms) as (_, port), contextlib.AsyncExitStack() as stack:
        upstreams = [await stack.enter_async_context(connected(port)) for _ in range(30)]
        for upstream in upstreams:
            await secured(upstream)
        asked = [
            asyncio.create_task(upstream.say(plain(b"guess %d" % number)))
            for number, upstream in enumerate(upstreams)
        ]
        while sum(task.done() for task in asked) < 28:
            await asyncio.sleep(0.01)
        go_on.set()
        answers = [(await task)[:3] for task in asked]

    assert ["454"] * 28 + ["535"] * 2 == sorted(answers)
    assert 2 == len(checked)


def test_the_same_login_from_many_connections_is_one_guess() -> None:
    """Catalogue N18: a sender opens fifty sessions with its one account, all at once."""
    logins = BadLogins()

    assert all(logins.admit("192.0.2.1", b"news right", LIMITS, now=1) for _ in range(50))
    for _ in range(50):
        logins.settle("192.0.2.1", b"news right", LIMITS, failed=False, now=2)

    assert not logins.are_too_many("192.0.2.1", LIMITS, now=3)
    assert logins.admit("192.0.2.1", b"news other", LIMITS, now=3)


def test_what_was_admitted_and_failed_counts_with_what_waits() -> None:
    """Catalogue N18."""
    logins = BadLogins()

    first = [logins.admit("192.0.2.1", guess, LIMITS, now=1) for guess in (b"a", b"b", b"c")]
    logins.settle("192.0.2.1", b"a", LIMITS, failed=True, now=2)
    second = logins.admit("192.0.2.1", b"c", LIMITS, now=3)
    logins.settle("192.0.2.1", b"b", LIMITS, failed=False, now=4)
    third = logins.admit("192.0.2.1", b"c", LIMITS, now=5)

    assert [True, True, False] == first
    assert [False, True] == [second, third]


async def test_no_password_and_no_user_name_is_ever_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Catalogue C8."""
    logs.configure(level="debug")
    check = Accounts(
        {"news": Account(brand=BrandId("acme"), password_hash=hash_password("correct horse"))}
    )
    login = LoginAttempt(user="news", password=b"correct horse")

    async def broken(user: str, password: bytes) -> BrandId | None:
        await check(user, password)
        raise RuntimeError(f"what a library may say, {login}")

    try:
        terms = {
            "tls": context(ssl.Purpose.CLIENT_AUTH),
            "trusted_networks": (),
            "log": logs.logger("relay"),
        }
        for authenticator in (check, broken):
            async with (
                listening(Recorder(), authenticator=authenticator, **terms) as (_, port),
                connected(port) as upstream,
            ):
                await secured(upstream)
                for password in (b"battery staple", b"correct horse"):
                    await upstream.say(plain(password))
    finally:
        structlog.reset_defaults()

    said = capsys.readouterr().err
    assert "unexpected_error" in said
    for secret in ("battery", "correct horse", base64.b64encode(b"\0news\0correct horse").decode()):
        assert secret not in said
