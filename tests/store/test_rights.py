"""A store's user who may not do everything: what is missing is named, and what only improves is
never needed.
"""

from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import redis

from app.core.errors import Misconfigured, StoreUnavailable
from app.core.model import Statement
from app.observe.log import logger
from app.store.embedded import EmbeddedStore
from app.store.redis import RedisStore
from app.store.spool import SqliteSpool
from app.usecases.replay import Replayer

Make = Callable[..., Statement]
DOCUMENTED = (
    "~so:*",
    "+@read",
    "+@write",
    "+@connection",
    "+@scripting",
    "+ping",
    "+wait",
    "+time",
    "+cluster|slots",
    "-@dangerous",
)


class Opened(RedisStore):
    """A store that closes itself at the end of `async with aclosing`."""

    aclose = RedisStore.close


def let(operator: redis.Redis, server: EmbeddedStore, *rules: str) -> str:
    """Give a user these rights and return the address with it."""
    operator.execute_command("ACL", "SETUSER", "signoff", "reset", "on", ">pw", *rules)  # type: ignore[no-untyped-call]
    return server.url.replace("unix://", "unix://signoff:pw@")


async def test_without_info_and_config_every_spooled_click_is_applied_and_the_start_says_what_is_missing(
    server: EmbeddedStore, operator: redis.Redis, make_statement: Make, tmp_path: Path
) -> None:
    """Catalogue N31."""
    url = let(operator, server, "~*", "+@all", "-@dangerous")
    spool = SqliteSpool(tmp_path / "spool")
    async with aclosing(Opened(url, timeout=5)) as store:
        warnings = await store.start()
        replayer = Replayer(store, spool, logger("test"))
        click = make_statement()
        await spool.append(click)
        looks = [await replayer.look(), await replayer.look()]
        (found,) = await store.preferences(click.brand, [click.digest])
    rows = await spool.rows()
    await spool.close()
    assert (looks, rows) == ([True, True], 0)
    assert not found.everything.subscribed
    assert any("may not run INFO" in warning for warning in warnings)
    assert any("may not run CONFIG" in warning for warning in warnings)
    assert any("eviction policy cannot be read" in warning for warning in warnings)


async def test_without_info_a_broken_connection_makes_every_kept_row_due_again(
    server: EmbeddedStore, operator: redis.Redis, make_statement: Make, tmp_path: Path
) -> None:
    """Catalogue N31: what a failover forgot comes back, although nobody can see that it was one."""
    url = let(operator, server, "~*", "+@all", "-@dangerous")
    spool = SqliteSpool(tmp_path / "spool")
    async with aclosing(Opened(url, timeout=5)) as store:
        replayer = Replayer(store, spool, logger("test"))
        click = make_statement()
        await spool.append(click)
        assert await replayer.look()
        assert await spool.rows() == 0
        operator.flushall()
        operator.client_kill_filter(_type="normal", skipme=True)
        first = await replayer.look()
        assert await replayer.look()
        (found,) = await store.preferences(click.brand, [click.digest])
    await spool.close()
    assert not found.everything.subscribed
    assert first in {True, False}


async def test_the_documented_rights_are_enough(
    server: EmbeddedStore, operator: redis.Redis
) -> None:
    async with aclosing(Opened(let(operator, server, *DOCUMENTED), timeout=5)) as store:
        warnings = await store.start()
        await store.ping()

    assert not [
        warning
        for warning in warnings
        if "INFO" not in warning and "CONFIG" not in warning and "eviction" not in warning
    ]


def test_the_documentation_has_these_rights() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/operations.md").read_text()

    assert " ".join(DOCUMENTED) in page


@pytest.mark.parametrize("command", ["hset", "xadd", "hgetall", "eval", "zrange", "xinfo|groups"])
async def test_each_missing_right_is_named(
    server: EmbeddedStore, operator: redis.Redis, command: str
) -> None:
    """Catalogue N31."""
    async with aclosing(
        Opened(let(operator, server, "~*", "+@all", f"-{command}"), timeout=5)
    ) as store:
        warnings = await store.start()

    assert any(command.replace("|", " ").upper() in warning for warning in warnings)


async def test_a_wrong_password_is_unavailable_with_its_reason(
    server: EmbeddedStore, operator: redis.Redis
) -> None:
    url = let(operator, server, "~*", "+@all").replace(":pw@", ":wrong@")
    async with aclosing(Opened(url, timeout=5)) as store:
        with pytest.raises(StoreUnavailable, match="invalid username-password"):
            await store.ping()


def test_an_address_that_cannot_be_read_names_what_is_wrong() -> None:
    with pytest.raises(
        Misconfigured,
        match=r"store\.url: there is no parameter ssl_ca_cert; did you mean ssl_ca_certs",
    ):
        RedisStore("rediss://localhost?ssl_ca_cert=/etc/ca.pem")
