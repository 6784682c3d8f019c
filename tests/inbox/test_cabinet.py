"""What is filed for people: once, and within the quota of the folder."""

from pathlib import Path

from app.observe.metrics import INBOX_UNFILED
from tests.support.inbox import Inbox, receiving
from tests.support.memory_store import MemoryStore
from tests.support.people import DOMAIN, mail, person


def spellings(name: str) -> list[str]:
    """Return a hundred spellings of one mailbox."""
    return [
        "".join(c.upper() if number >> at & 1 else c for at, c in enumerate(name)) + f"@{DOMAIN}"
        for number in range(100)
    ]


async def test_a_mail_to_a_hundred_spellings_of_one_mailbox_is_filed_once(inbox: Inbox) -> None:
    """Catalogue N16."""
    reply = await inbox.takes(mail("x" * 200), *spellings("postmaster"))

    assert reply.startswith("250 ")
    assert 1 == len(inbox.filed())


async def test_a_mail_for_people_and_to_be_put_aside_is_filed_once_for_people(inbox: Inbox) -> None:
    """Catalogue N16."""
    await inbox.takes(
        mail("a@in.example.com " * 5000),
        f"unsubscribe@{DOMAIN}",
        f"unsubscribe-dc01@{DOMAIN}",
        f"postmaster@{DOMAIN}",
    )

    (filed,) = inbox.filed()
    assert f"Delivered-To: postmaster@{DOMAIN}\r\n".encode() in filed


async def test_a_full_folder_puts_mail_for_people_off_and_takes_all_other_mail(
    tmp_path: Path,
) -> None:
    """Catalogue N16: until somebody reads and removes what is there."""
    quota = 300_000
    before = INBOX_UNFILED._value.get()
    async with receiving(MemoryStore(), maildir=tmp_path / "people", quota=quota) as inbox:
        replies = [await inbox.takes(mail("x" * 70_000), f"postmaster@{DOMAIN}") for _ in range(6)]
        unread = await inbox.takes(mail("a@b.example " * 8_000), f"unsubscribe-dc01@{DOMAIN}")
        ann = person()
        left = await inbox.takes(mail(subject="unsubscribe"), ann.box, f"postmaster@{DOMAIN}")

        held = sum(path.stat().st_size for path in (tmp_path / "people/new").iterdir())
        assert await inbox.left(ann)
    assert ["250"] * 4 + ["452"] * 2 == [reply[:3] for reply in replies]
    assert (unread[:3], left[:3]) == ("250", "250")
    assert held <= quota
    assert 3 == INBOX_UNFILED._value.get() - before


async def test_what_lies_in_the_folder_at_the_start_counts(tmp_path: Path) -> None:
    """Catalogue N16: also what a mail reader has moved to `cur`."""
    async with receiving(MemoryStore(), maildir=tmp_path / "people") as inbox:
        await inbox.takes(mail("x" * 70_000), f"postmaster@{DOMAIN}")
    (filed,) = (tmp_path / "people/new").iterdir()
    filed.rename(tmp_path / "people/cur" / filed.name)

    async with receiving(MemoryStore(), maildir=tmp_path / "people", quota=100_000) as inbox:
        reply = await inbox.takes(mail("x" * 70_000), f"postmaster@{DOMAIN}")

    assert reply.startswith("452 4.2.2 ")
