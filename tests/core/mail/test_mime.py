"""The walk over MIME parts: which texts it finds, what it leaves alone, what it cannot read."""

import email
import sys
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.mail import mime_fields
from app.core.mail.message import Message, parse
from app.core.mail.mime import MAX_DEPTH, MAX_PARTS, text_parts
from app.core.mail.mime_fields import part_fields
from tests.support.corpus import MAILS


def found(mail: bytes) -> list[bytes]:
    message = parse(mail)
    return [bytes(message.body[part.start : part.end]) for part in text_parts(message).parts]


def unreadable(mail: bytes) -> list[bytes]:
    message = parse(mail)
    return [bytes(message.body[start:end]) for start, end in text_parts(message).unreadable]


def multipart(
    *parts: bytes, kind: str = "mixed", boundary: bytes = b"b", end: bytes = b"--\r\n"
) -> bytes:
    lines = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return (
        b'Content-Type: multipart/%s; boundary="%s"\r\n\r\n' % (kind.encode(), boundary)
        + lines
        + b"--"
        + boundary
        + end
    )


def test_a_mail_without_mime_is_one_plain_text() -> None:
    (part,) = text_parts(parse(b"From: a@b.example\r\n\r\nhello\r\n")).parts

    assert (0, 7, False, "7bit", "") == (
        part.start,
        part.end,
        part.html,
        part.encoding,
        part.charset,
    )


def test_the_fields_of_a_text_are_read() -> None:
    head = (
        b'content-type: Text/HTML; Charset="ISO-8859-1" (latin)\r\nCONTENT-TRANSFER-ENCODING:'
        b" Quoted-Printable\r\n\r\n"
    )

    (part,) = text_parts(parse(head)).parts

    assert (True, "quoted-printable", "ISO-8859-1") == (part.html, part.encoding, part.charset)


@pytest.mark.parametrize(
    ("value", "boundary"),
    [
        (b"multipart/mixed; boundary=b", "b"),
        (b'multipart/mixed; boundary="a b"', "a b"),
        (b'multipart/mixed; boundary="a\\"b;c"', 'a"b;c'),
        (b"multipart/mixed; boundary=----=_Part_1:2/3?x", "----=_Part_1:2/3?x"),
        (b"multipart/mixed;\tboundary = b ; x=y;", "b"),
        (b"multipart/mixed (a; comment); boundary=(another)b", "b"),
        (b"multipart/mixed; boundary*=us-ascii'en'a%20b", "a b"),
        (b'multipart/mixed; boundary*0=a; boundary*1=" b"', "a b"),
        (b"multipart/mixed; boundary*0*=us-ascii''a%20; boundary*1=b", "a b"),
        (b"multipart/mixed; boundary=b; boundary=b", "b"),
    ],
)
def test_a_parameter_is_read_as_all_readers_do(value: bytes, boundary: str) -> None:
    fields = part_fields(
        parse(b"Content-Type: " + value + b"\r\n\r\n").fields, default_kind="text/plain"
    )

    assert fields is not None
    assert boundary == fields.parameters["boundary"]


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Type: text\r\n",
        b"Content-Type: text/plain; charset\r\n",
        b"Content-Type: text/plain; charset=a b\r\n",
        b'Content-Type: text/plain; charset="a\r\n',
        b"Content-Type: text/plain; charset=a; charset=b\r\n",
        b"Content-Type: text/plain; charset*0=a; charset*2=b\r\n",
        b"Content-Type: text/plain; charset*x=a\r\n",
        b"Content-Type: text/plain; charset=a; charset*0=b\r\n",
        b"Content-Type: text/plain; charset*0=a; charset*00=b\r\n",
        b"Content-Type: text/plain (open; charset=a\r\n",
        b"Content-Type: text/plain\r\nContent-Type: text/html\r\n",
        b"Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: base64\r\n",
    ],
)
def test_fields_that_readers_read_differently_make_a_part_unreadable(fields: bytes) -> None:
    """Catalogue X11."""
    assert [b"hello"] == unreadable(fields + b"\r\nhello")


def test_nested_parts_are_found_in_their_order_without_the_line_ends_of_delimiters() -> None:
    inner = multipart(
        b"Content-Type: text/plain\r\n\r\none\r\n",
        b"Content-Type: text/html\r\n\r\ntwo",
        kind="alternative",
        boundary=b"bb",
    )

    assert [b"one\r\n", b"two", b"three"] == found(multipart(inner, b"\r\nthree"))


def test_preamble_epilogue_and_longer_boundaries_are_no_parts() -> None:
    body = b"pre\r\n--b \t\r\n\r\n--bc\r\nx\r\n--b--\r\n\r\n--b\r\n\r\nepilogue"

    assert [b"--bc\r\nx"] == found(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + body)


def test_a_last_delimiter_may_be_missing() -> None:
    assert [b"one", b"two\r\n"] == found(
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n"
    )


def test_an_empty_part_between_two_delimiters_is_empty() -> None:
    assert [b"", b"x"] == found(
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\n\r\nx\r\n--b--"
    )


