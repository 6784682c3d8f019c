"""What a page's script packs, packed here: the encoder of `app.core.lz_string`, as simple as it can
be.
"""

import base64
import json


def packed(value: object) -> str:
    """Return a value as JSON, compressed, in Base64."""
    return compress_base64(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def compress_base64(text: str) -> str:
    """Return a text compressed, in Base64 of whole 16-bit units, as the Web SDK sends it."""
    raw = text.encode("utf-16-le", "surrogatepass")
    units = [chr(int.from_bytes(raw[at : at + 2], "little")) for at in range(0, len(raw), 2)]
    bits = "".join(_codes(units))
    bits += "0" * (16 - len(bits) % 16)
    return base64.b64encode(int(bits, 2).to_bytes(len(bits) // 8, "big")).decode()


def _codes(units: list[str]) -> list[str]:
    """Return the codes of the longest phrases known so far, each with its lowest bit first."""
    table: dict[str, int] = {}
    fresh: set[str] = set()
    written: list[str] = []
    width, left = 2, 2

    def write(number: int, bits: int) -> None:
        written.append(f"{number:0{bits}b}"[::-1])

    def count() -> None:
        nonlocal width, left
        left -= 1
        if not left:
            left = 1 << width
            width += 1

    def phrase(words: str) -> None:
        if words in fresh:
            fresh.discard(words)
            is_long = ord(words) > 255
            write(int(is_long), width)
            write(ord(words), 16 if is_long else 8)
            count()
        else:
            write(table[words], width)
        count()

    words = ""
    for unit in units:
        if unit not in table:
            table[unit] = len(table) + 3
            fresh.add(unit)
        if words + unit in table:
            words += unit
            continue
        phrase(words)
        table[words + unit] = len(table) + 3
        words = unit
    if words:
        phrase(words)
    write(2, width)
    return written
