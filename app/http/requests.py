"""What endpoints read of a request besides its path and query."""

from starlette.types import Receive, Scope

MAX_BODY_BYTES = 8_192
# a longer body is answered early, which curl 7.88 over HTTP/2 never understands
MAX_DRAINED_BYTES = 16 * 1024 * 1024


async def read_body(receive: Receive, *, keep: int = MAX_BODY_BYTES) -> bytes | None:
    """Return the first `keep` bytes of the body once all of it has come, or MAX_DRAINED_BYTES of
    it; None when the client went away.
    """
    kept, seen = b"", 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body = message["body"]
        if body and len(kept) < keep:
            kept = (kept + body)[:keep]
        seen += len(body)
        if not message["more_body"] or seen > MAX_DRAINED_BYTES:
            return kept


def accept_language(scope: Scope) -> str:
    """Return the Accept-Language field, empty when there is none."""
    return next(
        (value.decode("latin-1") for name, value in scope["headers"] if name == b"accept-language"),
        "",
    )
