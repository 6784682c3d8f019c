"""The content of one message while it arrives after DATA.

Serves RFC 5321 4.1.1.4 and 4.5.2, RFC 1870 and catalogue S1, S7, S8. The rules:

1. Only CR LF . CR LF ends the content. The first CR LF may be the one that ended the DATA command.
2. Each octet is looked at once, when it arrives: the work after the last octet does not grow with
   the message.
3. The message is never copied: it grows in the buffer that received it, and dots are unstuffed in
   the piece that has just come.
4. A message that will be refused is not kept: its memory is free for others while the rest is read
   and dropped.
5. Where a listener wants only the beginning of a message (`max_kept`), the rest counts, and is
   dropped as it comes.
"""

from dataclasses import dataclass
from io import IncrementalNewlineDecoder
from typing import Literal

from smtp_proxy.replies import (
    CONTENT_MALFORMED,
    LINE_TOO_LONG,
    MESSAGE_TOO_LARGE,
    OUT_OF_MEMORY,
    Reply,
)
from smtp_proxy.session.memory import Reservation

LineEndings = Literal["reject", "normalise"]
LongLines = Literal["accept", "reject"]

MAX_LINE = 998  # RFC 5322 2.1.1, without CR LF
_END = b"\r\n.\r\n"
_CR = 13
_AFTER_END = len(b".\r\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentRules:
    """What content is acceptable. `max_bytes` counts the octets of RFC 1870: with CR LF, without
    stuffed dots and end mark.

    Of these the first `max_kept` are kept; 0: all.
    """

    max_bytes: int
    max_kept: int = 0
    line_endings: LineEndings = "reject"
    long_lines: LongLines = "accept"

    def kept(self, octets: int) -> int:
        """Return how many octets of a message of this size are kept."""
        return min(octets, self.max_kept) if self.max_kept else octets


class Content:
    """The content that grows at the head of `buffer`, which the caller appends to and nobody else
    touches.
    """

    __slots__ = (
        "_buffer",
        "_checked",
        "_line_start",
        "_memory",
        "_most",
        "_rules",
        "refusal",
        "size",
    )

    def __init__(self, buffer: bytearray, rules: ContentRules, memory: Reservation) -> None:
        buffer[:0] = b"\r\n"  # rule 1: an empty message is just `.` CR LF
        self._buffer = buffer
        self._rules = rules
        self._memory = memory
        self._checked = 0  # everything before is final
        self._line_start = 0
        # what the first rule has put in front counts too
        self._most = rules.max_kept + len(b"\r\n")
        self.size = -len(b"\r\n")
        self.refusal: Reply | None = None

    def advance(self) -> bool:
        """Look at what has come since the last call, and say whether the content is complete."""
        buffer = self._buffer
        dot = buffer.find(b"\r\n.", self._checked)
        end = buffer.find(_END, dot) if dot >= 0 else -1
        if end > 0 and buffer[end - 1] == _CR:
            # CR CR LF . CR LF: some see the end here and some do not, so no setting lets it pass
            self.refusal = CONTENT_MALFORMED
        limit = end + 2 if end >= 0 else len(buffer) - _undecided(buffer)
        if limit > self._checked:
            self._check(limit, stuffed=0 <= dot < limit - 2)
        return end >= 0

    def finish(self) -> tuple[bytearray, bytearray]:
        """Return the complete content, and what the client sent after its end. The content is the
        buffer itself.
        """
        rest = self._buffer[self._checked + _AFTER_END :]
        del self._buffer[self._checked :]
        del self._buffer[:2]
        return self._buffer, rest

    def _check(self, limit: int, *, stuffed: bool) -> None:
        """Unstuff, measure and judge the octets up to `limit`."""
        if self.refusal is None:
            limit = self._put_right(limit, stuffed=stuffed)
        self.size += limit - self._checked
        if self.size > self._rules.max_bytes:
            self.refusal = MESSAGE_TOO_LARGE
        elif self.refusal is None:
            self._judge(limit)
        if self.refusal is None:
            self._checked = self._cut(limit)
        else:
            self._memory.release()
            del self._buffer[:limit]
            self._checked = 0

    def _put_right(self, limit: int, *, stuffed: bool) -> int:
        """Unstuff, and deal with unlawful line ends. Return where the octets end now."""
        piece = self._buffer[self._checked : limit]
        if stuffed:
            piece = piece.replace(b"\r\n.", b"\r\n")
        if not _lawful(piece):
            if self._rules.line_endings == "reject":
                self.refusal = CONTENT_MALFORMED
                return limit
            piece = (
                piece.replace(b"\0", b"")
                .replace(b"\r\n", b"\n")
                .replace(b"\r", b"\n")
                .replace(b"\n", b"\r\n")
            )
        elif not stuffed:
            return limit
        self._buffer[self._checked : limit] = piece
        return self._checked + len(piece)

    def _judge(self, limit: int) -> None:
        if not self._memory.cover(self._rules.kept(self.size)):
            self.refusal = OUT_OF_MEMORY
        elif self._rules.long_lines == "reject" and self._holds_long_line(limit):
            self.refusal = LINE_TOO_LONG

    def _cut(self, limit: int) -> int:
        """Drop what is not kept of the octets up to `limit`, and return where they end now."""
        if not self._rules.max_kept or limit <= self._most:
            return limit
        if self._buffer[self._most - 1] == _CR:
            self._most -= 1  # else it would seem to stand before the end mark
        del self._buffer[self._most : limit]
        return self._most

    def _holds_long_line(self, limit: int) -> bool:
        """Leap from line end to line end, over as many short lines at once as fit into one long
        one.
        """
        longest = MAX_LINE + len(b"\r\n")
        while (
            line_end := self._buffer.rfind(
                b"\n", self._line_start, min(self._line_start + longest, limit)
            )
        ) >= 0:
            self._line_start = line_end + 1
        return limit - self._line_start >= longest


def _undecided(buffer: bytearray) -> int:
    """Return how many octets at the end may be the beginning of the end mark, so that only the next
    octets tell what they are.

    A CR before them waits with them: whether it stood before the end mark must not depend on how
    the octets were cut into packets.
    """
    for length in (4, 3, 2, 1):
        if buffer.endswith(_END[:length]):
            return length + 1 if length < len(buffer) and buffer[-length - 1] == _CR else length
    return 0


def _lawful(piece: bytearray) -> bool:
    """Say whether every CR and LF stands in a CR LF and no NUL is there.

    The newline decoder notes in one pass which kinds of line ends it saw: a quarter of the time of
    counting CR, LF and CR LF, and a message of 10 KB costs 6 microseconds. A piece never ends
    between CR and LF.
    """
    kinds = IncrementalNewlineDecoder(None, translate=False)
    kinds.decode(piece.decode("latin-1"), final=True)
    return kinds.newlines in (None, "\r\n") and b"\0" not in piece
