"""Where finished copies go: the downstream's URL with its TLS policy and credentials, checked
before anything starts (catalogue C4).

`smtp://host:port?tls=none|may|require`, `smtps://host:port` (TLS from the first byte, RFC 8314) and
`lmtp://host:port` (RFC 2033). Credentials come from a secret, never from the URL, and they harden
the policy: a password leaves only over a verified TLS connection.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import SplitResult, parse_qsl, urlsplit

from app.core.errors import Misconfigured

KEY = "relay.downstream"


class Scheme(StrEnum):
    """The protocol spoken to the downstream."""

    SMTP = "smtp"
    SMTPS = "smtps"
    LMTP = "lmtp"


class Tls(StrEnum):
    """How much TLS a connection must have. `MAY` encrypts when it can and verifies nobody (RFC
    7435); `REQUIRE` verifies the host name.
    """

    NONE = "none"
    MAY = "may"
    REQUIRE = "require"


_DEFAULT_PORTS = {Scheme.SMTP: 25, Scheme.SMTPS: 465, Scheme.LMTP: 24}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the relay authenticates with (RFC 4954)."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One smarthost; there is no MX lookup (catalogue C6)."""

    scheme: Scheme
    host: str  # a name, or an IP address without brackets
    port: int
    tls: Tls
    credentials: Credentials | None = None

    @classmethod
    def parse(cls, url: str, *, user: str | None = None, password: str | None = None) -> "Target":
        """Return the target that a URL and its credentials name; raise Misconfigured with every
        problem at once.
        """
        problems: list[str] = []
        parts = _split(url, problems)
        scheme = _scheme(parts, problems)
        port = _port(parts, scheme, problems)
        host = _host(parts, problems)
        credentials = _credentials(user, password, problems)
        tls = _tls(parts, scheme, credentials, problems)
        if problems:
            raise Misconfigured(problems)
        return cls(scheme=scheme, host=host, port=port, tls=tls, credentials=credentials)


def _split(url: str, problems: list[str]) -> SplitResult:
    # urlsplit drops control characters in silence, so a URL that holds any is refused before
    if any(char <= " " or char == "\x7f" for char in url):
        problems.append(f"{KEY}: white space or a control character in the URL")
    try:
        parts = urlsplit(url)
    except ValueError:
        problems.append(f"{KEY}: not a URL such as smtp://mail.example.com:25")
        return urlsplit("smtp://unusable")
    if parts.username is not None or parts.password is not None:
        problems.append(f"{KEY}: credentials belong in a secret, not in the URL")
    if parts.path not in {"", "/"} or parts.fragment:
        problems.append(f"{KEY}: nothing but a query may follow the port")
    return parts


def _scheme(parts: SplitResult, problems: list[str]) -> Scheme:
    try:
        return Scheme(parts.scheme)
    except ValueError:
        problems.append(f"{KEY}: the scheme must be one of {', '.join(Scheme)}")
        return Scheme.SMTP


def _host(parts: SplitResult, problems: list[str]) -> str:
    if not parts.hostname:
        problems.append(f"{KEY}: the host is missing")
    return parts.hostname or ""


def _port(parts: SplitResult, scheme: Scheme, problems: list[str]) -> int:
    default = _DEFAULT_PORTS[scheme]
    try:
        port = default if parts.port is None else parts.port
    except ValueError:
        port = 0
    if port == 0:
        problems.append(f"{KEY}: the port must be a number from 1 to 65535")
    return port


def _credentials(user: str | None, password: str | None, problems: list[str]) -> Credentials | None:
    if not user and not password:
        return None
    if not user or not password:
        problems.append(f"{KEY}: a user needs a password, and a password a user")
        return None
    if "\0" in user + password:
        problems.append(f"{KEY}: a NUL in the credentials")  # RFC 4616: NUL separates the fields
    return Credentials(user=user, password=password)


def _tls(
    parts: SplitResult, scheme: Scheme, credentials: Credentials | None, problems: list[str]
) -> Tls:
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    stated = query.pop("tls", None)
    problems.extend(f"{KEY}: unknown parameter {name!r}" for name in query)
    if stated is not None and stated not in set(Tls):
        problems.append(f"{KEY}: tls must be one of {', '.join(Tls)}")
        return Tls.REQUIRE
    if scheme is Scheme.SMTPS:
        if stated not in {None, Tls.REQUIRE}:
            problems.append(f"{KEY}: smtps always has TLS, so tls={stated} cannot be")
        return Tls.REQUIRE
    if credentials is None:
        return Tls(stated or Tls.MAY)
    if stated == Tls.NONE:
        problems.append(f"{KEY}: credentials are never sent without TLS, so tls=none cannot be")
    return Tls.REQUIRE  # a password for whoever answers would be as good as clear text
