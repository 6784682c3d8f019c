"""Whole stores that go and come back, with every process that uses them: nothing acknowledged is
lost and no process ends.
"""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from app.store.redis import RedisStore
from tests.support import circles
from tests.support.mail_server import MailServer
from tests.support.services import Services, becomes, port, running_services
from tests.support.upstream import connected
from tests.support.valkeys import Name, cluster, valkey

ALL = ("web", "worker", "relay", "inbox")


async def ready(services: Services, address: str) -> bool:
    try:
        async with (
            aiohttp.ClientSession() as client,
            client.get(services.url(address, "/readyz")) as answer,
        ):
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def promoted(services: Services, address: str) -> bool:
    return (await circles.promote(services, address)).startswith("250")


async def test_a_whole_cluster_killed_and_started_again_gets_every_click_and_every_process_lives(
    tmp_path: Path,
) -> None:
    """Catalogue N21."""
    async with AsyncExitStack() as stack:
        mail_server = await stack.enter_async_context(MailServer())
        nodes = await stack.enter_async_context(cluster(tmp_path))
        downstream = f"smtp://127.0.0.1:{mail_server.port}?tls=none"
        services = await stack.enter_async_context(
            running_services(tmp_path, *ALL, STORE__URL=nodes.url, RELAY__DOWNSTREAM=downstream)
        )
        assert await becomes(lambda: promoted(services, "before@mail.example"))
        pids = {name: services[name].pid for name in ALL}
        await nodes.kill()
        leaving = [f"leaving-{number}@mail.example" for number in range(6)]
        told = [await circles.click(services, address) for address in leaving]
        held = await circles.promote(services, "meanwhile@mail.example")
        await nodes.start()
        store = RedisStore(nodes.url, timeout=5)
        stack.push_async_callback(store.close)

        assert await circles.all_left_once(services, store, leaving)
        assert await becomes(lambda: promoted(services, "after@mail.example"))
        refused = await circles.promote(services, leaving[0])
        codes = [await services[name].end() for name in ALL]

    assert told == [200] * 6
    assert held.startswith("451")
    assert refused.startswith("250")  # discarded
    assert leaving[0] not in mail_server.mailboxes
    assert codes == [0] * len(ALL)
    assert {name: services[name].pid for name in ALL} == pids
    assert not [line for name in ALL for line in services[name].lines if "Traceback" in line]


async def test_processes_start_while_the_whole_store_is_away_and_find_it_when_it_comes(
    tmp_path: Path,
) -> None:
    """Catalogue N21."""
    async with AsyncExitStack() as stack:
        nodes = await stack.enter_async_context(cluster(tmp_path))
        await nodes.kill()
        services = await stack.enter_async_context(
            running_services(tmp_path, "web", "worker", STORE__URL=nodes.url)
        )
        told = await circles.click(services, "early@mail.example")
        await nodes.start()
        store = RedisStore(nodes.url, timeout=5)
        stack.push_async_callback(store.close)

        assert await circles.all_left_once(services, store, ["early@mail.example"])
        codes = [await services[name].end() for name in ("web", "worker")]

    assert (told, codes) == (200, [0, 0])


async def test_a_name_that_moves_is_followed_by_clicks_and_mail(tmp_path: Path) -> None:
    """Catalogue N22: the demoted server lives on, and answers."""
    async with AsyncExitStack() as stack:
        mail_server = await stack.enter_async_context(MailServer())
        first = await stack.enter_async_context(valkey(tmp_path / "a"))
        second = await stack.enter_async_context(valkey(tmp_path / "b"))
        name = await stack.enter_async_context(Name())
        name.target = first.port
        services = await stack.enter_async_context(
            running_services(
                tmp_path,
                "web",
                "relay",
                STORE__URL=f"redis://127.0.0.1:{name.port}",
                RELAY__DOWNSTREAM=f"smtp://127.0.0.1:{mail_server.port}?tls=none",
            )
        )
        assert await becomes(lambda: promoted(services, "before@mail.example"))
        await circles.click(services, "early@mail.example")
        await second.operator.replicaof("127.0.0.1", str(first.port))
        assert await becomes(lambda: second.is_("replication", "master_link_status", "up"))

        await second.operator.replicaof("NO", "ONE")
        await first.operator.replicaof("127.0.0.1", str(second.port))
        name.target = second.port
        told = await circles.click(services, "late@mail.example")
        store = RedisStore(second.url, timeout=5)
        stack.push_async_callback(store.close)

        assert await circles.all_left_once(
            services, store, ["early@mail.example", "late@mail.example"]
        )
        assert await becomes(lambda: promoted(services, "after@mail.example"))
        assert await becomes(lambda: ready(services, services.settings.relay.health_listen))

    assert told == 200
    assert await asyncio.to_thread(lambda: "after@mail.example" in mail_server.mailboxes)


async def test_with_one_primary_dead_the_mail_of_the_others_recipients_goes_on(
    tmp_path: Path,
) -> None:
    """Catalogue N23: of one message, those whose states can be read get theirs, and the upstream's
    next try brings the rest.

    What was finished of a message is remembered at one primary, by a hash that nobody can foresee:
    a message whose primary is the dead one waits as a whole. So other messages are sent until one
    is served in part; recipients are so many that each primary has some.
    """
    everybody = [f"person-{number}@mail.example" for number in range(60)]
    async with AsyncExitStack() as stack:
        mail_server = await stack.enter_async_context(MailServer())
        nodes = await stack.enter_async_context(cluster(tmp_path))
        downstream = f"smtp://127.0.0.1:{mail_server.port}?tls=none"
        services = await stack.enter_async_context(
            running_services(tmp_path, "relay", STORE__URL=nodes.url, RELAY__DOWNSTREAM=downstream)
        )
        assert await becomes(lambda: promoted(services, "before@mail.example"))
        await nodes.nodes[1].kill()
        tried: list[int] = []
        served: set[str] = set()

        async def some_served() -> bool:
            """The first tries meet clients that still learn of the outage."""
            tried.append(len(tried))
            assert (await sent(services, everybody, number=tried[-1])).startswith("451")
            served.update(set(mail_server.mailboxes) - {"before@mail.example"})
            return bool(served)

        assert await becomes(some_served)
        await nodes.nodes[1].start()

        assert await becomes(lambda: accepted(services, everybody, number=tried[-1]))

    assert 0 < len(served) < len(everybody)
    assert sorted(mail_server.mailboxes) == sorted([*everybody, "before@mail.example"])


async def sent(services: Services, recipients: list[str], *, number: int) -> str:
    """Send the message of this number, the same at each try, and return the reply."""
    async with connected(port(services.settings.relay.listen)) as upstream:
        await upstream.begin(sender="news@acme.example", recipients=tuple(recipients))
        await upstream.send(
            b"From: news@acme.example\r\nTo: all@mail.example\r\nSubject: Spring\r\nMessage-ID:"
            b" <%d@acme.example>\r\nX-Signoff-Campaign: spring-24\r\n\r\nHello\r\n.\r\n" % number
        )
        return await upstream.reply()


async def accepted(services: Services, recipients: list[str], *, number: int) -> bool:
    return (await sent(services, recipients, number=number)).startswith("250")
