"""What is fuzzed: each target is one function of octets, with what must hold of any input in one
sentence.

`make test` tries a few hundred inputs of each, always the same, and all of tests/corpus; `make
fuzz` goes on with new ones.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from app.core import subject
from app.core.errors import (
    InvalidInput,
    MalformedMessage,
    MessageTooLarge,
    RuleViolation,
    TokenError,
)
from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.lists.reader import Entry, ListReader
from app.core.lists.records import RecordReader
from app.core.lz_string import decompress_base64
from app.core.mail import controls, lint
from app.core.mail.inbound import Incoming
from app.core.mail.message import parse, parse_loosely
from app.core.mail.sender import from_domains
from app.core.model import BrandNumber, CampaignId, Purpose
from app.core.token import TokenCodec
from tests.core.lists.test_formats import SAMPLES
from tests.core.mail.test_inbound import everything_of
from tests.fuzz import words
from tests.fuzz.imports import imported
from tests.fuzz.mutation import mutated
from tests.support.corpus import MAILS
from tests.support.lz_string import packed
from tests.support.relay import ACME, PROMOTIONAL, relaying
from tests.support.upstream import Recorder, listening
from tests.web.running import running

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 20.0  # a bound for liveness, never what a target decides by
Check = Callable[[bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One function, what must hold of it, and inputs for it."""

    invariant: str
    opened: Callable[[], AbstractContextManager[Check]]
    inputs: st.SearchStrategy[bytes]
    examples: int = 100  # in `make test`


def _pure(check: Check) -> Callable[[], AbstractContextManager[Check]]:
    @contextmanager
    def opened() -> Iterator[Check]:
        yield check

    return opened


def inbound(octets: bytes) -> None:
    """Read a mail to the inbox for everything it can be asked for."""
    everything_of(Incoming.read(octets, null_sender=False))


def message(octets: bytes) -> None:
    """Cut a mail, joined again it is the same; read its From and its marks."""
    for cut in (parse, parse_loosely):
        with suppress(MalformedMessage, MessageTooLarge, RuleViolation):
            found = cut(octets)
            assert octets == found.head + found.separator + bytes(found.body)
            assert found.head == b"".join(field.raw for field in found.fields)
            controls.read(found)
            for field in found.fields:
                with suppress(MalformedMessage):
                    assert from_domains(field.value)


def judged(octets: bytes) -> None:
    """Judge a mail as `signoff check` does; every finding can be printed."""
    for finding in lint.judge(octets, ()):
        assert finding.code
        assert not any(char < " " for char in finding.what)


_KEYRING = Keyring(
    keys=(MasterKey(id=1, secret=b"k" * 32, status=KeyStatus.PRIMARY),), pepper=b"p" * 32
)
_CODEC = TokenCodec(keyring=_KEYRING, data_centre=1)
_DIGEST = _CODEC.digest("ann@example.net", brand=BrandNumber(7))
_SHORT = _CODEC.short_minter(brand=BrandNumber(7), groups=(), at_ms=1_795_262_400_000).mint(_DIGEST)
_MINTED = _CODEC.minter(
    brand=BrandNumber(7),
    purpose=Purpose.ONE_CLICK,
    at_ms=1_795_262_400_000,
    campaign=CampaignId("c"),
).mint(address="ann@example.net", digest=_DIGEST)


def token(octets: bytes) -> None:
    """Open a token: the one that was minted, however it was quoted, or a TokenError."""
    text = octets.decode("latin-1")
    with suppress(TokenError):
        assert _CODEC.open(text, purpose=Purpose.ONE_CLICK).address == "ann@example.net"


def short_token(octets: bytes) -> None:
    """Open the token of a mail-to address: it tells the recipient for whom it was minted, or
    nothing.
    """
    with suppress(TokenError):
        assert _CODEC.open_short(octets.decode("latin-1")).digest == _DIGEST


def mailto_subject(octets: bytes) -> None:
    """Read the subject of a forwarded mail-to; what it holds comes back as it was encoded."""
    text = octets.decode("utf-8", "replace")
    with suppress(InvalidInput, ValueError):
        identifier, found = subject.decode(text)
        assert (identifier, found) == subject.decode(subject.encode(identifier, found))
    assert len(list(subject.readings(text))) <= len(text) + 100


def lz(octets: bytes) -> None:
    """Unpack what a page sent; never more than was allowed."""
    with suppress(ValueError):
        assert len(decompress_base64(octets.decode("latin-1"), most_units=5_000)) <= 5_000


