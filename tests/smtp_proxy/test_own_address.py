"""A downstream that is the relay itself is refused before anything starts, under whatever name it
is written.
"""

import socket

import pytest

from app.core.errors import Misconfigured
from app.settings.relay import RelaySettings
from app.wiring.own_address import refuse_own_address


def relay(downstream: str, **settings: object) -> RelaySettings:
    return RelaySettings(downstream=downstream, **settings)  # type: ignore[arg-type] # the tests name fields of the settings


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]"])
@pytest.mark.parametrize(
    ("key", "port"), [("listen", 2525), ("tls_listen", 4650), ("lmtp_listen", 2424)]
)
def test_every_listener_of_the_relay_is_known_by_every_name(key: str, port: int, host: str) -> None:
    """Catalogue C6, X8."""
    settings = relay(f"smtp://{host}:{port}").model_copy(update={key: f"127.0.0.1:{port}"})

    with pytest.raises(Misconfigured, match=rf"is the relay itself \(relay\.{key}\)"):
        refuse_own_address(settings)


@pytest.mark.parametrize(
    ("listen", "host"),
    [("0.0.0.0:2525", "127.0.0.7"), ("0.0.0.0:2525", "localhost"), ("[::]:2525", "[::1]")],
)
def test_a_listener_on_all_addresses_is_reached_under_each_of_this_machine(
    listen: str, host: str
) -> None:
    """Catalogue C6."""
    with pytest.raises(Misconfigured, match="is the relay itself"):
        refuse_own_address(relay(f"smtp://{host}:2525", listen=listen))


def test_the_machines_own_address_is_found_without_being_listed() -> None:
    """Catalogue C6: an address that no setting names, as long as the machine has one."""
    own = {
        str(found[4][0]) for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    } | {"127.0.0.9"}

    for address in own:
        with pytest.raises(Misconfigured, match="is the relay itself"):
            refuse_own_address(relay(f"smtp://{address}:2525", listen="0.0.0.0:2525"))


@pytest.mark.parametrize(
    ("listen", "downstream"),
    [
        ("127.0.0.1:2525", "smtp://127.0.0.1:2526"),
        ("127.0.0.1:2525", "smtp://127.0.0.2:2525"),
        ("0.0.0.0:2525", "smtp://192.0.2.1:2525"),
        ("127.0.0.1:2525", "smtp://nowhere.invalid:2525"),
        ("127.0.0.1:25", "smtps://127.0.0.1"),
    ],
)
def test_another_server_is_no_loop(listen: str, downstream: str) -> None:
    """Catalogue C6."""
    refuse_own_address(relay(downstream, listen=listen))
