"""Our canonical forms against dkimpy's, wherever the pieces are cut."""

import hashlib

import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.mail.canonical import CHUNK_BYTES, BodyMode, body_hash, relaxed
from app.core.mail.message import Field, parse
from tests.support.corpus import MAILS

ORACLE = {BodyMode.SIMPLE: Simple, BodyMode.RELAXED: Relaxed}
BODIES = st.lists(
    st.sampled_from([b" ", b"\t", b"\r", b"\n", b"\r\n", b"a", b"bc", b" " * 70]), max_size=24
).map(b"".join)


def _expected(body: bytes, mode: BodyMode) -> bytes:
    canonical: bytes = ORACLE[mode].canonicalize_body(body)
    return hashlib.sha256(canonical).digest()


@pytest.mark.parametrize("mode", BodyMode)
@given(body=BODIES, chunk_bytes=st.integers(1, 9))
@example(body=b"", chunk_bytes=1)
@example(body=b"\r\n", chunk_bytes=1)
@example(body=b"a \t \r\n\r\n \r\n", chunk_bytes=2)
@example(body=b"a\r\n \r", chunk_bytes=3)
def test_any_body_hashes_as_dkimpy_canonicalises_it(
    mode: BodyMode, body: bytes, chunk_bytes: int
) -> None:
    assert _expected(body, mode) == body_hash(body, mode, chunk_bytes=chunk_bytes)


@pytest.mark.parametrize("mode", BodyMode)
@pytest.mark.parametrize("name", MAILS)
def test_every_sample_hashes_as_dkimpy_canonicalises_it(name: str, mode: BodyMode) -> None:
    assert _expected(MAILS[name], mode) == body_hash(memoryview(MAILS[name]), mode)


@pytest.mark.parametrize("mode", BodyMode)
@pytest.mark.parametrize(
    "border",
    [
        b" \r\n",
        b"  \r\n",
        b"\t \t\r\n",
        b"\r\n\r\n",
        b"a  b",
        b" \r",
        b"\r\n" * 5000,
        b"\r\n" * (CHUNK_BYTES + 1) + b"end",
    ],
    ids=[
        "blank, CRLF",
        "blanks, CRLF",
        "tabs, CRLF",
        "empty line",
        "run",
        "CR",
        "many empty lines",
        "empty lines over pieces",
    ],
)
def test_a_border_between_pieces_changes_nothing(mode: BodyMode, border: bytes) -> None:
    for cut in range(len(border[:4]) + 1):
        body = b"x" * (CHUNK_BYTES - cut) + border

        assert _expected(body, mode) == body_hash(body, mode)


@given(
    st.lists(st.sampled_from([b" ", b"\t", b"a", b"b c", b"\r\n ", b"\r\n\t", b" " * 40])).map(
        b"".join
    )
)
def test_any_field_is_canonicalised_as_dkimpy_does_it(value: bytes) -> None:
    raw = b"Subject:" + value + b"\r\n"
    [(name, canonical)] = Relaxed.canonicalize_headers([(b"Subject", value + b"\r\n")])

    assert name + b":" + canonical == relaxed([Field(b"subject", raw)])


@pytest.mark.parametrize("name", MAILS)
def test_all_fields_together_are_canonicalised_as_dkimpy_does_it(name: str) -> None:
    fields = parse(MAILS[name]).fields
    expected = Relaxed.canonicalize_headers(
        [(field.name, field.raw[len(field.name) + 1 :]) for field in fields]
    )

    assert b"".join(field + b":" + value for field, value in expected) == relaxed(fields)
