"""What a line of the log may say: one record, and no address, whoever named it."""

import io
import json
import sys
import time
from collections.abc import Iterator

import pytest

from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.model import BrandNumber, CampaignId, GroupKey, Purpose
from app.core.short_token import ShortMinter
from app.core.token import TokenCodec
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
def written(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[io.StringIO]:
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

    log.info(
        LogEvent.COPY_REFUSED,
        reply=saying,
        replies=[saying, 1],
        details={"last": saying, "none": None},
    )
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


RING = Keyring(
    pepper=b"p" * 32, keys=(MasterKey(id=3, secret=b"3" * 32, status=KeyStatus.PRIMARY),)
)
LONG = (
    "554 see u.example/preferences?e={}",
    "554 QMOE%3D{}",
    "554 qmoe: {}",
    "554 U.EXAMPLE/U/{} is listed",
    "554 u.example%2Fu%2F{}",
    "554 u.example/unsubscribe?x=1&amp;e={}",
    "554 e=3D{}",
    "554 the link {} is listed",
)
SHORT = (
    "550 u-{} unknown",
    "550 <U-{}>: no such user",
    "550 mailto:u-{}%40in.example",
    "550 to='u-{}'",
    "550 u%2D{}",
    "550 to=%3Cu-{}%3E",
)


def long_tokens() -> list[str]:
    """Return the shortest and the longest token that we make."""
    codec, made = TokenCodec(keyring=RING, data_centre=127), []
    for address, campaign in (
        ("a@b.c", ""),
        ("somebody.with.a.long.name@mail.example.com", "spring-2026-everybody"),
    ):
        minter = codec.minter(
            brand=BrandNumber(65_535),
            purpose=Purpose.ONE_CLICK,
            at_ms=0,
            campaign=CampaignId(campaign),
        )
        made.append(
            minter.mint(address=address, digest=codec.digest(address, brand=BrandNumber(65_535)))
        )
    return made


def short_tokens() -> list[str]:
    """Return the shortest and the longest token of a mail-to address, as they stand in it and as a
    server may write them.
    """
    made = []
    for groups in ((), (GroupKey(7), GroupKey(2**32 - 1))):
        minter = ShortMinter.of(RING, data_centre=1, brand=BrandNumber(1), groups=groups, at_ms=0)
        made.append(
            minter.mint(
                TokenCodec(keyring=RING, data_centre=1).digest("a@b.c", brand=BrandNumber(1))
            )
        )
    return [*made, *(text.upper() for text in made)]


@pytest.mark.parametrize(
    ("saying", "token"),
    [(saying, token) for saying in LONG for token in long_tokens()]
    + [(saying, token) for saying in SHORT for token in short_tokens()],
)
def test_a_token_is_known_by_its_shape_in_any_spelling_of_its_link(
    written: io.StringIO, saying: str, token: str
) -> None:
    """Catalogue N19: no scheme, no name of ours and no small letters are needed to copy it from the
    log.
    """
    log = logs.logger("relay")

    log.info(LogEvent.COPY_REFUSED, reply=saying.format(token), replies=[saying.format(token)])
    log.error(LogEvent.UNEXPECTED_ERROR, exc_info=ValueError(saying.format(token)))

    assert token[8:] not in written.getvalue()
    assert token[-16:] not in written.getvalue()
    assert "copy_refused" in written.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "queued as 4F1B2c3DAQx",
        "id AQAAAZ1kX0c",
        "u-turn",
        "menu-abcdefghijklmnopqrst",
        "0123456789abcdef" * 4,
        "EAQ-1 u-boat",
    ],
)
def test_what_only_begins_like_a_token_stays_as_it_is(written: io.StringIO, text: str) -> None:
    logs.logger("relay").info(LogEvent.COPY_REFUSED, reply=text)

    assert text in written.getvalue()


def test_what_is_no_address_stays_as_it_is(written: io.StringIO) -> None:
    logs.logger("relay").info(
        LogEvent.COPY_REFUSED, reply="451 4.7.1 greylisted 100% of new senders"
    )

    assert "451 4.7.1 greylisted 100% of new senders" in written.getvalue()
    assert "(address)" not in written.getvalue()


def test_a_long_text_without_a_space_takes_no_time(written: io.StringIO) -> None:
    """A bound that only time in proportion to the square of the length could miss."""
    began = time.process_time()

    logs.logger("relay").info(LogEvent.COPY_REFUSED, reply="a" * 200_000 + " @")

    assert time.process_time() - began < 10
    assert "copy_refused" in written.getvalue()
