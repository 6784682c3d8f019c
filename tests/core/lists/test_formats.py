"""The exports of the usual services are understood without a word, and with one."""

import pytest

from app.core.lists.formats import ListFormat
from app.core.lists.reader import Entry, ListReader
from app.core.lists.records import RecordReader
from app.core.lists.rows import Row, csv_header, csv_row, json_row, safe_cell
from app.core.lists.times import read_time

AT_MS = 1_577_854_800_000  # 2020-01-01 05:00 UTC
SAMPLES = {
    ListFormat.SENDGRID: "email,created\nann@x.com,1577854800\n",
    ListFormat.MAILGUN: 'address,tags,created_at\nann@x.com,*,"Wed, 01 Jan 2020 05:00:00 GMT"\n',
    ListFormat.POSTMARK: (
        "EmailAddress,SuppressionReason,Origin,CreatedAt\nann@x.com,HardBounce,Admin,2020-01-01T00:00:00-05:00\n"
    ),
    ListFormat.SES: (
        "EmailAddress,Reason,LastUpdateTime\nann@x.com,COMPLAINT,2020-01-01T05:00:00Z\n"
    ),
    ListFormat.PLAIN: "Name;E-Mail;Unsubscribed At\nAnn;ann@x.com;2020-01-01 05:00:00\n",
}


def read(content: str, format: ListFormat | None = None) -> list[Entry]:
    records, reader = RecordReader(), ListReader(format)
    whole = [*records.feed(content.encode()), *records.end()]
    return [entry for record in whole if (entry := reader.read(record)) is not None]


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("format", SAMPLES)
def test_an_export_is_understood_named_or_not(format: ListFormat, named: bool) -> None:
    """Catalogue Q8."""
    assert [Entry(2, address="ann@x.com", at_ms=AT_MS)] == [
        one._replace(groups=()) for one in read(SAMPLES[format], format if named else None)
    ]


@pytest.mark.parametrize(
    ("content", "addresses"),
    [
        pytest.param("ann@x.com\nbob@x.com\n", ["ann@x.com", "bob@x.com"], id="one address a line"),
        pytest.param(
            "ann@x.com,BOUNCE\nbob@x.com,COMPLAINT\n",
            ["ann@x.com", "bob@x.com"],
            id="SES without a header",
        ),
        pytest.param(
            "1,Ann,ann@x.com\n2,Bob,bob@x.com\n",
            ["ann@x.com", "bob@x.com"],
            id="the address in another column",
        ),
        pytest.param(
            '{"emailAddress":"ann@x.com"}\n{"email":"bob@x.com"}\n',
            ["ann@x.com", "bob@x.com"],
            id="a JSON object a line",
        ),
        pytest.param(
            '["ann@x.com", "bob@x.com"]', ["ann@x.com", "bob@x.com"], id="a JSON array of addresses"
        ),
        pytest.param(
            "E-Mail-Adresse;Datum\nann@x.com;2020\nbob@x.com;2021\n",
            ["ann@x.com", "bob@x.com"],
            id="a header of other names",
        ),
        pytest.param(
            "sep=;\nid;email\n1;ann@x.com\n2;bob@x.com\n",
            ["ann@x.com", "bob@x.com"],
            id="what Excel writes above a table",
        ),
        pytest.param(
            '"id", "email"\n1, "ann@x.com"\n2, "bob@x.com"\n',
            ["ann@x.com", "bob@x.com"],
            id="blanks behind the commas",
        ),
    ],
)
def test_a_list_without_a_header_is_understood(content: str, addresses: list[str]) -> None:
    assert addresses == [entry.address for entry in read(content)]


def test_lines_without_an_address_and_headers_without_a_column_say_so() -> None:
    assert ["no address", ""] == [
        entry.problem for entry in read("name,email\nAnn,\nBob,bob@x.com\n")
    ]
    assert ["no column of addresses", ""] == [
        entry.problem for entry in read("name,contact\nAnn,\nBob,bob@x.com\n")
    ]
    assert "no column of addresses" == read('{"name":"Ann"}\n')[0].problem


