"""Reads what `LZString.compressToBase64` wrote: the form in which CleverTap's Web SDK sends its
data.

The text is a stream of codes in the bits of Base64, each with its lowest bit first. Codes are three
bits wide, and one more whenever their table is full: 0 and 1 bring a new UTF-16 unit of 8 or 16
bits, 2 ends the text, every other one is an entry of the table, which both sides build as they go
(LZ78). Anybody may send such a text: no more than `most_units` come out of it, and so the table is
no larger either.
"""

_BITS = {
    char: f"{value:06b}"
    for value, char in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
}
_END = 2
_UNIT_BITS = {0: 8, 1: 16}


def decompress_base64(text: str, *, most_units: int) -> str:
    """Return the text, of at most this many UTF-16 units. Raises ValueError for everything that no
    encoder writes.
    """
    codes = _Codes(text)
    parts: list[str] = []
    room = most_units
    table: list[str] = ["", "", ""]  # the first three codes stand for no entry
    before = ""
    while (code := codes.next()) != _END:
        if code in _UNIT_BITS:
            entry = chr(codes.number(_UNIT_BITS[code]))
            table.append(entry)
            codes.count()
        elif code < len(table):
            entry = table[code]
        elif code == len(table) and before:
            entry = before + before[0]  # the entry that this very code makes
        else:
            raise ValueError("a code that stands for nothing")
        room -= len(entry)
        if room < 0:
            raise ValueError("more text than is allowed")
        parts.append(entry)
        if before:
            table.append(before + entry[0])
            codes.count()
        before = entry
    return "".join(parts).encode("utf-16-le", "surrogatepass").decode("utf-16-le")


class _Codes:
    """The codes of a stream; their width follows from the number of entries."""

    def __init__(self, text: str) -> None:
        try:
            self._bits = "".join([_BITS[char] for char in text.rstrip("=")])
        except KeyError as exc:
            raise ValueError("not Base64") from exc
        self._at = 0
        self._width = 2
        self._left = 1  # entries until the width grows

    def next(self) -> int:
        """Return the next code."""
        return self.number(self._width)

    def number(self, width: int) -> int:
        """Return the next number of this many bits."""
        bits = self._bits[self._at : self._at + width]
        if len(bits) < width:
            raise ValueError("the text ends early")
        self._at += width
        return int(bits[::-1], 2)

    def count(self) -> None:
        """Take note of one more entry."""
        self._left -= 1
        if not self._left:
            self._left = 1 << self._width
            self._width += 1
