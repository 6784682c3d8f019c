"""A message is cut, never rebuilt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import MalformedMessage, MessageTooLarge
from app.core.mail.message import (
    MAX_FIELD_BYTES,
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    Message,
    parse,
    repeated,
    sender_field,
)
from tests.support.corpus import MAILS, NAMED, SAMPLES_DIR

_NAMES = st.text(alphabet="abcXYZ-_!~", min_size=1, max_size=12).map(str.encode)
_LINES = st.binary(max_size=40).map(lambda line: line.translate(None, b"\r\n\0"))
_FIELDS = st.builds(
    lambda name, lines: name + b":" + b"\r\n\t".join(lines) + b"\r\n",
    _NAMES,
    st.lists(_LINES, min_size=1, max_size=3),
)
_MAILS = st.builds(
    lambda fields, rest: b"".join(fields) + rest,
    st.lists(_FIELDS, max_size=8),
    st.just(b"") | st.binary().map(b"\r\n".__add__),
)


def _joined(message: Message) -> bytes:
    return message.head + message.separator + bytes(message.body)


@pytest.mark.parametrize("name", MAILS)
def test_the_parts_of_every_sample_joined_are_the_sample(name: str) -> None:
    """Catalogue H9."""
    message = parse(MAILS[name])

    assert MAILS[name] == _joined(message)
    assert message.head == b"".join(field.raw for field in message.fields)


@given(_MAILS)
def test_the_parts_of_any_mail_joined_are_the_mail(mail: bytes) -> None:
    """Catalogue H9."""
    message = parse(mail)

    assert mail == _joined(message)
    assert message.head == b"".join(field.raw for field in message.fields)


@given(st.text(alphabet="aB:- \t\r\n\0", max_size=60).map(str.encode))
def test_any_bytes_are_either_cut_or_refused(data: bytes) -> None:
    """Catalogue D9."""
    try:
        message = parse(data)
    except MalformedMessage:
        return

    assert data == _joined(message)


def test_every_sample_file_is_explained() -> None:
    readme = (SAMPLES_DIR / "README.md").read_text()

    assert [] == [path.name for path in SAMPLES_DIR.glob("*.eml") if f"`{path.name}`" not in readme]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_bytearray_and_view_are_read_alike(kind: type) -> None:
    mail = b"Subject: a\r\n b\r\n\r\nbody\r\n"

    assert [(b"subject", b" a b")] == [
        (field.name, field.value) for field in parse(kind(mail)).fields
    ]


def test_the_body_is_a_view_and_no_copy() -> None:
    mail = bytearray(b"A: b\r\n\r\n" + b"x" * 100_000)

    assert parse(mail).body.obj is mail


def test_a_head_longer_than_the_first_probe_is_found() -> None:
    mail = b"A: b\r\n" * 4000 + b"\r\nbody"

    message = parse(mail)

    assert (4000, b"body") == (len(message.fields), bytes(message.body))


@pytest.mark.parametrize(
    "head",
    [
        b" leading blank: a\r\n",
        b"\tleading tab\r\nA: b\r\n",
        b"Subject : a\r\n",
        b"Subject\t: a\r\n",
        b"A: b\r\nno colon here\r\nC: d\r\n",
        b"From news@acme.example Mon Mar  2\r\nA: b\r\n",
        b": no name\r\n",
        b"N\xc3\xa4me: a\r\n",
        b"A: b\r\nB\0: c\r\n",
        b"A: b\0c\r\n",
        b"A: b\nC: d\r\n",
        b"A: b\rC: d\r\n",
        b"A: b\r\n \nC: d\r\n",
        b"A: b",
        b"A: b\r\nC: d\r",
    ],
    ids=repr,
)
def test_a_malformed_head_is_refused(head: bytes) -> None:
    """Catalogue D9, L2."""
    with pytest.raises(MalformedMessage):
        parse(head + b"\r\nbody\r\n" if head.endswith(b"\r\n") else head)


@pytest.mark.parametrize(
    "head",
    [
        b"X-Big: " + b"x" * 110_000 + b"\r\n",
        b"X-Big: " + b"x" * (MAX_FIELD_BYTES - 8) + b"\r\n",
        b"X-Folded:" + b"\r\n x" * (MAX_FIELD_BYTES // 4) + b"\r\n",
        b"A: b\r\n" * (MAX_FIELDS + 1),
        (b"A: " + b"b" * 1000 + b"\r\n") * (MAX_HEAD_BYTES // 1000),
        b"x" * (MAX_HEAD_BYTES + 1),
    ],
    ids=[
        "110 KB field",
        "one octet over",
        "folded field",
        "too many fields",
        "too large",
        "endless line",
    ],
)
def test_a_head_beyond_the_caps_is_too_large(head: bytes) -> None:
    """Catalogue H16."""
    with pytest.raises(MessageTooLarge):
        parse(head + b"\r\nbody\r\n")


def test_a_head_within_the_caps_passes() -> None:
    """Catalogue H16."""
    largest = b"X-Big: " + b"x" * (MAX_FIELD_BYTES - 9) + b"\r\n"

    message = parse(largest + b"A: b\r\n" * (MAX_FIELDS - 1) + b"\r\n")

    assert (MAX_FIELDS, MAX_FIELD_BYTES) == (len(message.fields), len(message.fields[0].raw))


@pytest.mark.parametrize(
    "head", [b"", b"To: a@b.example\r\n", b"From: a@b.example\r\nFROM: c@d.example\r\n"]
)
def test_a_message_without_exactly_one_from_has_no_sender(head: bytes) -> None:
    """Catalogue D9."""
    message = parse(head + b"\r\n")

    with pytest.raises(MalformedMessage):
        sender_field(message)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b"", ()),
        (b"Subject: a\r\n", ()),
        (b"Subject: a\r\nSUBJECT:\r\n b\r\n", ("subject",)),
        (b"To: a\r\nTo: b\r\nto: c\r\nDate: a\r\nDate: b\r\n", ("date", "to")),
        (b"Received: a\r\nReceived: b\r\nX-A: 1\r\nX-A: 2\r\nComments: a\r\nComments: b\r\n", ()),
    ],
)
def test_the_names_of_repeated_fields(fields: bytes, expected: tuple[str, ...]) -> None:
    """Catalogue H15."""
    assert expected == repeated(parse(fields + b"\r\n").fields)


@pytest.mark.parametrize("name", sorted(NAMED))
def test_of_the_samples_only_one_repeats_fields(name: str) -> None:
    """Catalogue H15."""
    assert bool(repeated(parse(NAMED[name]).fields)) == (name == "repeated_fields")
