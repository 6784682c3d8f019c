"""`signoff check` as a person runs it: inputs of every kind, reports of every form, exit codes."""

import json
import mailbox
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.__main__ import commands
from app.cli import check as check_command
from app.cli.output import run
from tests.support.dkim_keys import RSA_PEM, signed_copy

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "check"
RUNNER = CliRunner()
HEAD = b"From: Acme <news@acme.example>\r\nTo: ann@example.net\r\nSubject: Spring\r\n"
REST = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nHello\r\n"
MAIL = (SAMPLES / "good.eml").read_bytes().replace(b"\n", b"\r\n")


@pytest.fixture
def signed(tmp_path: Path) -> tuple[Path, str]:
    place = tmp_path / "signed.eml"
    place.write_bytes(signed_copy(MAIL))
    (tmp_path / "key.pem").write_bytes(RSA_PEM)
    return place, f"s1._domainkey.acme.example={tmp_path / 'key.pem'}"


def test_a_signed_mail_meets_the_rules(signed: tuple[Path, str]) -> None:
    place, key = signed

    done = RUNNER.invoke(commands, ["check", str(place), "--dkim-key", key])

    assert done.exit_code == 0, done.output
    assert "meets the rules" in done.output
    assert "provider's choice" in done.output, "it never promises the button"


def test_json_says_what_why_and_how() -> None:
    done = RUNNER.invoke(commands, ["check", str(SAMPLES / "nothing.eml"), "--no-dns", "--json"])

    (message,) = json.loads(done.stdout)["messages"]
    assert done.exit_code == 1
    assert message["meets_the_rules"] is False
    assert {finding["code"] for finding in message["findings"]} == {
        "lu-missing",
        "lup-missing",
        "dkim-missing",
    }
    assert all(finding["why"] and finding["how"] for finding in message["findings"])


def test_a_whole_folder_is_judged_at_once() -> None:
    done = RUNNER.invoke(commands, ["check", str(SAMPLES), "--no-dns", "--json"])

    report = json.loads(done.stdout)
    assert (len(report["messages"]), report["failing"]) == (10, 10)


def test_a_maildir_and_an_mbox_are_read(tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "maildir")
    box.add((SAMPLES / "good.eml").read_bytes())
    (tmp_path / "box").write_bytes(
        b"From x\n"
        + (SAMPLES / "good.eml").read_bytes()
        + b"\nFrom y\n"
        + (SAMPLES / "twice.eml").read_bytes()
    )

    done = RUNNER.invoke(
        commands, ["check", str(tmp_path / "maildir"), str(tmp_path / "box"), "--no-dns", "--json"]
    )

    assert len(json.loads(done.stdout)["messages"]) == 3


def test_standard_input_is_read() -> None:
    done = RUNNER.invoke(
        commands,
        ["check", "-", "--no-dns", "--json"],
        input=(SAMPLES / "post_value.eml").read_bytes(),
    )

    assert [message["name"] for message in json.loads(done.stdout)["messages"]] == ["stdin"]


def test_sarif_names_every_rule_it_uses() -> None:
    done = RUNNER.invoke(commands, ["check", str(SAMPLES), "--no-dns", "--format", "sarif"])

    (sarif_run,) = json.loads(done.stdout)["runs"]
    known = {rule["id"] for rule in sarif_run["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in sarif_run["results"]} <= known
    assert {result["level"] for result in sarif_run["results"]} <= {"error", "warning", "note"}


def test_junit_counts_what_fails() -> None:
    done = RUNNER.invoke(commands, ["check", str(SAMPLES), "--no-dns", "--format", "junit"])

    suite = ET.fromstring(done.stdout)
    assert (suite.get("tests"), suite.get("failures")) == ("10", "10")
    assert len(suite.findall("testcase/failure")) == 10


@pytest.mark.parametrize(
    "arguments",
    [
        ["nowhere.eml"],
        [str(SAMPLES / "good.eml"), "--dkim-key", "nonsense"],
        [str(SAMPLES / "good.eml"), "--dkim-key", "a=nowhere.pem"],
    ],
)
def test_what_cannot_be_read_is_a_usage_error(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["signoff", "check", *arguments])

    with pytest.raises(SystemExit) as ended:
        run(commands)

    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_an_empty_folder_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["signoff", "check", str(tmp_path)])

    with pytest.raises(SystemExit) as ended:
        run(commands)

    assert ended.value.code == 2


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"hello", bytes(range(256)) * 50])
def test_what_is_no_mail_is_a_finding_and_no_traceback(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "thing").write_bytes(content)

    done = RUNNER.invoke(commands, ["check", str(tmp_path / "thing"), "--no-dns", "--json"])

    assert done.exit_code == 1
    assert [finding["code"] for finding in json.loads(done.stdout)["messages"][0]["findings"]] == [
        "not-a-mail"
    ]


