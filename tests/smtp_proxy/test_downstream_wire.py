"""What the peer's socket sees: the signed bytes, the right parameters, and nothing from an address
that could break its line.
"""

import asyncio
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from smtp_proxy.downstream.transaction import SLICE, Transaction, wire_body
from smtp_proxy.replies import Deferred, Delivered, RefusedCopy, Reply
from tests.support.outgoing import A_COPY, BODY, HEAD, copy_of, downstream_to
from tests.support.sink import Received, Sink

LINES = st.lists(
    st.sampled_from([b"", b".", b"..", b".x", b"x.", b"x", b"\x80\xff", b"- "])
    | st.binary(max_size=40),
    max_size=12,
).map(
    lambda lines: b"".join(line.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n" for line in lines)
)


def _wire(transaction: Transaction) -> bytes:
    return b"".join(transaction.content())


def _unstuffed(wire: bytes) -> bytes:
    assert wire.endswith(b"\r\n.\r\n")
    return b"\r\n".join(line.removeprefix(b".") for line in wire[:-3].split(b"\r\n"))


@given(body=LINES)
@example(body=b"")
@example(body=b".\r\n")
@example(body=b".\r\n.\r\n")
def test_unstuffed_wire_bytes_are_the_signed_bytes(body: bytes) -> None:
    """Catalogue C1: whatever the lines are, un-stuffing gives back head and body, and no line but
    the last is a lone dot.
    """
    wire = _wire(copy_of(body))

    assert HEAD + body == _unstuffed(wire)
    assert 1 == (b"\r\n" + wire).count(b"\r\n.\r\n")


@settings(max_examples=40)
@given(padding=st.integers(-5, 5), lines=LINES, rounds=st.integers(1, 3))
def test_dots_at_the_edge_of_a_slice_are_stuffed_once(
    padding: int, lines: bytes, rounds: int
) -> None:
    """Catalogue C1: bodies of several slices, with lines that start and end around each edge."""
    body = (
        b"".join(
            b"x" * (SLICE - len(lines) // 2 + padding) + b"\r\n" + lines for _ in range(rounds)
        )
        + b"\r\n"
    )
    transaction = copy_of(body)

    wire = _wire(transaction)

    assert HEAD + body == _unstuffed(wire)
    assert all(len(piece) <= SLICE * 2 for piece in transaction.content())


@pytest.mark.parametrize("offset", range(-3, 4))
def test_a_dotted_line_across_the_first_edge_is_stuffed(offset: int) -> None:
    """Catalogue C1."""
    body = b"x" * (SLICE + offset) + b"\r\n.\r\n" + b"y\r\n"

    assert HEAD + body == _unstuffed(_wire(copy_of(body)))


def test_a_head_line_that_starts_with_a_dot_is_stuffed() -> None:
    """Catalogue C1: a field name may start with a dot (RFC 5322 3.6.8)."""
    head = b".X-Odd: 1\r\nFrom: a@acme.example\r\n.Y: 2\r\n\r\n"

    assert head + BODY == _unstuffed(_wire(replace(A_COPY, head=head)))


def test_content_without_a_last_line_end_gets_one_before_the_dot() -> None:
    """RFC 5321 4.1.1.4."""
    assert HEAD + b"no end\r\n.\r\n" == _wire(copy_of(b"no end"))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_body_may_be_any_buffer(kind: type[bytes] | type[bytearray] | type[memoryview]) -> None:
    assert _wire(copy_of(BODY)) == _wire(replace(A_COPY, body=wire_body(kind(BODY))))


async def _receive(sink: Sink, transaction: Transaction) -> Received:
    async with downstream_to(sink) as downstream:
        assert isinstance(await downstream.send(transaction), Delivered)
    return sink.received[-1]


@pytest.mark.parametrize(
    "extensions", [("PIPELINING",), ("8BITMIME",)], ids=["pipelined", "step by step"]
)
@pytest.mark.parametrize(
    "body",
    [BODY, b"", b".\r\n", b"x" * 3_000_000 + b"\r\n.\r\n..\r\n"],
    ids=["small", "empty", "dot", "large"],
)
async def test_the_peer_gets_the_signed_bytes(body: bytes, extensions: tuple[str, ...]) -> None:
    """Catalogue C1."""
    async with Sink(extensions=extensions) as sink:
        received = await _receive(sink, copy_of(body))

    assert HEAD + body == received.content


@pytest.mark.parametrize(
    ("changes", "extensions", "command"),
    [
        ({}, ("PIPELINING",), b"MAIL FROM:<bounce@acme.example>"),
        ({}, ("SIZE 1000000",), b"MAIL FROM:<bounce@acme.example> SIZE=%d" % A_COPY.size),
        ({"sender": ""}, ("SIZE",), b"MAIL FROM:<> SIZE=%d" % A_COPY.size),
        ({"body_8bit": True}, ("8bitmime",), b"MAIL FROM:<bounce@acme.example> BODY=8BITMIME"),
        # ASCII, whatever was declared
        ({"body_8bit": True}, ("SIZE",), b"MAIL FROM:<bounce@acme.example> SIZE=%d" % A_COPY.size),
        ({"smtputf8": True}, ("SMTPUTF8",), b"MAIL FROM:<bounce@acme.example> SMTPUTF8"),
        (
            {"sender": "jörg@acme.example"},
            ("SMTPUTF8",),
            "MAIL FROM:<jörg@acme.example> SMTPUTF8".encode(),
        ),
        (
            {"recipient": "ann@bücher.example"},
            ("SMTPUTF8",),
            b"MAIL FROM:<bounce@acme.example> SMTPUTF8",
        ),
    ],
)
async def test_parameters_are_sent_when_needed_and_offered(
    changes: dict[str, object], extensions: tuple[str, ...], command: bytes
) -> None:
    """Catalogue C3, S6."""
    async with Sink(extensions=extensions) as sink:
        received = await _receive(sink, replace(A_COPY, **changes))  # type: ignore[arg-type] # one dict for fields of several types

    assert command == received.mail


@pytest.mark.parametrize(
    ("changes", "extensions", "reply"),
    [
        ({"recipient": "jörg@example.net"}, ("8BITMIME",), "451 4.6.7"),
        ({"smtputf8": True}, ("8BITMIME",), "451 4.6.7"),
        ({"body_8bit": True, "body": wire_body(b"caf\xc3\xa9\r\n")}, ("SMTPUTF8",), "451 4.6.3"),
        ({"body_8bit": True, "head": HEAD.replace(b"Spring", b"\xe9")}, ("SMTPUTF8",), "451 4.6.3"),
        ({"body": wire_body(b"caf\xc3\xa9\r\n")}, ("SMTPUTF8",), "554 5.6.3"),
        ({"head": HEAD.replace(b"Spring", b"\xe9")}, ("SMTPUTF8",), "554 5.6.3"),
        ({}, ("SIZE 20",), "552 5.3.4"),
    ],
)
async def test_what_the_peer_cannot_take_is_refused_and_not_converted(
    changes: dict[str, object], extensions: tuple[str, ...], reply: str
) -> None:
    """Catalogue C3: for now what was declared, for the extension was offered then and is not next
    time; for good what was not.
    """
    async with Sink(extensions=extensions) as sink, downstream_to(sink) as downstream:
        outcome = await downstream.send(replace(A_COPY, **changes))  # type: ignore[arg-type] # one dict for fields of several types

        assert isinstance(outcome, RefusedCopy if reply.startswith("5") else Deferred)
        assert reply == f"{outcome.reply.code} {outcome.reply.enhanced}"
        assert [b"EHLO relay.example"] == sink.commands


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(
    "content",
    [{"body": wire_body(b"caf\xc3\xa9\r\n")}, {"head": HEAD.replace(b"Spring", b"\xe9")}],
    ids=["body", "head"],
)
async def test_octets_above_127_are_declared_whoever_did_not(
    declared: bool, content: dict[str, object]
) -> None:
    """RFC 6152 3: the next server must know that it may not pass them to one without the
    extension.
    """
    async with Sink() as sink, downstream_to(sink) as downstream:
        outcome = await downstream.send(replace(A_COPY, body_8bit=declared, **content))  # type: ignore[arg-type] # as above

        assert isinstance(outcome, Delivered)
        assert b" BODY=8BITMIME" in sink.received[0].mail


async def test_a_quoted_local_part_with_a_blank_is_sent_as_it_is_written() -> None:
    """RFC 5321 4.1.2: what the entrance takes, the exit takes."""
    async with Sink() as sink, downstream_to(sink) as downstream:
        outcome = await downstream.send(replace(A_COPY, recipient='"a b<>"@example.net'))

        assert isinstance(outcome, Delivered)
        assert (b'RCPT TO:<"a b<>"@example.net>',) == sink.received[0].recipients


HOSTILE = [
    "ann@example.net>\r\nRCPT TO:<eve@example.org",
    "ann@example.net\r",
    "ann@example.net\n",
    "ann\0@example.net",
    "ann @example.net",
    "<ann@example.net",
    "ann@example.net>",
    "ann\x7f@example.net",
    "ann\x85@example.net",
    "ann\udc80@example.net",
    "a" * 243 + "@example.net",
    "ö" * 122 + "@example.net",
]


@pytest.mark.parametrize("address", [*HOSTILE, ""])
async def test_a_hostile_recipient_is_refused_before_a_byte_is_written(address: str) -> None:
    """Catalogue C2."""
    async with Sink() as sink, downstream_to(sink) as downstream:
        outcome = await downstream.send(replace(A_COPY, recipient=address))

        assert (
            RefusedCopy(reply=Reply(553, "5.1.3", "Bad destination mailbox address syntax"))
            == outcome
        )
        assert [] == sink.clients


@pytest.mark.parametrize("address", HOSTILE)
async def test_a_hostile_sender_is_refused_before_a_byte_is_written(address: str) -> None:
    """Catalogue C2."""
    async with Sink() as sink, downstream_to(sink) as downstream:
        outcome = await downstream.send(replace(A_COPY, sender=address))

        assert RefusedCopy(reply=Reply(553, "5.1.7", "Bad sender address syntax")) == outcome
        assert [] == sink.clients


async def test_an_address_of_254_octets_passes() -> None:
    """Catalogue C2."""
    address = "a" * 242 + "@example.net"

    async with Sink() as sink:
        received = await _receive(sink, replace(A_COPY, recipient=address))

    assert (b"RCPT TO:<%s>" % address.encode(),) == received.recipients


async def test_a_pipelined_copy_is_two_writes_long() -> None:
    """The commands arrive before any is answered, and the content in one piece with its dot (RFC
    2920).
    """
    async with Sink() as sink, downstream_to(sink) as downstream:
        await downstream.send(A_COPY)

        assert [b"EHLO relay.example", b"MAIL", b"RCPT", b"DATA"] == [
            sink.commands[0],
            *(line[:4] for line in sink.commands[1:]),
        ]


async def test_lmtp_begins_with_lhlo() -> None:
    """RFC 2033 4.1; with one recipient a transaction, its one reply is that recipient's."""
    async with Sink() as sink, downstream_to(sink, scheme="lmtp") as downstream:
        outcome = await downstream.send(A_COPY)

        assert isinstance(outcome, Delivered)
        assert b"LHLO relay.example" == sink.commands[0]


async def test_a_peer_that_stops_reading_holds_back_a_large_body() -> None:
    """Back-pressure: while the peer does not read, and afterwards, memory stays far below the 20 MB
    that go out.
    """
    transaction = copy_of((b"x" * 996 + b"\r\n.\r\n") * 20_000)
    wire_octets = len(_wire(transaction))
    async with Sink(keep=False) as sink, downstream_to(sink) as downstream:
        sink.may_read.clear()
        tracemalloc.start()
        sending = asyncio.create_task(downstream.send(transaction))
        await sink.reached("DATA")
        for _ in range(50):
            await asyncio.sleep(0.001)
        held_back = not sending.done() and sink.content_octets == 0
        sink.may_read.set()
        outcome = await sending
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert held_back
        assert isinstance(outcome, Delivered)
        assert wire_octets == sink.content_octets
        assert peak < 6_000_000  # the sink's own reader may hold 2 MB of it
