"""What people have at hand becomes raw messages: a file as saved, an mbox, a source view pasted
from a browser.

Nothing is repaired that a provider would see: only what saving and pasting did is undone: line
ends, a view's title lines, HTML escapes.
"""

import html
import re

_MBOX = re.compile(rb"(?m)^From [^\r\n]*\r?\n")
_VIEW_END = re.compile(rb"(?mi)^[ \t]*(?:Download original|Copy to clipboard)[ \t]*\r?\n")
_FIELD_LINE = re.compile(rb"[!-9;-~]+:")
_ESCAPED = re.compile(rb"(?mi)^(?:list-unsubscribe|message-id|from|return-path):[^\r\n]*&lt;")
_BARE = re.compile(rb"\r\n|\r|\n")
_VIEW_BYTES = 8192


def messages(content: bytes) -> tuple[bytes, ...]:
    """Return the raw messages in what was given, each with CRLF line ends; an mbox holds several,
    everything else one.
    """
    if content.startswith(b"From "):
        return tuple(map(_unquoted, filter(None, _MBOX.split(content)[1:])))
    return (_message(content),)


def _unquoted(content: bytes) -> bytes:
    """Undo the quoting of an mbox: `>From ` at the beginning of a line."""
    return _message(re.sub(rb"(?m)^>(>*From )", rb"\1", content).rstrip(b"\r\n") + b"\n")


def _message(content: bytes) -> bytes:
    content = _without_view(content.removeprefix(b"\xef\xbb\xbf")).lstrip(b"\r\n\t ")
    if _ESCAPED.search(content[:_VIEW_BYTES]):
        content = html.unescape(content.decode("utf-8", "surrogateescape")).encode(
            "utf-8", "surrogateescape"
        )
    return _BARE.sub(b"\r\n", content)


def _without_view(content: bytes) -> bytes:
    """Drop the title and the table that a source view puts above the message."""
    ends = [found.end() for found in _VIEW_END.finditer(content[:_VIEW_BYTES])]
    rest = content[ends[-1] :] if ends else content
    return rest if _FIELD_LINE.match(rest.lstrip()) else content
