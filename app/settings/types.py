"""The checked kinds of values that settings are made of. Each raises ValueError with a sentence
that tells the operator what to write.
"""

import ipaddress
import json
import re
import stat
import urllib.parse
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from app.core.address import ascii_domain
from app.core.errors import AddressInvalid

MAX_PORT = 65_535
MIB = 1024 * 1024


class Section(BaseModel):
    """A table of settings: nothing unknown in it, and nothing changed after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def split_address(text: str) -> tuple[str, int]:
    """Return host and port of `host:port` or `[v6]:port`; port 0 lets the system choose. Raises
    ValueError.
    """
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) <= MAX_PORT):
        raise ValueError("write it as host:port, such as 127.0.0.1:8080 or [::1]:8080")
    return host.strip("[]"), int(port)


def _listen(text: str) -> str:
    split_address(text)
    return text


def _domain(text: str) -> str:
    try:
        return ascii_domain(text.strip())
    except AddressInvalid as exc:
        raise ValueError(str(exc)) from exc


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text.strip(), strict=False))


def problem_of_file(path: Path) -> str:
    """Return why there is no such file for this process, or empty. What is in it is not looked
    at.
    """
    try:
        return "" if stat.S_ISREG(path.stat().st_mode) else f"not a file: {path}"
    except PermissionError:
        return f"cannot be looked at: {path}: permission denied"
    except (OSError, ValueError):
        return f"no such file: {path}"


def problem_of_key_file(path: Path) -> str:
    """Return why there is no such DKIM key for this process and how to make one, or empty."""
    problem = problem_of_file(path)
    return f"{problem} (make one with `signoff keys dkim {path}`)" if problem else ""


def _existing_file(path: Path) -> Path:
    if problem := problem_of_file(path):
        raise ValueError(problem)
    return path


def _listed(value: object) -> object:
    """Accept a list also as one comma-separated or JSON string, which is how it stands in the
    environment.
    """
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def _public_url(text: str) -> str:
    url = urllib.parse.urlsplit(text.strip())
    if url.scheme not in ("https", "http") or not url.hostname:
        raise ValueError("write an absolute URL, such as https://unsubscribe.example.com")
    if url.query or url.fragment or url.username or url.password:
        raise ValueError(
            "a URL without query, fragment or user is needed: the token is added to it"
        )
    if not set(url.path) <= _PATH_ALPHABET:
        raise ValueError("the path may hold letters, digits, '-', '.', '_', '~' and '/' only")
    try:
        host = url.hostname if ":" in url.hostname else ascii_domain(url.hostname)
        port = "" if url.port is None else f":{url.port}"
    except AddressInvalid as exc:
        raise ValueError(str(exc)) from exc
    literal = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{literal}{port}{url.path.rstrip('/')}"


def _page_url(text: str) -> str:
    url = urllib.parse.urlsplit(text.strip())
    if not text:
        return ""
    if url.scheme not in ("https", "http") or not url.hostname:
        raise ValueError("write an absolute URL, such as https://www.example.com/preferences.html")
    if url.query or url.fragment or "?" in text or "#" in text or url.username or url.password:
        raise ValueError(
            "a URL without query, fragment or user is needed: the recipient's token is added to it"
        )
    if not (text.strip().isascii() and text.strip().isprintable()) or not set(text).isdisjoint(
        ' <>"\\^`{|}'
    ):
        raise ValueError(
            "a URL holds no blanks and no such characters; write them percent-encoded (RFC 3986 2)"
        )
    return text.strip()


def _colour(text: str) -> str:
    if text and not re.fullmatch(r"#[0-9A-Fa-f]{6}", text):
        raise ValueError("write it as #rrggbb, such as #1f4fd1")
    return text.lower()


_PATH_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")

Listen = Annotated[str, AfterValidator(_listen)]
Domain = Annotated[str, AfterValidator(_domain)]
ExistingFile = Annotated[Path, AfterValidator(_existing_file)]
Network = Annotated[str, AfterValidator(_network)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
PageUrl = Annotated[str, AfterValidator(_page_url)]
Colour = Annotated[str, AfterValidator(_colour)]
Listed = BeforeValidator(_listed)
