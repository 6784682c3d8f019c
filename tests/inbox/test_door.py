"""Which recipients come in, and which hear 550 at RCPT."""

import itertools

import pytest

from smtp_proxy.session.limits import Limits
from tests.support.inbox import Inbox, receiving
from tests.support.memory_store import MemoryStore
from tests.support.people import DOMAIN, codec_of, mail, person
from tests.support.upstream import connected

UNKNOWN = "550 5.1.1 No such mailbox here"


async def asked(port: int, *recipients: str) -> list[str]:
    """Return the replies to RCPT."""
    async with connected(port) as client:
        await client.say("MAIL FROM:<someone@example.net>")
        return [await client.say(f"RCPT TO:<{recipient}>") for recipient in recipients]


async def test_everybody_may_write_to_the_mailboxes_that_exist(inbox: Inbox) -> None:
    """Catalogue M10, M12."""
    boxes = (
        person().box,
        f"unsubscribe@{DOMAIN}",
        f"unsubscribe-dc01@{DOMAIN}",
        f"complaints@{DOMAIN}",
        f"abuse@{DOMAIN}",
        "postmaster",
    )

    replies = await asked(inbox.port, *boxes, f"Postmaster@{DOMAIN.upper()}")

    assert {reply[:3] for reply in replies} == {"250"}


async def test_unknown_mailboxes_and_forged_tokens_are_refused_before_the_mail_comes(
    inbox: Inbox,
) -> None:
    """Catalogue M12, T6: so nothing is taken that would have to be sent back."""
    genuine = person().box
    changed = genuine.replace(genuine[10], "a" if genuine[10] != "a" else "b", 1)
    foreign = person(codec=codec_of(b"f" * 32)).box
    unknown = (
        f"u-garbage@{DOMAIN}",
        f"u-@{DOMAIN}",
        changed,
        foreign,
        f"info@{DOMAIN}",
        f"unsubscribe-dc02@{DOMAIN}",
        "ann@example.net",
    )

    assert await asked(inbox.port, *unknown) == [UNKNOWN] * len(unknown)


async def test_who_guesses_is_slowed_down_and_a_genuine_address_still_comes_in() -> None:
    """Catalogue M12: valid tokens are never counted and never refused."""
    guesses = itertools.count(1)
    peers: list[str] = []

    def may_miss(peer: str) -> bool:
        peers.append(peer)
        return next(guesses) <= 2

    async with receiving(MemoryStore(), may_miss=may_miss) as inbox:
        replies = await asked(
            inbox.port, f"u-a@{DOMAIN}", f"u-b@{DOMAIN}", f"u-c@{DOMAIN}", person().box
        )

    assert [reply[:9] for reply in replies] == ["550 5.1.1", "550 5.1.1", "450 4.7.1", "250 2.1.5"]
    assert peers == ["127.0.0.1"] * 3


async def test_a_larger_mail_than_the_bound_is_refused_by_its_size() -> None:
    """Catalogue M11: 20 MB are refused as soon as they are announced, and when they come
    unannounced.
    """
    async with receiving(MemoryStore(), limits=Limits(max_message_bytes=100_000)) as inbox:
        ann = person()
        async with connected(inbox.port) as client:
            announced = await client.say("MAIL FROM:<someone@example.net> SIZE=20000000")
        unannounced = await inbox.takes(mail("x" * 200_000), ann.box)

        assert not await inbox.left(ann)
    assert (announced[:9], unannounced[:9]) == ("552 5.3.4", "552 5.3.4")


async def test_a_large_mail_within_the_bound_is_obeyed_by_its_address(inbox: Inbox) -> None:
    """Catalogue M11: only the first of it is read."""
    ann = person()

    reply = await inbox.takes(mail("x" * 70 * 20_000 + "\r\n", to=ann.box), ann.box)

    assert reply.startswith("250 ")
    assert await inbox.left(ann)


@pytest.mark.parametrize("line_end", ["\n", "\r", "\0"])
async def test_a_mail_with_unlawful_octets_is_obeyed(inbox: Inbox, line_end: str) -> None:
    """Catalogue M7, S1: nothing is handed on from here, so nobody can be misled by it."""
    ann = person()

    reply = await inbox.takes(mail(f"one{line_end}two", subject=ann.subject))

    assert reply.startswith("250 ")
    assert await inbox.left(ann)
