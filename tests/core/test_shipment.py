"""A statement on its way home: what arrives is what was said, and nothing else opens."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import (
    InvalidInput,
    TokenError,
    TokenKeyUnknown,
    TokenMalformed,
    TokenTagInvalid,
)
from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.model import BrandNumber, CampaignId, GroupKey, RecipientDigest, Source, Statement
from app.core.shipment import SCHEDULE, Shipment, home, home_key, home_of, pack, seal, unpack
from app.core.webhook import (
    Delivery,
    DeliveryResult,
    Reach,
    ReceiverAnswer,
    WebhookFormat,
    endpoint_key,
    judge,
)

OLD = MasterKey(id=1, secret=b"1" * 32, status=KeyStatus.ACTIVE)
NEW = MasterKey(id=2, secret=b"2" * 32, status=KeyStatus.PRIMARY, not_before_ms=1000)
PEPPER = b"p" * 32
KEYRING = Keyring(keys=[OLD, NEW], pepper=PEPPER)

statements = st.builds(
    Statement,
    id=st.binary(min_size=16, max_size=16),
    brand=st.integers(1, 65535).map(BrandNumber),
    digest=st.binary(min_size=10, max_size=10).map(RecipientDigest),
    groups=st.lists(st.integers(0, 2**32 - 1).map(GroupKey), max_size=60).map(tuple),
    subscribed=st.booleans(),
    source=st.sampled_from(Source),
    at_ms=st.integers(0, 2**48 - 1),
    campaign=st.text(max_size=50).map(CampaignId),
    key_id=st.integers(0, 255),
    sealed_address=st.binary(max_size=340),
    expected_sequence=st.none() | st.integers(0, 2**32 - 1),
    home=st.integers(1, 99),
)
STATEMENT = Statement(
    id=b"i" * 16,
    brand=BrandNumber(7),
    digest=RecipientDigest(b"d" * 10),
    groups=(GroupKey(5),),
    subscribed=False,
    source=Source.MAILTO,
    at_ms=5000,
    campaign=CampaignId("spring-24"),
    key_id=1,
    sealed_address=b"\x01sealed",
    home=2,
)


def sealed(content: object) -> tuple[bytes, str]:
    body = json.dumps(content).encode()
    return body, seal(KEYRING, body, at_ms=2000)


@given(statement=statements)
def test_what_was_said_arrives_whole_but_for_the_condition_that_counts_changes_elsewhere(
    statement: Statement,
) -> None:
    body = pack(statement, sender=1)

    shipment = unpack(KEYRING, body, seal(KEYRING, body, at_ms=2000))

    assert (
        Shipment(
            statement=statement._replace(expected_sequence=None, home=0),
            sender=1,
            home=statement.home,
        )
        == shipment
    )


@given(position=st.integers(0, len(pack(STATEMENT, sender=1)) - 1), change=st.integers(1, 255))
def test_a_body_with_one_changed_byte_does_not_open(position: int, change: int) -> None:
    """A forged time or source is refused, whatever the forger knows of the rest."""
    body = pack(STATEMENT, sender=1)
    forged = body[:position] + bytes((body[position] ^ change,)) + body[position + 1 :]

    with pytest.raises(TokenTagInvalid):
        unpack(KEYRING, forged, seal(KEYRING, body, at_ms=2000))


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("", TokenMalformed),
        ("x", TokenMalformed),
        ("1.x.00", TokenMalformed),
        ("1.².00", TokenMalformed),
        ("1.9999.00", TokenMalformed),
        ("2.2.00", TokenMalformed),
        ("1.2.", TokenTagInvalid),
        ("1.2.é", TokenTagInvalid),
        ("1.77.00", TokenKeyUnknown),
    ],
)
def test_what_is_no_seal_of_ours_is_refused(value: str, error: type[TokenError]) -> None:
    with pytest.raises(error):
        unpack(KEYRING, pack(STATEMENT, sender=1), value)


def test_a_seal_of_another_installation_is_refused() -> None:
    body = pack(STATEMENT, sender=1)
    stranger = Keyring(
        keys=[MasterKey(id=2, secret=b"x" * 32, status=KeyStatus.PRIMARY)], pepper=PEPPER
    )

    with pytest.raises(TokenTagInvalid):
        unpack(KEYRING, body, seal(stranger, body, at_ms=2000))


def test_a_revoked_key_seals_nothing_any_more() -> None:
    body = pack(STATEMENT, sender=1)
    value = seal(KEYRING, body, at_ms=2000)
    revoked = Keyring(
        keys=[OLD, MasterKey(id=2, secret=NEW.secret, status=KeyStatus.REVOKED)], pepper=PEPPER
    )

    with pytest.raises(TokenKeyUnknown):
        unpack(revoked, body, value)


PLAIN = json.loads(pack(STATEMENT, sender=1))


@pytest.mark.parametrize(
    "content",
    [
        [],
        None,
        {key: value for key, value in PLAIN.items() if key != "home"},
        PLAIN | {"version": 2},
        PLAIN | {"id": "00"},
        PLAIN | {"recipient": "zz" * 10},
        PLAIN | {"brand": 70_000},
        PLAIN | {"brand": True},
        PLAIN | {"groups": "all"},
        PLAIN | {"groups": [2**32]},
        PLAIN | {"groups": [1] * 256},
        PLAIN | {"subscribed": 1},
        PLAIN | {"source": "oracle"},
        PLAIN | {"at_ms": -1},
        PLAIN | {"at_ms": 1.5},
        PLAIN | {"campaign": "c" * 2000},
        PLAIN | {"campaign": 5},
        PLAIN | {"address": "!"},
    ],
)
def test_a_genuine_body_that_cannot_be_read_is_invalid_and_so_stays_with_its_sender(
    content: object,
) -> None:
    with pytest.raises(InvalidInput) as raised:
        unpack(KEYRING, *sealed(content))

    assert not isinstance(raised.value, TokenError)


def test_the_key_of_a_data_centre_is_told_from_every_endpoint_of_a_brand() -> None:
    endpoint = endpoint_key(BrandNumber(1), "https://hooks.example/a", WebhookFormat.STANDARD)

    assert [0, 1, 99] == [home_of(endpoint), home_of(home_key(1)), home_of(home_key(99))]


def test_a_data_centre_is_reached_by_the_callback_api_under_its_base() -> None:
    assert (
        "https://api-02.example.com/s/v1/emailunsubscribe"
        == home(2, "https://api-02.example.com/s/", Reach.PUBLIC).url
    )


@pytest.mark.parametrize(
    "answer",
    [
        ReceiverAnswer(status=410),
        ReceiverAnswer(status=400),
        ReceiverAnswer(reason="no connection"),
        ReceiverAnswer(blocked=True, reason="private"),
    ],
)
def test_nothing_but_success_ends_the_way_home(answer: ReceiverAnswer) -> None:
    delivery = Delivery(
        endpoint=home_key(2), statement=STATEMENT, changed=(), sequence=1, queued_ms=0
    )
    pauses = []
    for _ in range(len(SCHEDULE) + 3):
        verdict = judge(delivery, answer, now_ms=0, chance=0, schedule=SCHEDULE, endless=True)
        assert DeliveryResult.FAILED is verdict.result
        delivery = verdict.delivery
        pauses.append(verdict.due_ms)

    assert [round(1000 * pause) for pause in (*SCHEDULE, *SCHEDULE[-1:] * 3)] == pauses
    assert (
        DeliveryResult.DELIVERED
        is judge(
            replace(delivery), ReceiverAnswer(status=200), now_ms=0, chance=0, endless=True
        ).result
    )
