"""The procedures of docs/operations.md, done as the page says, on processes that run meanwhile
(catalogue N14).
"""

import asyncio
import json
import re
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import aiohttp
import dkim

from app.core.mail.dkim_record import record_name, record_of
from app.core.model import BrandId, CampaignId, Purpose
from app.settings.first_run import new_dkim_key
from app.wiring import now_ms, token_codec
from tests.support.receiver import receiving
from tests.support.relay import PROMOTIONAL
from tests.support.services import Services, port, running_services
from tests.support.upstream import connected

ROOT = Path(__file__).resolve().parents[2]
MINTS_AFTER_MS = 11 * 60 * 1000  # a new key mints after ten minutes


async def signoff(services: Services, *arguments: str, code: int = 0) -> str:
    """Run a command beside the processes, as the operator does, and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app",
        *arguments,
        cwd=services.folder,
        env=services.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == code, output.decode()
    return output.decode()


async def hang_up(services: Services, *names: str) -> None:
    """Send SIGHUP, and wait until each process says that it has read its configuration."""
    counts = {name: len(services[name].logged("configuration_reloaded")) + 1 for name in names}
    for name in names:
        services[name].send(signal.SIGHUP)
    await asyncio.gather(
        *(services[name].told("configuration_reloaded", count) for name, count in counts.items())
    )


def link_minted_at(services: Services, at_ms: int, address: str = "ann@example.net") -> str:
    """Return the one-click path of a link as a process mints it at this time, by the keyring as the
    file has it now.
    """
    settings = services.settings
    codec = token_codec(
        settings.model_copy(update={"keyring_file": services.folder / settings.keyring_file})
    )
    brand = services.brands.by_id(BrandId("acme")).number
    minter = codec.minter(
        brand=brand, purpose=Purpose.ONE_CLICK, at_ms=at_ms, campaign=CampaignId("spring")
    )
    return f"/u?qmoe={minter.mint(address=address, digest=codec.digest(address, brand=brand))}"


async def clicked(services: Services, *paths: str) -> list[int]:
    """Click each link, and return the status codes."""
    statuses = []
    async with aiohttp.ClientSession() as client:
        for path in paths:
            async with client.post(
                services.url(services.settings.web.listen, path), data="List-Unsubscribe=One-Click"
            ) as answer:
                statuses.append(answer.status)
    return statuses


async def test_token_keys_are_rotated_and_one_is_revoked_while_clicks_come(tmp_path: Path) -> None:
    """Catalogue N14: "Rotate the token keys": old links go on opening, new ones open as soon as a
    process has read the file.
    """
    async with running_services(tmp_path, "web", "worker") as services:
        old = link_minted_at(services, now_ms())
        said = await signoff(services, "keys", "rotate")
        new = link_minted_at(services, now_ms() + MINTS_AFTER_MS)
        too_early = await clicked(services, new)
        await hang_up(services, "web", "worker")
        both = await clicked(services, old, new)
        listed = json.loads(await signoff(services, "keys", "list", "--json"))
        keyring = tmp_path / services.settings.keyring_file
        keyring.write_text(
            re.sub(
                r'(id = 1\b.*?status = )"primary"',
                r'\1"revoked"',
                keyring.read_text(),
                count=1,
                flags=re.S,
            )
        )
        await hang_up(services, "web")
        after = await clicked(services, old, new)

    assert "Added key 2." in said
    assert [(1, "primary"), (2, "primary")] == [(row["id"], row["status"]) for row in listed]
    assert [404] == too_early
    assert [200, 200] == both
    assert [404, 200] == after


def dkim_table(folder: Path, selector: str) -> str:
    return (
        f'[[brands.acme.dkim]]\ndomain = "acme.example"\nselector = "{selector}"\nkey_file ='
        f' "{folder}/{selector}.pem"\n'
    )


async def sent(services: Services) -> bytes:
    """Send a promotional mail, and return the copy that arrived."""
    mailbox = services.folder / "var/mailbox/new"
    before = set(mailbox.glob("*"))
    async with connected(port(services.settings.relay.listen)) as upstream:
        answer = await upstream.mail(PROMOTIONAL + b".\r\n", sender="bounce@acme.example")
    assert answer.startswith("250 "), answer
    (copy,) = set(mailbox.glob("*")) - before
    content = copy.read_bytes()
    return content[content.index(b"DKIM-Signature:") :]


async def test_a_dkim_key_is_rotated_and_every_mail_verifies(tmp_path: Path) -> None:
    """Catalogue N14: "Rotate a DKIM key", step by step; what was signed before verifies by the old
    record until that is removed.
    """
    (tmp_path / "old.pem").write_bytes(new_dkim_key())
    brand = '[brands.acme]\nsender_domains = ["acme.example"]\n'
    configuration = tmp_path / "signoff.toml"
    configuration.write_text(brand + dkim_table(tmp_path, "old"))
    async with running_services(tmp_path, "relay", "mailbox") as services:
        copies = [await sent(services)]
        said = await signoff(services, "keys", "dkim", "new.pem")
        configuration.write_text(brand + dkim_table(tmp_path, "old") + dkim_table(tmp_path, "new"))
        await hang_up(services, "relay")
        copies.append(await sent(services))
        configuration.write_text(brand + dkim_table(tmp_path, "new") + dkim_table(tmp_path, "old"))
        await hang_up(services, "relay")
        copies.append(await sent(services))
        configuration.write_text(brand + dkim_table(tmp_path, "new"))
        (tmp_path / "old.pem").rename(tmp_path / "removed.pem")
        await hang_up(services, "relay")
        copies.append(await sent(services))

    published = {
        record_name("old", "acme.example"): record_of((tmp_path / "removed.pem").read_bytes())
    }
    published[record_name("new", "acme.example")] = said.splitlines()[1]

    def dns(name: bytes, timeout: int = 5) -> bytes:
        return published[name.decode().rstrip(".")].encode()

    assert [b"s=old", b"s=old", b"s=new", b"s=new"] == [
        b"s=" + copy.split(b" s=")[1].partition(b";")[0] for copy in copies
    ]
    assert all(dkim.verify(copy, dnsfunc=dns) for copy in copies)


async def test_a_brand_without_a_key_is_named_by_the_doctor(tmp_path: Path) -> None:
    """Catalogue N14: "SignoffUnsigned": the mail is deferred, and the doctor says why."""
    (tmp_path / "signoff.toml").write_text('[brands.acme]\nsender_domains = ["acme.example"]\n')
    async with running_services(tmp_path, "relay", "mailbox") as services:
        async with connected(port(services.settings.relay.listen)) as upstream:
            answer = await upstream.mail(PROMOTIONAL + b".\r\n", sender="bounce@acme.example")
        report = await signoff(services, "doctor", "--offline", "--json", code=1)

    assert answer.startswith("451 4.3.5"), answer
    problems = {
        row["check"]: row["detail"] for row in json.loads(report) if row["verdict"] == "problem"
    }
    assert "no DKIM key" in problems["brand acme"]


async def test_what_was_given_up_is_sent_again_once_the_endpoint_is_repaired(
    tmp_path: Path,
) -> None:
    """Catalogue N14: "SignoffDeadlineMissed" and "SignoffWebhookUndelivered"."""
    async with receiving(statuses=[410]) as receiver:
        (tmp_path / "secret").write_text("whsec_" + "QUJD" * 10)
        (tmp_path / "signoff.toml").write_text(
            '[brands.acme]\nsender_domains = ["acme.example"]\n'
            f'webhooks = [{{ url = "{receiver.url}", secret_file = "{tmp_path}/secret" }}]\n'
        )
        async with running_services(tmp_path, "web", "worker") as services:
            statuses = await clicked(services, link_minted_at(services, now_ms()))
            await services["worker"].told("webhook_failed")
            letters: list[dict[str, object]] = []
            while not letters:
                letters = json.loads(await signoff(services, "dlq", "list", "--json"))
            said = await signoff(services, "dlq", "resend", "--all", "--brand", "acme")
            await receiver.until(lambda one: len(one.book) == 2)

    assert [200] == statuses
    assert "410" in str(letters[0]["reason"])
    assert "1" in said
    assert receiver.book[0].body == receiver.book[1].body


async def test_every_process_ends_in_order_when_it_is_asked_to_and_starts_again_with_all_it_knew(
    tmp_path: Path,
) -> None:
    """Catalogue N14: "Restarts and upgrades": exit 0, one after another, and nothing is
    forgotten.
    """
    names = ("web", "admin", "relay", "inbox", "worker", "mailbox")
    async with running_services(tmp_path, *names) as services:
        statuses = await clicked(services, link_minted_at(services, now_ms()))
        codes = []
        for name in names:
            codes.append(await services[name].end())
            await services[name].start()
        shown = json.loads(
            await signoff(services, "recipient", "show", "ann@example.net", "--json")
        )

    assert [200] == statuses
    assert [0] * len(names) == codes
    assert "unsubscribed" == shown[0]["state"]


async def test_a_better_copy_of_a_damaged_spool_file_is_salvaged_and_adopted_by_a_running_process(
    tmp_path: Path,
) -> None:
    """Catalogue N14: "SignoffSpoolDamaged": the file of a killed process, its beginning unreadable,
    put back under a free number.
    """
    spool = tmp_path / "var/spool"
    async with running_services(tmp_path, "web", STORE__URL="redis://127.0.0.1:1/0") as services:
        paths = [
            link_minted_at(services, now_ms(), f"user{number}@example.net") for number in range(50)
        ]
        statuses = await clicked(services, *paths)
        await services["web"].kill()
    (file,) = spool.glob("spool-*.db")
    aside = tmp_path / "aside"
    aside.mkdir()
    for one in spool.glob(f"{file.name}*"):
        one.rename(aside / one.name)
    # everything in one file, so that damage to it counts
    with closing(sqlite3.connect(aside / file.name)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray((aside / file.name).read_bytes())
    content[:100] = bytes(100)

    async with running_services(tmp_path, "web") as services:
        (spool / "spool-200.db").write_bytes(content)
        await services["web"].told("spool_damaged")
        shown: list[dict[str, object]] = []
        while not shown or shown[0]["state"] != "unsubscribed":
            shown = json.loads(
                await signoff(services, "recipient", "show", "user49@example.net", "--json")
            )

    assert [200] * 50 == statuses
    assert list(spool.glob("*.damaged"))


# Which tests do what a section of the page says; those of this file by their names alone.
RUN_BY = {
    "SignoffClickNotDurable": (
        "tests/circle/test_spool_faults.py::"
        "test_a_spool_that_may_not_grow_leaves_it_to_the_store_and_recovers_by_itself"
    ),
    "SignoffRequestPendingTooLong": (
        "tests/worker/test_process.py::test_health_events_and_dead_letters_are_there_for_the_operator"
    ),
    "SignoffDeadlineMissed": "test_what_was_given_up_is_sent_again_once_the_endpoint_is_repaired",
    "SignoffSpoolWaits": (
        "tests/circle/test_store_outages.py::test_processes_start_while_the_whole_store_is_away_and_find_it_when_it_comes"
    ),
    "SignoffSpoolDamaged": (
        "test_a_better_copy_of_a_damaged_spool_file_is_salvaged_and_adopted_by_a_running_process"
    ),
    "SignoffStreamLag": "tests/worker/test_crowds.py::test_four_workers_tell_one_event_once",
    "SignoffWebhookUndelivered": (
        "test_what_was_given_up_is_sent_again_once_the_endpoint_is_repaired"
    ),
    "SignoffRelayDefers": (
        "tests/smtp_proxy/test_relay_process.py::"
        "test_a_downstream_that_was_not_seen_yet_costs_no_mail_that_needs_its_extensions"
    ),
    "SignoffUnsigned": "test_a_brand_without_a_key_is_named_by_the_doctor",
    "SignoffTokenErrors": "test_token_keys_are_rotated_and_one_is_revoked_while_clicks_come",
    "SignoffDown": (
        "test_every_process_ends_in_order_when_it_is_asked_to_and_starts_again_with_all_it_knew"
    ),
    "The store's user": "tests/store/test_rights.py::test_the_documented_rights_are_enough",
    "Rotate the token keys": "test_token_keys_are_rotated_and_one_is_revoked_while_clicks_come",
    "Rotate a DKIM key": "test_a_dkim_key_is_rotated_and_every_mail_verifies",
    "The keyring and the store": (
        "tests/wiring/test_belonging.py::test_nothing_starts_with_another_pepper_than_the_store_was_made_with"
    ),
    "Clocks": "tests/store/test_wrong_clock_contract.py::test_it_is_logged_and_counted",
    "Make one": (
        "tests/cli/test_backup.py::test_the_file_is_its_owners_alone_and_is_replaced_only_by_force"
    ),
    "Bring one back": "tests/cli/test_backup.py::test_a_lost_store_comes_back_from_the_file",
    "Restarts and upgrades": (
        "test_every_process_ends_in_order_when_it_is_asked_to_and_starts_again_with_all_it_knew"
    ),
    "Look at one case": (
        "tests/docs/test_commands.py::test_every_command_of_a_page_prints_what_the_page_shows"
    ),
}
# sections that explain, and ask nobody to do anything
ABOUT = frozenset(
    ("Operations", "Alerts", "The 48 hours", "Keys", "Backups", "A store of several servers")
)


def test_every_section_of_the_page_that_asks_for_something_is_run() -> None:
    """Catalogue N14: a procedure that no test does makes this one fail."""
    sections = set(re.findall(r"^#+ (.+)$", (ROOT / "docs/operations.md").read_text(), re.M))
    here = Path(__file__).read_text()

    for section, test in RUN_BY.items():
        file, _, name = test.rpartition("::")
        assert f"def {name}(" in ((ROOT / file).read_text() if file else here), section
    assert sections == set(RUN_BY) | ABOUT
