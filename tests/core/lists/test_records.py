"""A file in any pieces, with any damage, gives its records, and memory stays bounded."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.lists.documents import MAX_LINE_CHARS, Record
from app.core.lists.records import MAX_RECORD_LINES, RecordReader


def read(content: bytes, *, piece: int = 10_000_000) -> list[Record]:
    reader = RecordReader()
    found = [
        record
        for start in range(0, len(content), piece)
        for record in reader.feed(content[start : start + piece])
    ]
    return [*found, *reader.end()]


def cells(content: bytes) -> list[list[str]]:
    return [list(record.cells) for record in read(content)]


@given(
    rows=st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8),
            min_size=2,
            max_size=4,
        ),
        max_size=8,
    ),
    piece=st.integers(1, 40),
)
def test_what_a_csv_writer_wrote_is_read_whatever_the_pieces(
    rows: list[list[str]], piece: int
) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["first", "second", "third", "fourth"], *rows])

    found = read(text.getvalue().encode(), piece=piece)

    wanted = [[cell.strip() for cell in row] for row in rows]
    problems = [record for record in found if record.problem]
    assert [] == problems
    assert [row for row in wanted if any(row)] == [
        list(record.cells) for record in found[1:] if any(record.cells)
    ]


@given(noise=st.binary(max_size=400), piece=st.integers(1, 50))
def test_noise_gives_records_or_problems_and_the_pieces_do_not_matter(
    noise: bytes, piece: int
) -> None:
    assert read(noise) == read(noise, piece=piece)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("email,n\nbü@x.com,1\n".encode("utf-8-sig"), id="UTF-8 with a mark"),
        pytest.param("email,n\r\nbü@x.com,1\r\n".encode("utf-16"), id="UTF-16 with a mark"),
        pytest.param(
            "\ufeffemail;n\nbü@x.com;1".encode("utf-16-be"), id="UTF-16 big-endian, semicolons"
        ),
        pytest.param("email\tn\n\n\nbü@x.com\t1\n\n".encode(), id="tabs and blank lines"),
        pytest.param('"email","n"\r\n"bü@x.com","1"'.encode(), id="quotes, no last line end"),
        pytest.param("email;n\rbü@x.com;1\r".encode(), id="lines that end with CR alone"),
    ],
)
@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_every_usual_way_to_write_a_table_is_read(content: bytes, piece: int) -> None:
    assert [["email", "n"], ["bü@x.com", "1"]] == [
        list(record.cells) for record in read(content, piece=piece)
    ]


def test_a_record_has_the_number_of_its_first_line() -> None:
    found = read(b'email,note\n\na@x.com,"two\nlines"\nb@x.com,one\n')

    assert [(1, "note"), (3, "two\nlines"), (5, "one")] == [
        (record.line, record.cells[1]) for record in found
    ]


def test_a_line_that_is_too_long_is_refused_and_skipped_and_nothing_after_it_is_lost() -> None:
    content = b"a@x.com\n" + b"x" * (3 * MAX_LINE_CHARS) + b"\nb@x.com\n"

    found = read(content, piece=1000)

    assert [(1, ""), (2, f"longer than {MAX_LINE_CHARS} characters"), (3, "")] == [
        (record.line, record.problem) for record in found
    ]


def test_a_quote_that_is_never_closed_costs_its_own_line_alone() -> None:
    people = [f"p{number}@x.com,1" for number in range(100)]
    people[3] = '"p3@x.com,1'

    found = read("\n".join(people).encode())

    assert [4] == [record.line for record in found if record.problem]
    assert [f"p{number}@x.com" for number in range(100) if number != 3] == [
        record.cells[0] for record in found if not record.problem
    ]
    assert 3 * MAX_RECORD_LINES < 100


def test_bytes_in_another_encoding_spoil_their_own_cell_alone() -> None:
    found = cells("name,email\nJosé,jose@x.com\n".encode("latin-1"))

    assert [["name", "email"], ["Jos\udce9", "jose@x.com"]] == found


def test_a_json_object_a_line_is_a_record_of_members() -> None:
    found = read(b'{"Email":"a@x.com","n":1,"z":null}\n{"Email":\n[1]\n' + b'{"a":' * 100_00)

    assert {"Email": "a@x.com", "n": "1", "z": ""} == found[0].members
    assert ["", "not a JSON object"] == [record.problem for record in found[:2]]
    assert "not a JSON object" == found[-1].problem


def test_quotes_within_cells_join_no_lines() -> None:
    """Each has an odd number of quotes, so two together have an even one."""
    found = read(b'email,size\na@x.com,5" wide\nb@x.com,7" high\nc@x.com,8" deep\n')

    assert ["email", "a@x.com", "b@x.com", "c@x.com"] == [record.cells[0] for record in found]


def test_a_quote_that_is_closed_wrongly_by_the_next_line_does_not_cost_that_line() -> None:
    found = read(b'email,name\n"a@x.com,x\n"b@x.com","y"\nc@x.com,z\n')

    assert [
        ("email", ""),
        ("", "a quote that is never closed"),
        ("b@x.com", ""),
        ("c@x.com", ""),
    ] == [(record.cells[0] if record.cells else "", record.problem) for record in found]


@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_a_document_gives_the_elements_of_its_list_with_their_lines(piece: int) -> None:
    found = read(
        b'{\n "next": null,\n "items": [\n  {"email": "a@x.com", "tags": ["x", "]"]},\n  {"email":'
        b' "b@x.com"}\n ]\n}\n',
        piece=piece,
    )

    assert [(4, "a@x.com", ""), (5, "b@x.com", "")] == [
        (one.line, (one.members or {}).get("email"), one.problem) for one in found
    ]


def test_a_document_of_any_length_is_read_with_the_memory_of_one_element() -> None:
    content = (
        b'{"addresses":[' + b",".join(b'"p%d@x.com"' % number for number in range(50_000)) + b"]}"
    )

    found = read(content, piece=65_536)

    assert [(f"p{number}@x.com",) for number in range(50_000)] == [record.cells for record in found]


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        pytest.param(b'["a@x.com","b@x.com"', [1], id="not closed"),
        pytest.param(b'["a@x.com",\n"b@x.com",\n{"email":', [3], id="cut off"),
        pytest.param(b'["a@x.com","b@x.com",{broken}]', [1], id="no JSON"),
        pytest.param(b'["a@x.com","b@x.com", 7]', [1], id="a number"),
        pytest.param(b'["a@x.com","b@x.com"]\n["c@x.com"]', [1], id="two of them"),
        pytest.param(
            b'{"ids":1,"to":["a@x.com","b@x.com"]}\n{"to":["c@x.com"]}', [1], id="lists in lines"
        ),
        pytest.param(
            b'["a@x.com","b@x.com","' + b"x" * 2 * MAX_LINE_CHARS + b'"]',
            [1],
            id="an endless element",
        ),
    ],
)
@pytest.mark.parametrize("piece", [1000, 1_000_000])
def test_what_cannot_be_read_of_a_document_is_said_and_the_rest_is_kept(
    content: bytes, problems: list[int], piece: int
) -> None:
    found = read(content, piece=piece)

    assert [("a@x.com",), ("b@x.com",)] == [record.cells for record in found if not record.problem]
    assert problems == [record.line for record in found if record.problem]


def test_a_line_with_an_address_is_a_line_whatever_lists_it_holds() -> None:
    found = read(b'{"email":"a@x.com","was":["b@x.com"]}\n{"email":"c@x.com","was":[]}\n')

    assert ["a@x.com", "c@x.com"] == [(record.members or {})["email"] for record in found]


@given(noise=st.binary(max_size=100), piece=st.integers(1, 50))
def test_noise_in_a_document_gives_records_or_problems_and_the_pieces_do_not_matter(
    noise: bytes, piece: int
) -> None:
    assert read(b'["a@x.com",' + noise) == read(b'["a@x.com",' + noise, piece=piece)
