"""Passwords and logins."""

import asyncio

import pytest

from app.core.model import BrandId
from smtp_proxy.session import accounts
from smtp_proxy.session.accounts import Account, Accounts, hash_password, verify

ACME = BrandId("acme")


def test_a_hash_fits_its_password_only_and_is_never_the_same() -> None:
    first, second = hash_password("correct horse"), hash_password("correct horse")

    assert verify("correct horse", first)
    assert verify(b"correct horse", second)
    assert not verify("battery", first)
    assert first != second
    assert "horse" not in first


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "plain",
        "scrypt$1$2$3",
        "scrypt$16384$8$1$!!$!!",
        "scrypt$3$8$1$AAAA$AAAA",
        "bcrypt$16384$8$1$AAAA$AAAA",
    ],
)
def test_a_damaged_hash_fits_no_password(damaged: str) -> None:
    assert not verify("x", damaged)


async def test_a_login_is_of_its_brand_and_nobody_else_gets_in() -> None:
    check = Accounts({"news": Account(brand=ACME, password_hash=hash_password("correct horse"))})

    found = [
        await check(user, password)
        for user, password in [
            ("news", b"correct horse"),
            ("news", b"x"),
            ("other", b"correct horse"),
            ("", b""),
        ]
    ]

    assert [ACME, None, None, None] == found


async def test_a_thousand_logins_of_one_sender_pay_for_one_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paid: list[str] = []

    def counted(password: str | bytes, password_hash: str) -> bool:
        paid.append(password_hash)
        return verify(password, password_hash)

    monkeypatch.setattr(accounts, "verify", counted)
    check = Accounts({"news": Account(brand=ACME, password_hash=hash_password("correct horse"))})

    found = await asyncio.gather(*(check("news", b"correct horse") for _ in range(1000)))
    later = await check("news", b"correct horse")

    assert {ACME} == {*found, later}
    assert 1 == len(paid)


async def test_a_client_that_leaves_does_not_end_the_check_of_the_others() -> None:
    check = Accounts({"news": Account(brand=ACME, password_hash=hash_password("correct horse"))})
    first = asyncio.ensure_future(check("news", b"correct horse"))
    second = asyncio.ensure_future(check("news", b"correct horse"))
    await asyncio.sleep(0)

    first.cancel()

    assert await second == ACME