@pytest.mark.parametrize("format", [None, ListFormat.MAILGUN])
def test_a_column_called_group_says_what_was_left(format: ListFormat | None) -> None:
    """Not reading it would take somebody who left one group for one who left everything."""
    assert [(("news",),), ()] == [
        entry.groups for entry in read("address,group\nann@x.com,news\nbob@x.com,\n", format)
    ]


DOCUMENTS = {
    "SendGrid": '[{"created":1577854800,"email":"ann@x.com"}]',
    "Mailgun": (
        '{"items":[{"address":"ann@x.com","tags":["*"],"created_at":"Wed, 01 Jan 2020 05:00:00'
        ' UTC"}],"paging":{"next":"x"}}'
    ),
    "Postmark": (
        '{"Suppressions":[{"EmailAddress":"ann@x.com","Origin":"Recipient","CreatedAt":"2020-01-01T00:00:00-05:00"}]}'
    ),
    "SES": (
        '{"SuppressedDestinationSummaries":[{"EmailAddress":"ann@x.com","LastUpdateTime":"2020-01-01T05:00:00Z"}],"NextToken":"x"}'
    ),
}


@pytest.mark.parametrize("service", DOCUMENTS)
def test_what_the_interface_of_a_service_answers_is_understood_as_it_is(service: str) -> None:
    """Catalogue Q8."""
    assert [Entry(1, address="ann@x.com", at_ms=AT_MS)] == [
        one._replace(groups=()) for one in read(DOCUMENTS[service])
    ]


def test_a_time_that_nobody_can_read_is_told_and_keeps_the_line() -> None:
    (entry,) = read("email,created\nann@x.com,the day before yesterday\n")

    assert ("ann@x.com", None) == (entry.address, entry.at_ms)


@pytest.mark.parametrize(
    "text",
    [
        "1577854800",
        "1577854800000",
        "1577854800.0",
        "2020-01-01T05:00:00.000Z",
        "2020-01-01 05:00:00 UTC",
    ],
)
def test_every_usual_way_to_write_a_time_is_read_as_utc(text: str) -> None:
    assert AT_MS == read_time(text)


@pytest.mark.parametrize(
    "text", ["", "x", "99999999-99-99", "12:30", "0001-01-01T00:00:00+23:59x", "9" * 400]
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert read_time(text) is None


@pytest.mark.parametrize(
    "address", ["+ann@x.com", "=ann@x.com", "-ann@x.com", "'ann@x.com", "'+ann@x.com", "ann@x.com"]
)
def test_our_own_export_is_no_formula_in_a_spreadsheet_and_comes_back_as_it_was(
    address: str,
) -> None:
    row = Row(
        "0a" * 10, address, "news", "api", "2020-01-01T05:00:00.000Z", "2020-01-01T05:00:00.000Z", 3
    )
    wanted = [Entry(2, address=address, groups=(("news",),), at_ms=AT_MS)]

    table = csv_header() + csv_row(row)

    assert wanted == read(table.decode())
    assert [one._replace(line=1) for one in wanted] == read(json_row(row).decode())
    assert not table.split(b"\r\n")[1].split(b",")[1].startswith((b"=", b"+", b"-", b"@"))


def test_our_own_export_without_addresses_is_read_by_its_digests() -> None:
    row = Row("0a" * 10, "", "all", "api", "2020-01-01T05:00:00.000Z", "", 3)

    for content in (csv_header() + csv_row(row), json_row(row)):
        (entry,) = read(content.decode())
        assert ("", "0a" * 10, (("all",),), AT_MS) == (
            entry.address,
            entry.digest,
            entry.groups,
            entry.at_ms,
        )


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "'=1"])
def test_a_cell_that_a_spreadsheet_would_run_is_marked(text: str) -> None:
    assert f"'{text}" == safe_cell(text)