@pytest.mark.parametrize(
    "sealed",
    [
        multipart(b"Content-Type: text/plain\r\n\r\nsigned", kind="signed"),
        multipart(b"Content-Type: text/plain\r\n\r\nsecret", kind="encrypted"),
        b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\nMII",
        b"Content-Type: message/rfc822\r\n\r\nFrom: a@b.example\r\n\r\ninner",
        b"Content-Type: text/html\r\nContent-Disposition: attachment; filename=a.html\r\n\r\n<p>",
        b"Content-Type: text/calendar\r\n\r\nBEGIN",
        b"Content-Type: image/png\r\n\r\n*|UNSUBSCRIBE|*",
        multipart(b"\r\nSubject: inner\r\n\r\ndigest", kind="digest"),
    ],
)
def test_what_is_sealed_attached_or_no_text_is_no_text(sealed: bytes) -> None:
    """Catalogue X10."""
    assert [b"a text"] == found(multipart(sealed, b"\r\na text", boundary=b"outer"))
    assert unreadable(sealed) == []


def test_a_sealed_part_does_not_seal_its_neighbours() -> None:
    """Catalogue X10: a footer beside a signed mail is no part of what was signed."""
    signed = multipart(b"Content-Type: text/plain\r\n\r\nsigned", kind="signed", boundary=b"s")

    assert [b"footer"] == found(multipart(signed, b"\r\nfooter"))


@pytest.mark.parametrize(
    "mail",
    [
        b"Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--b\r\n\r\nx",
        (
            b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding:"
            b" base64\r\n\r\n--b\r\n\r\nx"
        ),
        b'Content-Type: multipart/mixed; boundary=""\r\n\r\n--\r\n\r\nx',
    ],
)
def test_a_multipart_without_its_boundary_is_unreadable(mail: bytes) -> None:
    assert [mail.partition(b"\r\n\r\n")[2]] == unreadable(mail)
    assert found(mail) == []


def test_a_part_whose_head_is_no_head_is_unreadable_and_its_neighbours_are_not() -> None:
    mail = multipart(b"no field at all\r\n\r\nx", b"\r\ny")

    assert ([b"no field at all\r\n\r\nx"], [b"y"]) == (unreadable(mail), found(mail))


def _nested(depth: int) -> bytes:
    mail = b"\r\ninnermost"
    for level in range(depth):
        mail = multipart(mail, boundary=b"level%dx" % level)
    return mail


def test_nesting_beyond_the_cap_is_unreadable() -> None:
    assert [b"innermost"] == found(_nested(MAX_DEPTH))
    assert ([], 1) == (found(_nested(MAX_DEPTH + 1)), len(unreadable(_nested(MAX_DEPTH + 1))))


def test_parts_beyond_the_cap_are_unreadable() -> None:
    assert MAX_PARTS == len(found(multipart(*[b"\r\nx"] * MAX_PARTS)))
    assert ([], 1) == (
        found(multipart(*[b"\r\nx"] * (MAX_PARTS + 1))),
        len(unreadable(multipart(*[b"\r\nx"] * (MAX_PARTS + 1)))),
    )


def calls(function: Callable[[], object]) -> int:
    """Return how many calls it makes, into Python or C."""
    counted = 0

    def count(frame: FrameType, event: str, arg: object) -> None:
        nonlocal counted
        counted += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return counted


def _steps(message: Message) -> int:
    mime_fields._with_parameters.cache_clear()
    return calls(lambda: text_parts(message))


@pytest.mark.parametrize(
    "hostile",
    [
        lambda n: multipart(*[b"\r\nx"] * n),
        lambda n: (
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"\r\n--bb" * n + b"\r\n--b\r\n"
        ),
        lambda n: b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"\r\n--b " * n,
        lambda n: _nested(n // 1000),
        lambda n: b"Content-Type: text/plain" + b'; x="' * 5000 + b"\r\n\r\n" + b"x" * n,
    ],
)
def test_a_hostile_structure_costs_no_more_steps_when_it_grows(
    hostile: Callable[[int], bytes],
) -> None:
    """Catalogue X11, S7: beyond the caps nothing is looked at one by one."""
    small, large = (parse(hostile(n)) for n in (20_000, 100_000))

    assert _steps(large) <= _steps(small) + 100


@pytest.mark.parametrize("name", MAILS)
def test_the_samples_have_the_texts_that_the_standard_library_finds(name: str) -> None:
    parsed = email.message_from_bytes(MAILS[name])
    sealed = {"multipart/signed", "multipart/encrypted", "multipart/report", "message/rfc822"}
    if (
        sealed & {one.get_content_type() for one in parsed.walk()}
        or not parse(MAILS[name]).separator
    ):
        assert all(text in MAILS[name] for text in found(MAILS[name]))
        return

    expected = [
        one.get_payload(decode=True)
        for one in parsed.walk()
        if one.get_content_type() in {"text/plain", "text/html"}
    ]

    assert len(expected) == len(found(MAILS[name])) + len(unreadable(MAILS[name]))


@given(
    st.binary(max_size=400).map(lambda body: body.replace(b"\r", b"\r\n").replace(b"\n", b"\r\n"))
)
def test_any_body_is_walked_and_ranges_lie_inside_it_in_order(body: bytes) -> None:
    mail = parse(
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + body.replace(b"\x00", b"\r\n--b\r\n")
    )
    walked = text_parts(mail)
    ranges = sorted([*((part.start, part.end) for part in walked.parts), *walked.unreadable])

    flat = [offset for span in ranges for offset in span]
    assert flat == sorted(flat)
    assert all(0 <= offset <= len(mail.body) for offset in flat)
