"""Personal bodies: which texts of a message hold placeholders, and the body that one recipient
gets.

1. `plan_body` is done once a message and returns None for most: then the body is shared by all
   copies, and so is its hash (catalogue D17).
2. Every byte outside a line or base64 text with a placeholder stays as it came (H9).
3. Never touched: what is signed or encrypted, in MIME or by PGP in the text; attachments; other
   messages inside; and the whole body of a mail whose DKIM-Signature says with `l=` how much of it
   it covers (X10). A placeholder in there stays as it is.
4. A placeholder that stands in a normal text and cannot be replaced is refused, and so is one that
   can be seen where the MIME structure cannot be read in one way: it is never sent as it is (X11).
"""

import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.core.errors import PlaceholderUnusable
from app.core.mail import base64_code, quoted_printable
from app.core.mail.existing_fields import DKIM_SIGNATURE
from app.core.mail.inbound_text import subject_readings
from app.core.mail.macros import Hit, Placeholder, likely
from app.core.mail.macros_charset import ASCII, find_in_charset
from app.core.mail.macros_context import in_context
from app.core.mail.macros_text import Base64Text, FillableText, IdentityText, QuotedText, Urls, cut
from app.core.mail.message import Field, Message
from app.core.mail.mime import IDENTITY_ENCODINGS, TextPart, text_parts

MAX_PLACEHOLDERS = 1000  # of one message: each becomes a hundred octets or more in every copy
MAX_LINE_OCTETS = 998  # RFC 5322 2.1.1, without the CRLF

_MOST_OCTETS_A_CHARACTER = 13  # UTF-32 in quoted-printable, with soft breaks
_BASE64_LINE_CHARS = 76
# nobody's format is shorter, and a large text would become a million lines
_SHORTEST_BASE64_LINE = 20
_VISIBLE = frozenset(
    (
        b"subject",
        b"from",
        b"sender",
        b"to",
        b"cc",
        b"reply-to",
        b"organization",
        b"comments",
        b"keywords",
    )
)
# lines of nothing else
_BASE64_BLOCK = re.compile(rb"(?:^[ \t]*+[A-Za-z0-9+/=]{4,}+[ \t]*+\r?$\n?)++", re.MULTILINE)
_PGP_INLINE = re.compile(rb"-----BEGIN PGP (?:SIGNED )?MESSAGE-----")  # RFC 9580 6.2 and 7
_BODY_LENGTH = re.compile(rb"(?:^|;)\s*l\s*=")


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyPlan:
    """A body in which some texts are to be filled in; `texts` with their offsets, in order and
    apart.
    """

    body: memoryview
    texts: Sequence[tuple[int, int, FillableText]]
    most_octets: int  # that a filled-in body may have

    @property
    def placeholders(self) -> frozenset[Placeholder]:
        """Return what has to be filled in."""
        return frozenset(kind for _, _, text in self.texts for kind in text.pieces.placeholders)

    def fill(self, urls: Urls) -> bytearray:
        """Return the body for one recipient, whose URLs these are."""
        out = bytearray()  # grows in place: pieces to be joined would stand in memory a second time
        at = 0
        for start, end, text in self.texts:
            out += self.body[at:start]
            for piece in text.fill(urls):
                out += piece
            at = end
        out += self.body[at:]
        return out


def plan_body(message: Message, *, url_chars: int) -> BodyPlan | None:
    """Return how to make the bodies of a message's copies, or None when it holds no placeholder to
    be replaced.

    `url_chars` is the length of the longest URL, as HTML. Raises PlaceholderUnusable.
    """
    refuse_in_fields(message.fields)
    if _is_partly_signed(message):
        return None
    found = text_parts(message)
    for start, end in found.unreadable:
        _refuse_visible(bytes(message.body[start:end]))
    read = [
        (part.start, part.end, _text_of(part, message.body[part.start : part.end], url_chars))
        for part in found.parts
    ]
    texts = [(start, end, text) for start, end, text in read if text is not None]
    if not texts:
        return None
    count = sum(len(text.pieces.placeholders) for _, _, text in texts)
    if count > MAX_PLACEHOLDERS:
        raise PlaceholderUnusable(f"more than {MAX_PLACEHOLDERS} placeholders")
    return BodyPlan(
        body=message.body,
        texts=tuple(texts),
        most_octets=_most_octets(
            len(message.body), sum(text.pieces.longest_of_all(url_chars) for *_, text in texts)
        ),
    )


