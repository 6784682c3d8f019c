"""Whom a From field speaks for: the domains of all its mailboxes (RFC 5322 3.4, RFC 6532, RFC
6854).

This is a security boundary: the answer decides which brand a mail belongs to and which key signs
it. So it is strict where readers differ. Display names may be sloppy, for they decide nothing; an
address may not: no white space or comment inside, no route, no address literal, no `@` outside an
address. What does not fit is refused, never repaired.

One kind of sloppiness is common and has one reading all the same: a display name with specials that
nobody quoted, `Acme, Inc. [News] <news@acme.example>`. It passes where the field ends with one
address in angle brackets and no other domain stands before it: whatever a reader makes of the rest,
there is no other address to be found.

The value becomes one letter a token (w atom, q quoted string, s white space or comment, the
specials themselves), and the grammar is a pattern over those letters: `"Ann" <ann@news.example>`
reads `qs<w@w.w>`. Both steps are linear; the value is capped besides.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from app.core.address import ascii_domain
from app.core.errors import AddressInvalid, MalformedMessage

MAX_FROM_BYTES = 2048

_TOKEN = re.compile(
    r"""(?P<s>[ \t]++)
      | (?P<q>"(?:[^"\\]|\\.)*+")
      | (?P<w>[^\x00-\x20\x7f()<>@,:;.\\"\[\]]++)
      | (?P<special>[<>@,:;.(])""",
    re.VERBOSE,
)
_COMMENT_MARK = re.compile(r"\\.|[()]")
_ADDRESS = r"[wq](?:\.[wq])*+@(w(?:\.w)*+)"
_MAILBOX = re.compile(rf"s*+(?:[wqs.]*+<s*+{_ADDRESS}s*+>|{_ADDRESS})s*+")
# What opens or hides something (quotes, comments, brackets of an address) leaves more than one
# reading.
_UNQUOTED = re.compile(
    r"""(?P<name>[^<>"\\()\x00-\x08\x0a-\x1f\x7f]*+)(?P<address><[^<>"\\()\s]+@[^<>"\\()\s]+>)[ \t]*+"""
)
_AFTER_AT = re.compile(r"@([^ \t,;:@\[\]]*)")
_GROUP_NAME = re.compile(r"s*+[wq][wqs.]*+")


@lru_cache(maxsize=1024)
def from_domains(value: bytes) -> frozenset[str]:
    """Return the domains of every mailbox of an unfolded From value, as lower-case A-labels; never
    empty.

    Raises MalformedMessage for a value that is too long, names nobody, or can be read in more than
    one way.
    """
    if len(value) > MAX_FROM_BYTES:
        raise MalformedMessage(f"a From field longer than {MAX_FROM_BYTES} octets")
    # A display name in a legacy 8-bit encoding is harmless; in a domain its surrogates fail below.
    text = value.decode("utf-8", "surrogateescape")
    try:
        return _strict(text)
    except MalformedMessage:
        unquoted = _UNQUOTED.fullmatch(text)
        if unquoted is None:
            raise
        found = _strict(unquoted["address"])
        if any(
            frozenset((_as_domain(other),)) != found
            for other in _AFTER_AT.findall(unquoted["name"])
        ):
            raise
        return found


def _strict(text: str) -> frozenset[str]:
    tokens = list(_tokens(text))
    domains = frozenset(
        _domain(mailbox) for mailbox in _mailboxes(tokens) if _shape(mailbox).strip("s")
    )
    if not domains:
        raise MalformedMessage("a From field without an address")
    return domains


def _as_domain(text: str) -> str:
    try:
        return ascii_domain(text)
    except AddressInvalid:
        return ""


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise MalformedMessage("a From field with a character that no address can hold")
        if found[0] == "(":
            at = _comment_end(text, at)
            yield "s", " "
        else:
            at = found.end()
            yield (found[0] if found.lastgroup == "special" else found.lastgroup or ""), found[0]


def _comment_end(text: str, start: int) -> int:
    depth = 0
    for mark in _COMMENT_MARK.finditer(text, start):
        depth += {"(": 1, ")": -1}.get(mark[0], 0)
        if not depth:
            return mark.end()
    raise MalformedMessage("a From field with an open comment")


def _mailboxes(tokens: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """Cut the list at its commas and group marks; every address of a group counts (RFC 6854)."""
    current: list[tuple[str, str]] = []
    in_group = False
    for kind, text in tokens:
        if kind == ":":
            if in_group or not _GROUP_NAME.fullmatch(_shape(current)):
                raise MalformedMessage("a From field with a stray colon")
            in_group, current = True, []
        elif kind in {",", ";"}:
            if kind == ";" and not in_group:
                raise MalformedMessage("a From field with a stray semicolon")
            in_group = in_group and kind == ","
            yield current
            current = []
        else:
            current.append((kind, text))
    if in_group:
        raise MalformedMessage("a From field with an open group")
    yield current


def _domain(mailbox: list[tuple[str, str]]) -> str:
    found = _MAILBOX.fullmatch(_shape(mailbox))
    if found is None or found.lastindex is None:
        raise MalformedMessage("a From field that cannot be read in exactly one way")
    start, end = found.span(found.lastindex)
    try:
        return ascii_domain("".join(text for _, text in mailbox[start:end]))
    except AddressInvalid as exc:
        raise MalformedMessage("a From field with an invalid domain") from exc


def _shape(tokens: list[tuple[str, str]]) -> str:
    return "".join(kind for kind, _ in tokens)
