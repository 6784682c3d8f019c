"""An answer that goes out piece by piece, since it is longer than memory should be."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from app.core.errors import SignoffError
from app.http.answers import PRIVATE
from app.observe.log import LogEvent, logger


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAnswer:
    """A list of any length. `first` is there already, so a store that is away is still told by the
    status.

    One that goes away later can only be told by breaking off: the body's end is not sent, so no
    client takes half a list for a whole.
    """

    media_type: str
    name: str  # of the file
    first: bytes
    rest: AsyncIterator[bytes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer; only its head to a HEAD."""
        headers = [
            (b"content-type", self.media_type.encode("ascii")),
            (b"content-disposition", f'attachment; filename="{self.name}"'.encode("ascii")),
            *PRIVATE,
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        try:
            await send({"type": "http.response.body", "body": self.first, "more_body": True})
            async for piece in self.rest:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except SignoffError as exc:
            logger("web").error(LogEvent.EXPORT_BROKE_OFF, reason=f"{exc.code}: {exc}")
            return
        await send({"type": "http.response.body", "body": b""})