def refuse_in_fields(fields: Iterable[Field]) -> None:
    """Raise PlaceholderUnusable for a placeholder in a field that readers see: only bodies are
    filled in.
    """
    visible = [field for field in fields if field[0] in _VISIBLE]
    joined = b"".join([raw for _, raw in visible])
    if not likely(joined, ASCII) and b"=?" not in joined:  # nearly all mail
        return
    for field in visible:
        for reading in subject_readings(field.value.decode("utf-8", "replace")):
            if hits := find_in_charset(reading.encode(), ASCII, html=False)[1]:
                raise PlaceholderUnusable(
                    f"{hits[0].written} stands in the {field.name.decode('ascii').title()} field;"
                    " only bodies are filled in",
                    written=hits[0].written,
                )


def stray_placeholder(message: Message) -> str | None:
    """Return how a placeholder is written that a reader of this message would see as it is, None
    when there is none.
    """
    found = text_parts(message)
    for part in found.parts:
        try:
            hits = find_in_charset(
                _decoded(part, bytes(message.body[part.start : part.end])),
                part.charset,
                html=part.html,
            )[1]
        except PlaceholderUnusable as exc:
            return exc.written or str(exc)
        if hits:
            return hits[0].written
    try:
        for start, end in found.unreadable:
            _refuse_visible(bytes(message.body[start:end]))
        refuse_in_fields(message.fields)
    except PlaceholderUnusable as exc:
        return exc.written or str(exc)
    return None


def _decoded(part: TextPart, encoded: bytes) -> bytes:
    if part.encoding == "base64":
        return base64_code.decode_leniently(encoded.strip(b" \t\r\n"))
    return quoted_printable.decode(encoded) if part.encoding == "quoted-printable" else encoded


def _most_octets(body_octets: int, chars: int) -> int:
    """Return how long a body may become: base64 of one line gets lines, and no charset and encoding
    take more for a character.
    """
    return body_octets + body_octets // 32 + chars * _MOST_OCTETS_A_CHARACTER


def _is_partly_signed(message: Message) -> bool:
    signatures = [field for field in message.fields if field[0] == DKIM_SIGNATURE]
    return any(_BODY_LENGTH.search(signature.value) for signature in signatures)


def _refuse_visible(
    octets: bytes, where: str = "where the MIME structure is broken", *, charset: str = ASCII
) -> None:
    """Raise PlaceholderUnusable when a placeholder can be seen in what no reader is sure to
    understand.
    """
    for reading in _readings(octets):
        for one in dict.fromkeys(
            (charset, ASCII, *(("utf-16-le", "utf-16-be") if b"\0" in reading else ()))
        ):
            if hits := find_in_charset(reading, one, html=True)[1]:
                raise PlaceholderUnusable(
                    f"{hits[0].written} stands {where}", written=hits[0].written
                )


def _readings(octets: bytes) -> Iterator[bytes]:
    """Yield what readers may make of octets whose transfer encoding is not sure."""
    yield octets
    yield quoted_printable.decode(octets)
    for block in _BASE64_BLOCK.findall(octets):
        yield base64_code.decode_leniently(block)


def _text_of(part: TextPart, encoded: memoryview, url_chars: int) -> FillableText | None:
    """Return a text to be filled in, or None when it holds no placeholder or is sealed by PGP."""
    if part.encoding in IDENTITY_ENCODINGS:
        return _identity(part, encoded, url_chars)
    return _READERS.get(part.encoding, _unknown)(part, encoded)


