"""Every error class has its row in both reply tables."""

from collections.abc import Iterator

import pytest

from app.core import errors
from app.core.errors import InvalidInput, SignoffError, Unavailable
from app.http.errors import HTTP_STATUS
from smtp_proxy.replies import SMTP_REPLY


def tree(root: type[SignoffError] = SignoffError) -> Iterator[type[SignoffError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


@pytest.mark.parametrize("table", [HTTP_STATUS, SMTP_REPLY], ids=["http", "smtp"])
def test_every_error_class_has_a_row(table: dict[type[SignoffError], object]) -> None:
    assert {error.__name__ for error in tree()} - {error.__name__ for error in table} == set()


def test_what_may_succeed_later_says_so_on_every_wire() -> None:
    for error in (*tree(Unavailable), *tree(InvalidInput)):
        assert error.temporary == (SMTP_REPLY[error].code < 500), error.__name__


def test_codes_are_unique() -> None:
    codes = [error.code for error in tree()]

    assert len(codes) == len(set(codes))
