"""AUTH, without a socket."""

import base64

import pytest

from app.core.errors import StoreUnavailable
from app.core.model import BrandId
from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.auth import auth
from smtp_proxy.session.hello import ehlo
from smtp_proxy.session.limits import Limits
from smtp_proxy.session.line_protocol import Farewell
from smtp_proxy.session.state import SessionState
from smtp_proxy.session.transaction_commands import mail
from tests.support.commands import obey, said, session_state

RIGHT = base64.b64encode(b"\0news\0correct horse")
WRONG = base64.b64encode(b"\0news\0wrong horse")


async def login(user: str, password: bytes) -> BrandId | None:
    return BrandId("acme") if (user, password) == ("news", b"correct horse") else None


async def ready(**config: object) -> SessionState:
    """A client that has said EHLO over TLS."""
    state = session_state(over_tls=True, trusted_networks=(), authenticator=login, **config)
    await obey(state, ehlo, b"client.example")
    return state


@pytest.mark.parametrize(
    ("argument", "then", "challenges"),
    [
        (b"PLAIN " + RIGHT, b"", []),
        (b"plain", RIGHT + b"\r\n", ["334 "]),
        (
            b"LOGIN",
            b"bmV3cw==\r\nY29ycmVjdCBob3JzZQ==\r\n",
            ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"],
        ),
    ],
    ids=["PLAIN at once", "PLAIN when asked", "LOGIN"],
)
async def test_a_right_login_gives_the_right_to_relay(
    argument: bytes, then: bytes, challenges: list[str]
) -> None:
    state = await ready()
    assert not state.may_relay()

    lines = await obey(state, auth, argument, then=then)

    assert [*challenges, str(replies.AUTHENTICATED)] == lines
    assert (BrandId("acme"), True) == (state.account, state.may_relay())


async def test_in_clear_no_password_is_heard() -> None:
    state = await ready()
    state.line.over_tls = False

    assert [str(replies.ENCRYPTION_REQUIRED)] == await obey(state, auth, b"PLAIN " + RIGHT)
    assert state.account is None


async def test_without_accounts_there_is_no_auth() -> None:
    state = session_state(over_tls=True)

    assert [str(replies.COMMAND_NOT_IMPLEMENTED)] == await obey(state, auth, b"PLAIN " + RIGHT)


async def test_hello_comes_first() -> None:
    state = session_state(over_tls=True, authenticator=login)

    assert [str(replies.HELLO_FIRST)] == await obey(state, auth, b"PLAIN " + RIGHT)


async def test_a_client_logs_in_once_and_outside_of_transactions() -> None:
    """RFC 4954 4."""
    state = await ready()
    await obey(state, auth, b"PLAIN " + RIGHT)
    assert [str(replies.AUTH_NOT_NOW)] == await obey(state, auth, b"PLAIN " + RIGHT)

    trusted = session_state(over_tls=True, authenticator=login)
    await obey(trusted, ehlo, b"client.example")
    await obey(trusted, mail, b"FROM:<a@acme.example>")
    assert [str(replies.AUTH_NOT_NOW)] == await obey(trusted, auth, b"PLAIN " + RIGHT)


@pytest.mark.parametrize(
    ("argument", "then", "reply"),
    [
        (b"", b"", replies.MECHANISM_UNKNOWN),
        (b"CRAM-MD5", b"", replies.MECHANISM_UNKNOWN),
        (b"PLAIN not base64!", b"", replies.AUTH_MALFORMED),
        (b"PLAIN =", b"", replies.AUTH_MALFORMED),
        (b"PLAIN " + WRONG, b"", replies.CREDENTIALS_INVALID),
        (b"PLAIN", b"*\r\n", replies.AUTH_CANCELLED),
        (b"LOGIN", b"bmV3cw==\r\n*\r\n", replies.AUTH_CANCELLED),
        (b"PLAIN", b"bare\n\r\n", replies.COMMAND_MALFORMED),
    ],
    ids=[
        "none",
        "unknown",
        "not base64",
        "empty",
        "wrong",
        "cancelled",
        "cancelled later",
        "no line",
    ],
)
async def test_what_is_no_login_gives_no_right(argument: bytes, then: bytes, reply: Reply) -> None:
    state = await ready()

    lines = await obey(state, auth, argument, then=then)

    assert str(reply) == lines[-1]
    assert not state.may_relay()


async def test_an_authenticator_that_fails_is_not_the_clients_fault() -> None:
    async def down(user: str, password: bytes) -> BrandId | None:
        raise StoreUnavailable("no store")

    state = session_state(over_tls=True, authenticator=down)
    await obey(state, ehlo, b"client.example")

    assert [str(replies.AUTH_UNAVAILABLE)] == await obey(state, auth, b"PLAIN " + RIGHT)
    assert 0 == state.bad_logins


async def test_the_last_of_too_many_failures_ends_the_session() -> None:
    state = await ready(limits=Limits(max_bad_logins=2))
    await obey(state, auth, b"PLAIN " + WRONG)

    with pytest.raises(Farewell) as end:
        await obey(state, auth, b"PLAIN " + WRONG)

    assert ([str(replies.CREDENTIALS_INVALID)], replies.TOO_MANY_BAD_LOGINS) == (
        said(state),
        end.value.reply,
    )


async def test_a_network_with_too_many_failures_is_put_off_though_the_login_is_right() -> None:
    state = await ready(limits=Limits(max_bad_logins_per_address=1))
    await obey(state, auth, b"PLAIN " + WRONG)

    assert [str(replies.AUTH_LATER)] == await obey(state, auth, b"PLAIN " + RIGHT)
