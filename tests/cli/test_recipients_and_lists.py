"""`signoff recipient`, `suppressions` and `keys api`, as an operator runs them: over the embedded
store of a folder of its own.
"""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from app.__main__ import commands
from app.core.errors import AddressInvalid, Conflict, NotFound, SignoffError
from app.observe import log as logs
from app.store.embedded import EmbeddedStore


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store that runs throughout, as beside `make run`."""
    embedded = EmbeddedStore(tmp_path_factory.mktemp("lists"))
    embedded.ensure()
    yield embedded.url
    embedded.release()


@pytest.fixture(autouse=True)
def here(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    store_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNOFF_STORE__URL", store_url)
    monkeypatch.setenv("SIGNOFF_STATE_DIR", str(tmp_path_factory.getbasetemp() / "lists-state"))
    monkeypatch.setenv("SIGNOFF_BRANDS__ACME__STORE_ADDRESSES", "true")
    # as `output.run` does, which a runner in this process goes around
    logs.configure(level="error")
    yield
    structlog.reset_defaults()


def signoff(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(commands, arguments, input=stdin)


def rows(*arguments: str, stdin: bytes | None = None, status: int = 0) -> list[dict[str, object]]:
    result = signoff(*arguments, "--json", stdin=stdin)
    assert status == result.exit_code, result.output
    found: list[dict[str, object]] = json.loads(result.stdout)
    return found


def facts(*arguments: str, stdin: bytes | None = None, status: int = 0) -> dict[str, Any]:
    result = signoff(*arguments, "--json", stdin=stdin)
    assert status == result.exit_code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def failure(*arguments: str) -> type[BaseException]:
    result = signoff(*arguments)
    assert result.exit_code != 0
    assert isinstance(result.exception, SignoffError)
    return type(result.exception)


def test_a_recipient_leaves_comes_back_with_consent_and_is_erased() -> None:
    """Catalogue Q6, Q12."""
    left = rows("recipient", "unsubscribe", "ann@x.com")
    shown = rows("recipient", "show", "ann@x.com")
    stale = failure(
        "recipient", "resubscribe", "ann@x.com", "--consent", "by phone", "--sequence", "0"
    )
    back = rows("recipient", "resubscribe", "ann@x.com", "--consent", "by phone", "--sequence", "1")
    history = rows("recipient", "show", "ann@x.com", "--history")
    erased = rows("recipient", "erase", "ann@x.com", "--yes")

    assert [("all", "unsubscribed", "api", 1)] == [
        (row["scope"], row["state"], row["source"], row["sequence"]) for row in shown
    ]
    assert Conflict is stale
    assert [False, True] == [left[0]["subscribed"], back[0]["subscribed"]]
    assert ["Email Unsubscribed", "Email Resubscribed"] == [row["event"] for row in history]
    assert [{"recipient": left[0]["recipient"], "was_known": True}] == erased
    assert [] == rows("recipient", "show", "ann@x.com", "--history")


def test_erasing_asks_first() -> None:
    assert 1 == signoff("recipient", "erase", "ann@x.com", stdin=b"n\n").exit_code


def test_a_resubscribe_without_words_of_consent_is_a_wrong_command() -> None:
    """Catalogue Q6."""
    assert (
        2
        == signoff(
            "recipient", "resubscribe", "ann@x.com", "--consent", " ", "--sequence", "1"
        ).exit_code
    )
    assert 2 == signoff("recipient", "resubscribe", "ann@x.com", "--consent", "yes").exit_code


def test_groups_of_a_recipient_go_by_their_ids() -> None:
    rows("groups", "create", "Offers")
    rows("recipient", "unsubscribe", "dan@x.com", "--group", "OFFERS")

    shown = rows("recipient", "show", "dan@x.com")

    assert [("all", "subscribed"), ("offers", "unsubscribed")] == [
        (row["scope"], row["state"]) for row in shown
    ]


def test_what_is_no_address_and_what_is_no_brand_are_said_to_be() -> None:
    assert AddressInvalid is failure("recipient", "show", "nobody")
    assert NotFound is failure("recipient", "show", "ann@x.com", "--brand", "nowhere")


def test_a_list_goes_in_and_comes_out_as_it_was(tmp_path: Path) -> None:
    """Catalogue Q8."""
    people = [f"{sign}p{number}@list.example" for number in range(1200) for sign in ("", "+")][
        :1500
    ]
    source = tmp_path / "in.csv"
    source.write_text(
        "Email,Created\n" + "".join(f"{one},1577854800\n" for one in people) + "broken\n"
    )

    dry = facts("suppressions", "import", str(source), "--dry-run", status=1)
    untouched = rows("suppressions", "list", "--source", "import")
    report = facts("suppressions", "import", str(source), status=1)
    exported = signoff("suppressions", "export", str(tmp_path / "out.csv"), "--source", "import")
    again = facts("suppressions", "import", str(tmp_path / "out.csv"))

    listed = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert [] == untouched
    assert (1501, 1500, 1) == (report["read"], report["accepted"]["all"], report["refused_count"])
    assert {**dry, "dry_run": False, "id": report["id"]} == report
    assert [{"line": 1502, "reason": "an address has an @"}] == report["refused"]
    assert 0 == exported.exit_code and "1500 rows" in exported.stderr
    assert set(people) == {row["address"].removeprefix("'") for row in listed}
    assert {"2020-01-01T05:00:00.000Z"} == {row["since"] for row in listed}
    assert (1500, []) == (again["accepted"]["all"], again["refused"])
    assert 7 == len(rows("suppressions", "list", "--source", "import", "--limit", "7"))


def test_a_list_may_come_from_stdin_and_go_to_stdout() -> None:
    report = facts(
        "suppressions", "import", "-", "--group", "all", stdin=b'{"email":"stdin@x.com"}\n'
    )

    lines = [
        json.loads(line)
        for line in signoff("suppressions", "export", "--ndjson").stdout.splitlines()
    ]

    assert 1 == report["accepted"]["all"]
    assert "stdin@x.com" in {line.get("address") for line in lines}


def test_what_holds_since_a_time_is_asked_for_by_it(tmp_path: Path) -> None:
    """Catalogue Q8: who unsubscribed, by which way, since when."""
    rows(
        "suppressions",
        "import",
        "-",
        stdin=b"email,created\nold@when.example,1577854800\nnew@when.example,\n",
    )

    def listed(*options: str) -> set[object]:
        return {
            row["address"] for row in rows("suppressions", "list", "--limit", "9999", *options)
        } & {
            "old@when.example",
            "new@when.example",
        }

    exported = signoff(
        "suppressions", "export", "--until", "2021-01-01", "--since", "2020-01-01T05:00:00Z"
    ).stdout
    assert {"new@when.example"} == listed("--since", "1h")
    assert {"old@when.example"} == listed("--until", "2021-01-01")
    assert "old@when.example" in exported and "new@when.example" not in exported
    assert 2 == signoff("suppressions", "list", "--since", "yesterday").exit_code


def test_a_file_that_cannot_be_written_is_a_wrong_command(tmp_path: Path) -> None:
    assert [2, 2] == [
        signoff("suppressions", "export", str(path)).exit_code
        for path in (tmp_path, tmp_path / "missing" / "out.csv")
    ]


def test_a_token_is_minted_with_the_url_in_which_it_works_and_opens_from_it() -> None:
    """Catalogue T4: for each purpose another path."""
    for purpose, place in {
        "one_click": "/u?qmoe=",
        "callback": "/v1/emailunsubscribe?qmoe=",
        "preferences": "/preferences?e=",
    }.items():
        (made,) = rows(
            "token",
            "mint",
            "ann@x.com",
            "--purpose",
            purpose,
            "--campaign",
            "spring",
            "--group",
            "news",
        )
        for text in (str(made["url"]), f"{made['url']}&utm_source=x", str(made["token"])):
            (seen,) = rows("token", "open", text)
            assert ("acme", "ann@x.com", purpose, "spring") == (
                seen["brand"],
                seen["recipient"],
                seen["purpose"],
                seen["campaign"],
            )
        assert str(made["url"]).endswith(f"{place}{made['token']}")
    assert AddressInvalid is failure("token", "mint", "a b@x.com")


def test_what_is_copied_from_a_table_is_never_broken_over_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    (made,) = rows("token", "mint", "ann@x.com")

    alone, several = (
        signoff("token", "mint", "ann@x.com").stdout,
        signoff("suppressions", "list").stdout,
    )

    assert str(made["url"]) in alone.split()
    assert all(str(row["recipient"]) in several.split() for row in rows("suppressions", "list"))


def test_an_export_that_fails_leaves_no_file(tmp_path: Path) -> None:
    assert NotFound is failure(
        "suppressions", "export", str(tmp_path / "out.csv"), "--brand", "nowhere"
    )
    assert [] == [path for path in tmp_path.iterdir() if path.name.startswith((".out", "out"))]


def test_an_unknown_source_is_a_wrong_command() -> None:
    assert 2 == signoff("suppressions", "list", "--source", "telepathy").exit_code


def test_a_key_is_made_listed_without_its_secret_and_revoked() -> None:
    """Catalogue L8."""
    (made,) = rows("keys", "api", "create", "CRM", "--scope", "read", "--scope", "write")
    wide = rows("keys", "api", "create", "Everything", "--brand", "*", "--scope", "keys")
    (revoked,) = rows("keys", "api", "revoke", str(made["id"]))
    listed = rows("keys", "api", "list")

    assert ("acme", "read, write", "-") == (made["brand"], made["scopes"], made["revoked"])
    assert str(made["text"]).startswith(f"so_{made['id']}_")
    assert revoked["revoked"] != "-"
    assert [revoked] == listed
    assert (
        ["*"]
        == [row["brand"] for row in wide]
        == [row["brand"] for row in rows("keys", "api", "list", "--brand", "*")]
    )
    assert NotFound is failure("keys", "api", "revoke", "0" * 16)


def test_a_file_that_is_not_there_is_a_wrong_command(tmp_path: Path) -> None:
    assert 2 == signoff("suppressions", "import", str(tmp_path / "missing.csv")).exit_code
    assert 2 == signoff("suppressions", "import", str(tmp_path)).exit_code


def test_the_keyring_of_the_settings_is_listed_and_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one that happens to lie in the folder."""
    elsewhere = tmp_path / "elsewhere.toml"
    signoff("keys", "init", str(elsewhere))
    signoff("keys", "init")
    monkeypatch.setenv("SIGNOFF_KEYRING_FILE", str(elsewhere))

    assert 0 == signoff("keys", "rotate").exit_code

    assert [1, 2] == [row["id"] for row in rows("keys", "list")]
    assert [1] == [row["id"] for row in rows("keys", "list", "var/keys/keyring.toml")]