def _identity(part: TextPart, encoded: memoryview, url_chars: int) -> FillableText | None:
    codec, hits = _hits(part, bytes(encoded))
    if not hits:
        return None
    text = IdentityText(pieces=cut(encoded, hits, codec=codec, html=part.html))
    if text.longest_line(url_chars) > MAX_LINE_OCTETS:
        raise PlaceholderUnusable(
            f"{hits[0].written} stands in a line of 7bit or 8bit that would exceed"
            f" {MAX_LINE_OCTETS} octets"
        )
    return text


def _base64(part: TextPart, view: memoryview) -> FillableText | None:
    encoded = bytes(view)
    code = encoded.strip(b" \t\r\n")
    try:
        decoded = base64_code.decode(code)
    except binascii.Error:
        _refuse_hits(part, base64_code.decode_leniently(code), "in broken base64")
        return None
    codec, hits = _hits(part, decoded)
    if not hits:
        return None
    pieces, start = cut(memoryview(decoded), hits, codec=codec, html=part.html), encoded.find(code)
    return Base64Text(
        pieces=pieces,
        lead=encoded[:start],
        tail=encoded[start + len(code) :],
        line_chars=_line_chars(code),
    )


def _line_chars(code: bytes) -> int:
    """Return the length of the lines, as those at the beginning have it."""
    beginning = code[: base64_code.PIECE_OCTETS]
    longest = max(map(len, beginning.split(b"\r\n"))) if b"\r\n" in beginning else 0
    return longest if _SHORTEST_BASE64_LINE <= longest <= MAX_LINE_OCTETS else _BASE64_LINE_CHARS


def _quoted(part: TextPart, view: memoryview) -> FillableText | None:
    encoded = bytes(view)
    decoded = quoted_printable.decode(encoded)
    codec, hits = _hits(part, decoded)
    if not hits:
        return None
    places = quoted_printable.places(encoded, [(hit.start, hit.end) for hit in hits])
    placed = [
        hit._replace(start=start, end=end)
        for hit, (start, end) in zip(hits, places or (), strict=False)
    ]
    if [quoted_printable.decode(encoded[hit.start : hit.end]) for hit in placed] != [
        decoded[hit.start : hit.end] for hit in hits
    ]:
        raise PlaceholderUnusable(
            f"{hits[0].written} stands in broken quoted-printable", written=hits[0].written
        )
    return QuotedText(pieces=cut(view, placed, codec=codec, html=part.html))


def _unknown(part: TextPart, encoded: memoryview) -> FillableText | None:
    _refuse_visible(bytes(encoded), "in an unknown transfer encoding", charset=part.charset)
    return None


_READERS: Mapping[str, Callable[[TextPart, memoryview], FillableText | None]] = {
    "base64": _base64,
    "quoted-printable": _quoted,
}


def _refuse_hits(part: TextPart, decoded: bytes, where: str) -> None:
    if hits := _hits(part, decoded)[1]:
        raise PlaceholderUnusable(f"{hits[0].written} stands {where}", written=hits[0].written)


def _hits(part: TextPart, decoded: bytes) -> tuple[str, Sequence[Hit]]:
    codec, hits = find_in_charset(decoded, part.charset, html=part.html)
    if not hits or any(_begins_line(decoded, found) for found in _PGP_INLINE.finditer(decoded)):
        return codec, ()
    if len(hits) > MAX_PLACEHOLDERS:
        raise PlaceholderUnusable(f"more than {MAX_PLACEHOLDERS} placeholders")
    return codec, in_context(decoded, hits, codec=codec, html=part.html)


def _begins_line(text: bytes, found: re.Match[bytes]) -> bool:
    # Not `^` in the pattern: that would be tried at every octet, and take longer than everything
    # else here.
    return found.start() == 0 or text[found.start() - 1 : found.start()] == b"\n"
