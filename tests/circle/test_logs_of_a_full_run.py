"""The logs of every process after everything was done once: complete, in the vocabulary, and
without a word that belongs to a recipient.
"""

import base64
import json
import re
from collections.abc import Iterator
from urllib.parse import quote

from app.observe.log import LogEvent
from tests.support.full_run import FullRun, who
from tests.support.services import COMMANDS

OF_A_MESSAGE = {
    LogEvent.MESSAGE_RELAYED,
    LogEvent.COPY_SUPPRESSED,
    LogEvent.COPY_REFUSED,
    LogEvent.COPY_DEFERRED,
    LogEvent.REPORT_SENT,
    LogEvent.MAILTO_OBEYED,
    LogEvent.MAILTO_IGNORED,
    LogEvent.MAIL_FILED,
    LogEvent.CLICK_ACKNOWLEDGED,
}
OF_A_RECIPIENT = {
    LogEvent.COPY_SUPPRESSED,
    LogEvent.COPY_REFUSED,
    LogEvent.COPY_DEFERRED,
    LogEvent.MAILTO_OBEYED,
    LogEvent.CLICK_ACKNOWLEDGED,
}
SEEN = OF_A_MESSAGE | {
    LogEvent.PROCESS_STARTED,
    LogEvent.PROCESS_STOPPED,
    LogEvent.TOKEN_REFUSED,
    LogEvent.WEBHOOK_DELIVERED,
    LogEvent.WEBHOOK_FAILED,
    LogEvent.CHANGED_BY_HAND,
    LogEvent.MESSAGE_REFUSED,
}
_OPAQUE = re.compile(r"[0-9a-zA-Z-]{10,64}")


def records(run: FullRun) -> Iterator[tuple[str, dict[str, object]]]:
    for process, lines in run.lines.items():
        for line in lines:
            yield process, json.loads(line)


def spellings(text: str) -> set[str]:
    """Return how a text may hide in a line, in lower case: as it is, percent-encoded, in
    hexadecimal, and in Base64 at any offset.
    """
    octets = text.encode()
    shifted = (
        base64.b64encode(b"\0" * shift + octets).decode()[4 * (shift > 0) :] for shift in range(3)
    )
    in_base64 = {piece.rstrip("=")[:-1] for piece in shifted}
    return {spelled.lower() for spelled in (text, quote(text, safe=""), octets.hex(), *in_base64)}


def found(run: FullRun, texts: set[str]) -> list[str]:
    """Return the lines that hold one of these texts, in whatever spelling and case."""
    hidden = set().union(*(spellings(text) for text in texts))
    return [
        line
        for lines in run.lines.values()
        for line in lines
        if any(text in line.lower() for text in hidden)
    ]


def test_the_run_did_what_it_was_to_do(run: FullRun) -> None:
    """What is looked for below can only be missing if it could have been there."""
    told = {did: reply[:3] for did, reply in run.replies.items()}

    assert (
        told["promote ann"]
        == told["password"]
        == told["suppressed"]
        == told["mail-to"]
        == told["mail for people"]
        == "250"
    )
    assert (told["refused"], told["deferred"], told["refused in part"]) == ("550", "451", "250")
    assert {
        told["foreign"][0],
        told["mail-to nobody"][0],
        told["half an address"][0],
        told["wrong password"][0],
    } == {"5"}
    done = ("click", "click again", "callback", "save", "by hand", "import", "new key", "erase")
    assert [run.answers[did] for did in done] == [
        200, 200, 200, 200, 200, 200, 201, 204,
    ]  # fmt: skip
    assert [run.answers[did] for did in ("bad click", "wrong purpose", "no key", "stale")] == [
        404,
        403,
        401,
        409,
    ]
    assert set(run.codes.values()) == {0}


def test_every_line_is_one_record_of_the_vocabulary(run: FullRun) -> None:
    """Catalogue L9."""
    every = list(records(run))

    assert {process for process, _ in every} == set(COMMANDS)
    for _, record in every:
        assert record["event"] in set(LogEvent), record
        assert {"timestamp", "level", "process"} <= set(record), record
    assert not [record for _, record in every if record["event"] == LogEvent.UNEXPECTED_ERROR]
    assert {LogEvent(str(record["event"])) for _, record in every} >= SEEN


def test_no_line_tells_an_address(run: FullRun) -> None:
    """Catalogue L9, M4: not as it is, in capitals, percent-encoded, in hexadecimal or Base64; the
    local part alone would tell it too.
    """
    local_parts = {address.partition("@")[0] for address in run.addresses}

    assert len(local_parts) > 10
    assert found(run, local_parts) == []
    assert found(run, {who("").lstrip(".").partition("+")[0]}) == []


def test_no_line_tells_a_token_or_a_key(run: FullRun) -> None:
    """Catalogue T1, L8: tokens of every kind, good and bad, API keys, passwords, and the secret of
    the webhooks.
    """
    assert len(run.secrets) > 20
    assert found(run, {secret for secret in run.secrets if len(secret) >= 12}) == []


def test_what_is_said_of_a_message_or_a_recipient_names_it(run: FullRun) -> None:
    """Catalogue Q8: by the id of the message or of the event, and by the digest of the
    recipient.
    """
    for _, record in records(run):
        if record["event"] in OF_A_MESSAGE:
            assert _OPAQUE.fullmatch(str(record["id"])), record
        if record["event"] in OF_A_RECIPIENT:
            assert re.fullmatch(r"[0-9a-f]{20}", str(record["recipient"])), record