def lists(octets: bytes) -> None:
    """Read a list: the same whatever pieces it came in, and every line with its number."""
    whole, pieces = _entries(octets, max(1, len(octets))), _entries(octets, 7)
    assert whole == pieces
    assert all(entry.line >= 1 for entry in whole)
    assert all(entry.problem or entry.address or entry.digest for entry in whole)


def _entries(octets: bytes, size: int) -> list[Entry]:
    records, reader = RecordReader(), ListReader()
    found = [
        record
        for at in range(0, len(octets), size)
        for record in records.feed(octets[at : at + size])
    ]
    return [
        entry for record in (*found, *records.end()) if (entry := reader.read(record)) is not None
    ]


@contextmanager
def smtp() -> Iterator[Check]:
    """A real session: whatever is said, each reply is one of ours, and none tells of an error of
    ours.
    """
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        _, port = runner.run(stack.enter_async_context(listening(Recorder())))

        async def talk(octets: bytes) -> None:
            said = await _exchange("127.0.0.1", port, octets)
            assert re.fullmatch(rb"(?:[2-5][0-9]{2}[ -][ -~]*\r\n)+", said), said
            assert b"451 4.3.0" not in said

        yield lambda octets: runner.run(talk(octets))
        runner.run(stack.aclose())


@contextmanager
def http() -> Iterator[Check]:
    """A real public listener: whatever comes, the answers are whole and none is 500, and without a
    good token nobody leaves.
    """
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        site = runner.run(stack.enter_async_context(running()))
        host, _, port = site.addresses["public"].rpartition(":")

        async def talk(octets: bytes) -> None:
            said = await _exchange(host, int(port), octets)
            assert not said or re.match(rb"HTTP/1\.[01] [1-5][0-9]{2}[ \r]", said), said[:200]
            assert b"HTTP/1.1 500" not in said
            assert b"\r\nlocation:" not in said.lower()
            assert (await site.state()).sequence == 0

        yield lambda octets: runner.run(talk(octets))
        runner.run(stack.aclose())


async def _exchange(host: str, port: int, octets: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    said = b""
    with suppress(ConnectionError):
        writer.write(octets)
        writer.write_eof()
        async with asyncio.timeout(SECONDS):
            while piece := await reader.read(65_536):
                said += piece
    writer.transport.abort()
    return said


@contextmanager
def relayed() -> Iterator[Check]:
    """A whole relay: a mail is refused, or leaves with the body that it came with; an answer never
    tells of an error of ours.
    """
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        relay = runner.run(stack.enter_async_context(relaying(ACME)))

        async def send(octets: bytes) -> None:
            mail = (
                octets.replace(b"\0", b"")
                .replace(b"\r\n", b"\n")
                .replace(b"\r", b"\n")
                .replace(b"\n", b"\r\n")
            )
            before = len(relay.sink.received)
            reply = await relay.relayed(mail)
            assert re.match(r"[245][0-9]{2} [245]\.", reply), reply
            assert not reply.startswith("451 4.3.0"), reply
            for received in relay.sink.received[before:]:
                body = mail.partition(b"\r\n\r\n")[2]
                assert received.content.rstrip(b"\r\n").endswith(body.rstrip(b"\r\n")), (
                    "the body was changed"
                )
                head = received.content.partition(b"\r\n\r\n")[0]
                assert not re.search(rb"(?im)^X-Signoff-", head), (
                    "a mark of the sender left with the mail"
                )

        yield lambda octets: runner.run(send(octets))
        runner.run(stack.aclose())


_MAILS = [*MAILS.values(), PROMOTIONAL]
_SUBJECTS = [
    subject.encode("42", _MINTED).encode(),
    b"Unsubscribe | cattr:NDI=-" + _MINTED.encode(),
    b"Re: unsubscribe",
    b"",
]
_PACKED = [
    packed({"id": "acme", "unsubGroups": [{"name": "News", "isUnsubscribed": True}]}).encode(),
    packed({}).encode(),
]
_TOPIC = {"TopicName": "n", "SubscriptionStatus": "OPT_OUT"}
_LISTS = [
    *(sample.encode() for sample in SAMPLES.values()),
    json.dumps(
        {
            "Contacts": [
                {
                    "EmailAddress": "a@x.com",
                    "TopicPreferences": [{"TopicName": "n", "SubscriptionStatus": "OPT_OUT"}],
                }
            ]
        }
    ).encode(),
    json.dumps(
        {
            "data": {
                "results": [{"uuid": "u", "email": "a@x.com", "status": "enabled", "lists": []}]
            }
        },
        indent=1,
    ).encode(),
    b"ann@x.com\nbob@x.com;vip\n",
]
_DIALOGUES = [
    b"EHLO x\r\nMAIL FROM:<a@acme.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n"
    + PROMOTIONAL
    + b"\r\n.\r\nQUIT\r\n",
    b"QUIT\r\n",
]
_REQUESTS = [
    (
        b"POST /u?qmoe=AQEBx HTTP/1.1\r\nHost: a\r\nContent-Length:"
        b" 26\r\n\r\nList-Unsubscribe=One-Click"
    ),
    b"GET /preferences?e=AQEB HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    (
        b"POST /v1/emailunsubscribe HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:"
        b" chunked\r\n\r\n5\r\nqmoe=\r\n0\r\n\r\n"
    ),
]
_NO_PLACEHOLDER = re.compile(rb"\*\||\{\{|<%|%[a-z_]+%|\{|\[\[|##", re.IGNORECASE)


