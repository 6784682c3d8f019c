"""Foreign text, made safe to show: in a reply, a log line, a terminal."""

import json
import unicodedata

MOST_CHARS = 80

_BREAKING = frozenset(("Cc", "Cs", "Zl", "Zp"))
# Unicode categories: nothing of these has a shape of its own
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def is_one_line(text: str) -> bool:
    """Say whether a text has no control character, line end or half a character in it, which would
    be read as something else elsewhere.
    """
    return not any(unicodedata.category(char) in _BREAKING for char in text)


def visible(text: str, *, most: int = MOST_CHARS) -> str:
    """Return the text with every control, format and direction character written as an escape, cut
    at `most` characters.
    """
    shown = "".join(
        _escaped(char) if unicodedata.category(char) in _HIDDEN else char
        for char in text[: most + 1]
    )
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def visible_json(text: str) -> str:
    """Return JSON with the same characters as escapes of JSON; its line ends stay."""
    return "".join(
        json.dumps(char)[1:-1] if char != "\n" and unicodedata.category(char) in _HIDDEN else char
        for char in text
    )


def plain(text: str, *, most: int = MOST_CHARS) -> str:
    """Return the text as `visible` does, in printable ASCII, as an SMTP reply needs it: everything
    else is an escape.
    """
    shown = "".join(char if " " <= char <= "~" else _escaped(char) for char in text[: most + 1])
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def _escaped(char: str) -> str:
    return ascii(char)[1:-1]
