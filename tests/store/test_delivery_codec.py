"""The bytes of a delivery: whole, strict, bounded."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from app.core.model import BrandNumber, GroupKey, Statement
from app.core.webhook import Delivery, WebhookFormat, endpoint_key
from app.store.delivery_codec import decode_delivery, encode_delivery

Make = Callable[..., Statement]


@pytest.fixture
def delivery(make_statement: Make) -> Delivery:
    return Delivery(
        endpoint=endpoint_key(BrandNumber(7), "https://a.example/", WebhookFormat.STREAMS),
        statement=make_statement(groups=(5,)),
        changed=(GroupKey(5), GroupKey(6)),
        sequence=2**32 - 1,
        queued_ms=2**47,
        attempts=9,
        late=True,
        reason="answered 503 ✗",
    )


def test_a_delivery_comes_back_whole(delivery: Delivery) -> None:
    long = replace(delivery, sequence=2**53)  # as it is after a restore

    assert delivery == decode_delivery(delivery.id, encode_delivery(delivery))
    assert long == decode_delivery(delivery.id, encode_delivery(long))


def test_a_long_reason_is_cut_and_nothing_else_suffers(delivery: Delivery) -> None:
    long = replace(delivery, reason="ü" * 5000)

    back = decode_delivery(long.id, encode_delivery(long))

    assert 100 == len(back.reason)
    assert replace(long, reason="") == replace(back, reason="")


def test_foreign_bytes_are_refused(delivery: Delivery) -> None:
    record = encode_delivery(delivery)
    damaged = [record[:cut] for cut in range(len(record))] + [
        b"\x02" + record[1:],
        record[:2] + b"\x08" + record[3:],
        record + b"x",
    ]

    for bytes_ in damaged:
        with pytest.raises(ValueError, match=r".+"):
            decode_delivery(delivery.id, bytes_)
    with pytest.raises(ValueError, match="another id"):
        decode_delivery(delivery.id[:-1] + b"?", record)
