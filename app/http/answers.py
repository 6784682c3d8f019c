"""Answers as they leave the web process: finished bytes with the fields that every public answer
carries.

An `Answer` is itself an ASGI application, so a bare endpoint sends it and Starlette's exception
handlers return it. None of them ever has a Location or a Set-Cookie (RFC 8058 3.1 and 3.2,
catalogue E5, E6), but for those of the operator's page, which is not public.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

# The URL of a page is the right to act, so it must not be stored, indexed, framed or passed on
# (catalogue E16).
PRIVATE = (
    (b"cache-control", b"no-store"),
    (b"x-robots-tag", b"noindex, nofollow"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
_NOTHING_LOADS = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer with its body."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


def answer(status: int, media_type: str, body: bytes, *, csp: str = "", **fields: str) -> Answer:
    """Return an answer with the private fields; `fields` are further ones, `_` standing for `-`."""
    policy = (b"content-security-policy", csp.encode("ascii")) if csp else _NOTHING_LOADS
    further = tuple(
        (name.replace("_", "-").lower().encode("ascii"), value.encode("latin-1"))
        for name, value in fields.items()
    )
    length = (b"content-length", str(len(body)).encode("ascii"))
    return Answer(
        status=status,
        headers=((b"content-type", media_type.encode("ascii")), length, *PRIVATE, policy, *further),
        body=body,
    )


def text(status: int, body: str, **fields: str) -> Answer:
    """Return a short plain answer."""
    return answer(status, "text/plain; charset=utf-8", f"{body}\n".encode(), **fields)


def document(
    status: int,
    content: Mapping[str, object],
    *,
    media_type: str = "application/json",
    **fields: str,
) -> Answer:
    """Return a JSON answer."""
    return answer(
        status,
        media_type,
        json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(),
        **fields,
    )
