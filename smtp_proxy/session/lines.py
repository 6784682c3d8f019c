"""What a client has sent and we have not read yet, and the command lines in it.

Serves RFC 5321 2.3.8: only CR LF ends a line (catalogue S2).
"""

from smtp_proxy.replies import COMMAND_MALFORMED, COMMAND_TOO_LONG, Reply

MAX_LINE = 2048  # RFC 5321 4.5.3.1.4 asks for 512 and room for the parameters of extensions


class Lines:
    """The unread octets. Whoever takes the buffer away for a message gives another one."""

    __slots__ = ("_overlong", "buffer")

    def __init__(self) -> None:
        self.buffer = bytearray()
        self._overlong = False

    def take(self) -> bytes | Reply | None:
        """Take one line and return it without its end, or the reply to what cannot be a line; None:
        it is not complete.
        """
        buffer = self.buffer
        end = buffer.find(b"\n")
        if end < 0:
            if len(buffer) > MAX_LINE:
                self._overlong = True
                del buffer[:-1]  # the last may be a CR
            return None
        if end == 0 or buffer[end - 1] != ord("\r"):
            return self._take_bad(end)
        line = bytes(buffer[: end - 1])
        del buffer[: end + 1]
        overlong, self._overlong = self._overlong or len(line) > MAX_LINE, False
        if overlong:
            return COMMAND_TOO_LONG
        return COMMAND_MALFORMED if b"\r" in line or b"\0" in line else line

    def _take_bad(self, end: int) -> Reply:
        """Take a line with a bare LF: it ends nothing, so what stands behind it is of the same bad
        line. Do not wait for its rest.
        """
        next_end = self.buffer.find(b"\r\n", end)
        del self.buffer[: next_end + 2 if next_end >= 0 else len(self.buffer)]
        self._overlong = False
        return COMMAND_MALFORMED
