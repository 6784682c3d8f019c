"""A file in any pieces, with any damage, gives its records, and memory stays bounded."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.lists.records import MAX_LINE_CHARS, MAX_RECORD_LINES, Record, RecordReader


def read(content: bytes, *, piece: int = 10_000_000) -> list[Record]:
    reader = RecordReader()
    found = [record for start in range(0, len(content), piece) for record in reader.feed(content[start : start + piece])]
    return [*found, *reader.end()]


def cells(content: bytes) -> list[list[str]]:
    return [list(record.cells) for record in read(content)]


@given(
    rows=st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8), min_size=2, max_size=4), max_size=8
    ),
    piece=st.integers(1, 40),
)
def test_what_a_csv_writer_wrote_is_read_whatever_the_pieces(rows: list[list[str]], piece: int) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["first", "second", "third", "fourth"], *rows])

    found = read(text.getvalue().encode(), piece=piece)

    wanted = [[cell.strip() for cell in row] for row in rows]
    problems = [record for record in found if record.problem]
    assert [] == problems
    assert [row for row in wanted if any(row)] == [list(record.cells) for record in found[1:] if any(record.cells)]


@given(noise=st.binary(max_size=400), piece=st.integers(1, 50))
def test_noise_gives_records_or_problems_and_the_pieces_do_not_matter(noise: bytes, piece: int) -> None:
    assert read(noise) == read(noise, piece=piece)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("email,n\nbü@x.com,1\n".encode("utf-8-sig"), id="UTF-8 with a mark"),
        pytest.param("email,n\r\nbü@x.com,1\r\n".encode("utf-16"), id="UTF-16 with a mark"),
        pytest.param("\ufeffemail;n\nbü@x.com;1".encode("utf-16-be"), id="UTF-16 big-endian, semicolons"),
        pytest.param("email\tn\n\n\nbü@x.com\t1\n\n".encode(), id="tabs and blank lines"),
        pytest.param('"email","n"\r\n"bü@x.com","1"'.encode(), id="quotes, no last line end"),
    ],
)
@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_every_usual_way_to_write_a_table_is_read(content: bytes, piece: int) -> None:
    assert [["email", "n"], ["bü@x.com", "1"]] == [list(record.cells) for record in read(content, piece=piece)]


def test_a_record_has_the_number_of_its_first_line() -> None:
    found = read(b'email,note\n\na@x.com,"two\nlines"\nb@x.com,one\n')

    assert [(1, "note"), (3, "two\nlines"), (5, "one")] == [(record.line, record.cells[1]) for record in found]


def test_a_line_that_is_too_long_is_refused_and_skipped_and_nothing_after_it_is_lost() -> None:
    content = b"a@x.com\n" + b"x" * (3 * MAX_LINE_CHARS) + b"\nb@x.com\n"

    found = read(content, piece=1000)

    assert [(1, ""), (2, f"longer than {MAX_LINE_CHARS} characters"), (3, "")] == [(record.line, record.problem) for record in found]


def test_a_quote_that_is_never_closed_costs_its_own_line_alone() -> None:
    people = [f"p{number}@x.com,1" for number in range(100)]
    people[3] = '"p3@x.com,1'

    found = read("\n".join(people).encode())

    assert [4] == [record.line for record in found if record.problem]
    assert [f"p{number}@x.com" for number in range(100) if number != 3] == [record.cells[0] for record in found if not record.problem]
    assert 3 * MAX_RECORD_LINES < 100


def test_bytes_in_another_encoding_spoil_their_own_cell_alone() -> None:
    found = cells("name,email\nJosé,jose@x.com\n".encode("latin-1"))

    assert [["name", "email"], ["Jos\udce9", "jose@x.com"]] == found


def test_a_json_object_a_line_is_a_record_of_members() -> None:
    found = read(b'{"Email":"a@x.com","n":1,"z":null}\n{"Email":\n[1]\n' + b'{"a":' * 100_00)

    assert {"Email": "a@x.com", "n": "1", "z": ""} == found[0].members
    assert ["", "not a JSON object"] == [record.problem for record in found[:2]]
    assert "not a JSON object" == found[-1].problem
