"""Fields that may stand once."""

import pytest

from app.core.mail.message import parse
from app.core.mail.unique_fields import repeated
from tests.support.corpus import NAMED


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
