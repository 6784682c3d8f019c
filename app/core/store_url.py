"""The address of the store, read by name: what is not known in it is refused with the name that was
probably meant.

    redis://[USER:PASSWORD@]HOST[:PORT][/DB]              one server, or a primary behind one
                                                          name; rediss:// with TLS
    redis+cluster://HOST:PORT[,HOST:PORT…]                any nodes of a cluster;
                                                          rediss+cluster:// with TLS
    redis+sentinel://HOST:PORT[,HOST:PORT…]/SERVICE[/DB]  the primary that these sentinels
                                                          name; rediss+sentinel:// with TLS
    unix://[USER:PASSWORD@]/PATH[?db=DB]                  a socket of this machine

Parameters follow `?`, by redis-py's own names. User and password are those of the servers;
sentinels have `sentinel_username` and `sentinel_password`. User, password and values are
percent-encoded where they hold special characters (RFC 3986 2.1).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import SplitResult, parse_qsl, unquote


class StoreKind(StrEnum):
    """What the address leads to."""

    SERVER = "server"
    SOCKET = "socket"
    CLUSTER = "cluster"
    SENTINEL = "sentinel"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAddress:
    """A store's address. `options` go to every connection by the names that redis-py has for
    them.
    """

    kind: StoreKind
    tls: bool = False
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    service: str = ""
    db: int = 0
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    sentinel_options: Mapping[str, str] = field(default_factory=dict)


SCHEMES: Mapping[str, tuple[StoreKind, bool]] = MappingProxyType({
    "redis": (StoreKind.SERVER, False),
    "rediss": (StoreKind.SERVER, True),
    "redis+cluster": (StoreKind.CLUSTER, False),
    "rediss+cluster": (StoreKind.CLUSTER, True),
    "redis+sentinel": (StoreKind.SENTINEL, False),
    "rediss+sentinel": (StoreKind.SENTINEL, True),
    "unix": (StoreKind.SOCKET, False),
})  # fmt: skip
FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")

_URL = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL
)
_PORT, _SENTINEL_PORT, _MOST_PORT = 6379, 26379, 65_535
_CERT_REQS = frozenset({"required", "optional", "none"})
_VERSIONS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_ANY = ("client_name", "username", "password", "db")
_TLS = (
    *FILES,
    "ssl_ca_path",
    "ssl_password",
    "ssl_cert_reqs",
    "ssl_check_hostname",
    "ssl_min_version",
    "ssl_ciphers",
)
_SENTINELS = ("sentinel_username", "sentinel_password")
_OURS = frozenset({
    "decode_responses", "health_check_interval", "max_connections", "protocol", "retry_on_error",
    "retry_on_timeout", "socket_connect_timeout", "socket_keepalive", "socket_read_size",
    "socket_timeout", "timeout",
})  # fmt: skip


def parse_store_url(text: str) -> StoreAddress:
    """Return what an address says. ValueError tells what is wrong, and what to write; never user or
    password.
    """
    url = _split(text)
    if url.scheme not in SCHEMES:
        raise ValueError(f"the scheme must be one of {', '.join(sorted(SCHEMES))}")
    if url.fragment or "#" in text:
        raise ValueError("write '#' in a user, password or value as %23")
    kind, tls = SCHEMES[url.scheme]
    parameters = _parameters(url.query, kind, tls=tls)
    options = {
        **_account(url),
        **{
            name: _value(name, value)
            for name, value in parameters.items()
            if name not in (*_SENTINELS, "db")
        },
    }
    service, db = _path(url, kind, parameters.get("db"))
    return StoreAddress(
        kind=kind,
        tls=tls,
        hosts=() if kind is StoreKind.SOCKET else _hosts(url, kind),
        path=unquote(url.path) if kind is StoreKind.SOCKET else "",
        service=service,
        db=db,
        options=MappingProxyType(options),
        sentinel_options=MappingProxyType(
            {
                name.removeprefix("sentinel_"): parameters[name]
                for name in _SENTINELS
                if name in parameters
            }
        ),
    )


def _parameters(query: str, kind: StoreKind, *, tls: bool) -> dict[str, str]:
    known = [*_ANY, *(_TLS if tls else ()), *(_SENTINELS if kind is StoreKind.SENTINEL else ())]
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in found:
            raise ValueError(f"parameter {name} stands there twice")
        if name not in known:
            raise ValueError(_unknown(name, known))
        if not value:
            raise ValueError(f"parameter {name} is empty")
        found[name] = value
    if tls and ("ssl_keyfile" in found) and "ssl_certfile" not in found:
        raise ValueError("ssl_keyfile needs ssl_certfile: the key belongs to that certificate")
    return found


def _unknown(name: str, known: list[str]) -> str:
    if name in _TLS:
        return f"parameter {name} needs TLS: begin with rediss instead of redis"
    if name in _OURS:
        return (
            f"parameter {name} cannot be set: Signoff decides it, so that no click waits for a"
            " store that hangs"
        )
    if meant := get_close_matches(name, [*known, *_TLS], n=1):
        return f"there is no parameter {name}; did you mean {meant[0]}?"
    return f"there is no parameter {name}; known are {', '.join(sorted(known))}"


def _value(name: str, value: str) -> str | int | bool:
    if name == "ssl_check_hostname":
        if value.lower() not in _FLAGS:
            raise ValueError(f"{name} must be true or false")
        return _FLAGS[value.lower()]
    if name == "ssl_min_version":
        if value not in _VERSIONS:
            raise ValueError(f"{name} must be one of {', '.join(_VERSIONS)}")
        return _VERSIONS[value]
    if name == "ssl_cert_reqs" and value not in _CERT_REQS:
        raise ValueError(f"{name} must be one of {', '.join(sorted(_CERT_REQS))}")
    return value


def _split(text: str) -> SplitResult:
    # By RFC 3986 appendix B: newer Pythons' urlsplit refuses several hosts of which one stands in
    # brackets.
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError(
            f"this is no URL: the scheme must be one of {', '.join(sorted(SCHEMES))}, then :// and"
            " a host"
        )
    return SplitResult(found[1].lower(), *(part or "" for part in found.groups()[1:]))


def _account(url: SplitResult) -> dict[str, str]:
    user, _, password = url.netloc.rpartition("@")[0].partition(":")
    given = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in given.items() if value}


def _hosts(url: SplitResult, kind: StoreKind) -> tuple[tuple[str, int], ...]:
    places = url.netloc.rpartition("@")[2] or ("localhost" if kind is StoreKind.SERVER else "")
    hosts = tuple(
        _host(text.strip(), _SENTINEL_PORT if kind is StoreKind.SENTINEL else _PORT)
        for text in places.split(",")
    )
    if len(hosts) > 1 and kind is StoreKind.SERVER:
        raise ValueError("several hosts need redis+cluster:// or redis+sentinel://")
    return hosts


def _host(text: str, usual: int) -> tuple[str, int]:
    host, port = text, ""
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        host = host if closed else ""
        port = port.removeprefix(":")
    elif ":" in text:
        host, _, port = text.rpartition(":")
    if (
        not host
        or not host.isprintable()
        or " " in host
        or (":" in host and not text.startswith("["))
    ):
        raise ValueError("write each host as HOST:PORT, or [ADDRESS]:PORT for IPv6")
    if port and not (port.isascii() and port.isdecimal() and 0 < int(port) <= _MOST_PORT):
        raise ValueError(f"the port of {host} must be a number from 1 to {_MOST_PORT}")
    return unquote(host), int(port or usual)


def _path(url: SplitResult, kind: StoreKind, parameter: str | None) -> tuple[str, int]:
    """Return the service of sentinels and the number of the database."""
    if kind is StoreKind.SOCKET:
        if not url.path or url.path == "/":
            raise ValueError("write the path of the socket: unix:///run/valkey/valkey.sock")
        return "", _db(parameter)
    parts = [unquote(part) for part in url.path.split("/")[1:]]
    while parts and not parts[-1]:
        parts.pop()
    service = ""
    if kind is StoreKind.SENTINEL:
        if not parts:
            raise ValueError(
                "name the service that the sentinels watch:"
                " redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/0"
            )
        service = parts.pop(0)
    if len(parts) > 1 or (parts and parameter is not None):
        raise ValueError(
            "the number of the database stands there more than once"
            if parameter
            else "the path has too many parts"
        )
    db = _db(parts[0] if parts else parameter)
    if db and kind is StoreKind.CLUSTER:
        raise ValueError("a cluster has database 0 only")
    return service, db


def _db(text: str | None) -> int:
    if text and not (text.isascii() and text.isdecimal()):
        raise ValueError("the database must be a number, such as /0")
    return int(text or 0)