def test_more_than_is_read_is_a_verdict_with_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_command, "MAX_BYTES", 1000)
    (tmp_path / "huge.eml").write_bytes(MAIL + b"x" * 2000)

    done = RUNNER.invoke(commands, ["check", str(tmp_path / "huge.eml"), "--no-dns", "--json"])

    assert [finding["code"] for finding in json.loads(done.stdout)["messages"][0]["findings"]] == [
        "too-large"
    ]


def test_a_key_that_nobody_answers_for_is_a_warning(signed: tuple[Path, str]) -> None:
    place, _ = signed

    done = RUNNER.invoke(commands, ["check", str(place), "--no-dns", "--json"])

    (message,) = json.loads(done.stdout)["messages"]
    assert [(finding["code"], finding["severity"]) for finding in message["findings"]] == [
        ("dkim-unverified", "warning")
    ]


def test_the_url_of_somebody_else_is_not_probed_without_being_told(
    signed: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, key = signed
    monkeypatch.chdir(tmp_path)

    done = RUNNER.invoke(commands, ["check", str(place), "--dkim-key", key, "--probe", "--json"])

    (message,) = json.loads(done.stdout)["messages"]
    assert [finding["code"] for finding in message["findings"]] == ["probe-not-asked"]


def test_one_mail_whose_probe_goes_wrong_hides_the_report_of_no_other(tmp_path: Path) -> None:
    """Catalogue N37."""
    link = b"<https://127.0.0.1:9/u?qmoe=x>"
    (tmp_path / "a.eml").write_bytes(
        HEAD + b"List-Unsubscribe: <https://127.0.0.1:9/\xc3\xbc>\r\n" + REST
    )
    (tmp_path / "b.eml").write_bytes(HEAD + b"List-Unsubscribe: " + link + b"\r\n" + REST)

    done = RUNNER.invoke(
        commands,
        ["check", str(tmp_path), "--no-dns", "--probe", "--yes", "--allow-private", "--json"],
    )

    told = [
        {finding["code"] for finding in message["findings"]}
        for message in json.loads(done.stdout)["messages"]
    ]
    assert done.exit_code == 1
    assert ["probe-failed" in codes for codes in told] == [True, True]


@pytest.mark.parametrize("form", ["table", "json", "sarif", "junit"])
def test_nothing_of_a_mail_reaches_the_terminal_as_it_is(tmp_path: Path, form: str) -> None:
    """Catalogue N37: control characters of a strange signature, a file's name."""
    signature = (
        b"DKIM-Signature: v=1; a=rsa-sha256; d=\x1b]0;owned\x07\x1b[31m.example; s=\x9b1\x00;"
        b" h=from; bh=AAAA; b=AAAA\r\n"
    )
    (tmp_path / "a\x1b[2J.eml").write_bytes(signature + HEAD + REST)

    done = RUNNER.invoke(commands, ["check", str(tmp_path), "--no-dns", "--format", form])

    assert done.exit_code == 1
    assert all(char.isprintable() or char == "\n" for char in done.output)
    if form == "junit":
        ET.fromstring(done.stdout)