def _plain(octets: bytes) -> bool:
    return _NO_PLACEHOLDER.search(octets) is None


_MAIL_INPUTS = mutated(_MAILS, words.MAIL)
TARGETS: Mapping[str, Target] = {
    "inbound": Target(
        invariant="Any octets can be read as a mail to the inbox.",
        opened=_pure(inbound),
        inputs=_MAIL_INPUTS,
    ),
    "message": Target(
        invariant="A mail is cut without changing an octet, or refused by one of three errors.",
        opened=_pure(message),
        inputs=_MAIL_INPUTS,
    ),
    "lint": Target(
        invariant="Any octets can be judged, and what is said can be printed.",
        opened=_pure(judged),
        inputs=_MAIL_INPUTS,
    ),
    "token": Target(
        invariant="A token opens as what was minted, or not at all.",
        opened=_pure(token),
        inputs=mutated(
            [_MINTED.encode()], [b"%", b"%3D", b"=", b"+", b" ", b">", b".", b"A", b"\xff"]
        ),
    ),
    "mailto": Target(
        invariant="The token of a mail-to address opens as what was minted, or not at all.",
        opened=_pure(short_token),
        inputs=mutated(
            [_SHORT.encode(), _SHORT.upper().encode()],
            [b"a", b"7", b"=", b"1", b" ", b"\xdf", b"\xff"],
        ),
    ),
    "subject": Target(
        invariant="Any subject is read, and read again the same.",
        opened=_pure(mailto_subject),
        inputs=mutated(_SUBJECTS, [b"|", b"cattr:", b"-", b"=", b"%", b" ", b"Fwd: ", b"\xc3\xa9"]),
    ),
    "lz": Target(
        invariant="Whatever is unpacked stays within its bound.",
        opened=_pure(lz),
        inputs=mutated(_PACKED, [b"N", b"A", b"+", b"/", b"=", b"$"]),
    ),
    "lists": Target(
        invariant="A list is read the same whatever pieces it comes in.",
        opened=_pure(lists),
        inputs=mutated(_LISTS, words.LIST),
        examples=300,
    ),
    "imports": Target(
        invariant="Only lines that are accepted act, and importing again changes nothing.",
        opened=_pure(imported),
        inputs=mutated(_LISTS, words.LIST),
    ),
    "smtp": Target(
        invariant="Every reply of a session is one of ours, whatever was said.",
        opened=smtp,
        inputs=mutated(_DIALOGUES, words.SMTP),
        examples=60,
    ),
    "http": Target(
        invariant=(
            "No octets make a listener fail, redirect, or unsubscribe anybody without a token."
        ),
        opened=http,
        inputs=mutated(_REQUESTS, words.HTTP),
        examples=60,
    ),
    "relay": Target(
        invariant="A mail is refused or leaves with its body as it came.",
        opened=relayed,
        inputs=_MAIL_INPUTS.filter(_plain),
        examples=60,
    ),
}


def corpus(name: str) -> Sequence[Path]:
    """Return the inputs that are kept for a target."""
    return sorted((ROOT / "corpus" / name).glob("*")) if (ROOT / "corpus" / name).is_dir() else []
