"""What a line of the log may say: one record, and no address, whoever named it."""

import io
import json
import sys
import time
from collections.abc import Iterator

import pytest

from app.observe import log as logs
from app.observe.log import LogEvent

SAYINGS = (
    "550 5.1.1 <Zed@Quux.example>: no such user",
    'to "zed smith"@quux.example',
    "bounce+zed=quux.example@acme.example",
    "zed%40quux.example",
    "b'zed@[192.0.2.1]'",
    "zed@quux.example\r\n550 next",
    "back\\zed@quux.example\\",
)


@pytest.fixture(params=["json", "readable"])
def written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the process writes to stderr, in each form."""
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    logs.configure(readable=request.param == "readable")
    yield stderr
    monkeypatch.undo()
    logs.configure()


@pytest.mark.parametrize("saying", SAYINGS)
def test_what_others_say_names_nobody(written: io.StringIO, saying: str) -> None:
    """Catalogue L9: in a value, in a list, in a record of its own, in an exception."""
    log = logs.logger("relay")

    log.info(LogEvent.COPY_REFUSED, reply=saying, replies=[saying, 1], details={"last": saying, "none": None})
    log.error(LogEvent.UNEXPECTED_ERROR, exc_info=ValueError(saying))

    assert "zed" not in written.getvalue().lower()
    assert "copy_refused" in written.getvalue()
    assert "ValueError" in written.getvalue()


def test_a_line_is_one_record_whatever_is_hidden_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catalogue L9."""
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    logs.configure()

    for saying in SAYINGS:
        logs.logger("relay").info(LogEvent.COPY_REFUSED, reply=saying, tries=2, known=True)

    records = [json.loads(line) for line in stderr.getvalue().splitlines()]
    assert [(record["tries"], record["known"]) for record in records] == [(2, True)] * len(SAYINGS)
    monkeypatch.undo()
    logs.configure()


TOKEN = "AQ" + "cT-_9" * 24
QUOTING = (
    "554 5.7.1 spam link https://unsubscribe.acme.example/u?qmoe={}",
    "554 blocked: https://u.example/u/{}>",
    "550 <https://u.example/v1/emailunsubscribe?x=1&QMOE%3D{}>",
    "550 see https://u.example/preferences?e={} for details",
)


@pytest.mark.parametrize("saying", QUOTING)
def test_a_reply_that_quotes_our_link_tells_no_token(written: io.StringIO, saying: str) -> None:
    """Catalogue N19: who reads the log could act for the recipient."""
    log = logs.logger("relay")

    log.info(LogEvent.COPY_REFUSED, reply=saying.format(TOKEN), replies=[saying.format(TOKEN)])
    log.error(LogEvent.UNEXPECTED_ERROR, exc_info=ValueError(saying.format(TOKEN)))

    assert TOKEN[10:40] not in written.getvalue()
    assert "(token)" in written.getvalue()


def test_what_is_no_address_stays_as_it_is(written: io.StringIO) -> None:
    logs.logger("relay").info(LogEvent.COPY_REFUSED, reply="451 4.7.1 greylisted 100% of new senders")

    assert "451 4.7.1 greylisted 100% of new senders" in written.getvalue()
    assert "(address)" not in written.getvalue()


def test_a_long_text_without_a_space_takes_no_time(written: io.StringIO) -> None:
    """A bound that only time in proportion to the square of the length could miss."""
    began = time.process_time()

    logs.logger("relay").info(LogEvent.COPY_REFUSED, reply="a" * 200_000 + " @")

    assert time.process_time() - began < 10
    assert "copy_refused" in written.getvalue()
