"""Stored bytes: what is written is read back, and foreign bytes are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.model import (
    BrandNumber,
    CampaignId,
    GroupKey,
    Preferences,
    RecipientDigest,
    Source,
    Statement,
    Subscription,
)
from app.store import codec

statements = st.builds(
    Statement,
    id=st.binary(min_size=16, max_size=16),
    brand=st.integers(1, 65535).map(BrandNumber),
    digest=st.binary(min_size=10, max_size=10).map(RecipientDigest),
    groups=st.lists(st.integers(1, 2**32 - 1).map(GroupKey), max_size=60).map(tuple),
    subscribed=st.booleans(),
    source=st.sampled_from(Source),
    at_ms=st.integers(0, 2**48 - 1),
    campaign=st.text(max_size=50).map(CampaignId),
    key_id=st.integers(0, 2**32 - 1),
    sealed_address=st.binary(max_size=300),
    expected_sequence=st.none() | st.integers(0, 2**32 - 1),
    home=st.integers(0, 255),
)


@given(statement=statements)
def test_a_statement_is_read_as_it_was_written(statement: Statement) -> None:
    assert statement == codec.decode_statement(codec.encode_statement(statement))


@given(statement=statements, data=st.data())
def test_a_statement_that_was_cut_or_extended_is_refused(
    statement: Statement, data: st.DataObject
) -> None:
    packed = codec.encode_statement(statement)
    cut = data.draw(st.integers(0, len(packed) - 1))

    for damaged in (packed[:cut], packed + b"\0"):
        with pytest.raises(ValueError):
            codec.decode_statement(damaged)


@given(noise=st.binary(max_size=120))
def test_noise_is_refused_or_read_but_never_breaks(noise: bytes) -> None:
    for decode in (
        codec.decode_statement,
        codec.decode_preferences,
        lambda record: codec.decode_known(b"d" * 10, record),
    ):
        try:
            decode(noise)
        except ValueError:
            continue


def test_a_statement_that_was_stored_before_there_were_data_centres_is_at_home_here() -> None:
    stored = bytes.fromhex(
        "01"
        + "69" * 16
        + "0007"
        + "64" * 10
        + "02"
        + "01"
        + "0000000003e8"
        + "00000003"
        + "00000005"
        + "0000"
        + "0000"
        + "0000"
    )

    statement = codec.decode_statement(stored)

    assert (0, 5, 1000) == (statement.home, statement.expected_sequence, statement.at_ms)
    assert stored == codec.encode_statement(statement)


def test_a_statement_of_a_newer_version_is_refused() -> None:
    packed = codec.encode_statement(
        Statement(
            id=b"i" * 16,
            brand=BrandNumber(1),
            digest=RecipientDigest(b"d" * 10),
            groups=(),
            subscribed=False,
            source=Source.API,
            at_ms=1,
        )
    )

    with pytest.raises(ValueError, match="version 2"):
        codec.decode_statement(b"\x02" + packed[1:])


def test_a_record_with_only_the_global_state_is_22_bytes() -> None:
    record = bytes.fromhex("01 00000002 00000000 05 0000000003e8 018bcfe56800")

    left = Subscription(
        subscribed=False, source=Source.LIST_UNSUBSCRIBE, since_ms=1000, last_ms=1_700_000_000_000
    )
    assert 22 == len(record)
    assert Preferences(everything=left, sequence=2) == codec.decode_preferences(record)


@pytest.mark.parametrize(
    ("extension", "sealed"),
    [
        pytest.param("0003 616263", b"abc", id="an address"),
        pytest.param("8003 0000000003e8 616263", b"abc", id="an address from after an erasure"),
        pytest.param("8000 0000000003e8", b"", id="erased"),
    ],
)
def test_an_extended_record_says_the_same_and_its_address(extension: str, sealed: bytes) -> None:
    plain = bytes.fromhex("01 00000002 00000000 05 0000000003e8 018bcfe56800")
    extended = b"\x02" + plain[1:5] + bytes.fromhex(extension) + plain[5:]

    known = codec.decode_known(b"0123456789", extended)

    assert (
        codec.decode_preferences(plain) == known.preferences == codec.decode_preferences(extended)
    )
    assert sealed == known.sealed_address
    assert b"" == codec.decode_known(b"0123456789", plain).sealed_address


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x03\0\0\0\0", id="newer version"),
        pytest.param(b"\x02\0\0\0\0", id="no extension"),
        pytest.param(b"\x02\0\0\0\0\0\5abc", id="a short address"),
        pytest.param(b"\x02\0\0\0\0\x80\0\0\0", id="a short time of erasure"),
        pytest.param(b"\x01\0\0\0\0" + b"\0" * 16, id="a byte short"),
        pytest.param(b"\x01\0\0\0\0" + b"\0" * 17, id="no such source"),
    ],
)
def test_a_foreign_record_is_refused(record: bytes) -> None:
    with pytest.raises(ValueError):
        codec.decode_preferences(record)