def test_an_import_is_previewed_made_and_taken_back_as_a_person_reads_it(tmp_path: Path) -> None:
    """Catalogue N1, N2: who has spoken since keeps what they said."""
    signoff("groups", "create", "Newsletter")
    source = tmp_path / "list.csv"
    source.write_text(
        "email,status,group\nu1@undo.example,unsubscribed,Newsletter\nu2@undo.example,unsubscribed,\nu3@undo.example,active,\n"
        "u4@undo.example,vip,\nu5@undo.example,unsubscribed,Nowhere\nu6@undo.example,unsubscribed,\n"
    )

    preview = signoff("suppressions", "import", str(source), "--dry-run")
    made = signoff("suppressions", "import", str(source))
    import_id = made.stdout.strip().rpartition(" ")[2].strip("`")
    signoff("recipient", "unsubscribe", "u6@undo.example")
    listed = rows("suppressions", "imports")
    undone = facts("suppressions", "undo", import_id)
    again = facts("suppressions", "undo", import_id)
    left = {
        row["address"]: row["source"]
        for row in rows("suppressions", "list", "--limit", "100000")
        if "@undo.example" in str(row["address"])
    }

    assert preview.exit_code == made.exit_code == 1
    assert (
        "6 lines read, 3 accepted\n  2 would leave all mail\n  1 would leave Newsletter\n1"
        " subscribed, skipped\n" in preview.stdout
    )
    assert "line 2: u1@undo.example would leave Newsletter" in preview.stdout
    assert (
        'line 5: the status "vip" says neither that they have left nor that they are subscribed'
        in preview.stderr
    )
    assert 'line 6: the brand has no subscription group "Nowhere"' in preview.stderr
    assert listed[0]["id"] == import_id
    assert (3, 2, 1) == (undone["changed"], undone["put_back"], undone["kept"])
    assert (3, 0, 3) == (again["changed"], again["put_back"], again["kept"])
    assert {"u6@undo.example": "api"} == left


def test_an_import_that_was_never_made_cannot_be_undone() -> None:
    """Catalogue N2."""
    assert NotFound is failure("suppressions", "undo", "0123456789abcdef")


def test_an_export_to_a_dash_goes_to_stdout(tmp_path: Path) -> None:
    result = signoff("suppressions", "export", "-")

    assert result.stdout.startswith("recipient,address,")
    assert not Path("-").exists()
