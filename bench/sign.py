"""What a signed copy costs beside a bare OpenSSL signature and beside dkimpy, and what a hostile
body does to the event loop.

    python -m bench.sign [--rounds 80]

All workloads take short turns in one process, so that a busy machine slows all of them alike; CPU
time, medians of the rounds, ratios within each round. "One recipient" is everything from bytes to
signed copy: parse, sender, classify, prepare, body hash, token, stamp, sign. "Each further copy" is
token, stamp, sign. "Without tokens" leaves out links and tokens, to see the mail core alone.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import dkim
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.links import CopyLinks, LinkMaker
from app.core.mail import stamp
from app.core.mail.canonical import BodyMode, body_hash
from app.core.mail.classify import classify
from app.core.mail.message import Message, parse
from app.core.model import (
    Brand,
    BrandId,
    BrandNumber,
    Campaign,
    ExistingHeader,
    Promotional,
    Recipient,
)
from app.core.token import TokenCodec
from smtp_proxy.relay.sign import DkimKey, MessageSignature, Signer, SigningKey

NOW = 1_772_532_000
BARE = "bare OpenSSL RSA-2048 signature of a digest"
HOSTILE_BODY = (b" " * 990 + b"\r\n") * 31_700  # 30 MB

_SECRET = b"a master key of 32 octets exactly"[:32]
_HEAD = b"".join(
    (
        (
            b"Received: from app.acme.example (app.acme.example [192.0.2.7])\r\n\tby"
            b" mx.acme.example with ESMTPS id 4c2f1a\r\n\tfor <ann@example.net>; Tue, 03 Mar 2026"
            b" 10:00:00 +0000\r\n"
        ),
        (
            b"From: Acme News <news@acme.example>\r\nTo: Ann <ann@example.net>\r\nReply-To:"
            b" help@acme.example\r\n"
        ),
        (
            b"Subject: =?utf-8?Q?Spring_is_here_=F0=9F=8C=B7?=\r\n"
            b" =?utf-8?Q?_and_so_are_our_offers?=\r\n"
        ),
        (
            b"Date: Tue, 03 Mar 2026 10:00:00 +0000\r\nMessage-ID:"
            b" <20260303100000.4c2f1a@acme.example>\r\nMIME-Version: 1.0\r\n"
        ),
        (
            b'Content-Type: multipart/alternative;\r\n boundary="----=_Part_4c2f1a"\r\nList-Id:'
            b" Acme News <news.acme.example>\r\n"
        ),
        b"Feedback-ID: spring:acme:news:acmenews\r\nX-Mailer: Acme 7\r\nPrecedence: bulk\r\n",
        b"X-Signoff-Campaign: spring-24\r\nX-Signoff-Groups: news, offers\r\n\r\n",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One workload: median CPU time and its ratio to a bare signature."""

    name: str
    microseconds: float
    ratio: float


class Relay:
    """The parts that a copy passes through, wired as the relay has them."""

    def __init__(
        self,
        private: rsa.RSAPrivateKey,
        *,
        mode: BodyMode = BodyMode.SIMPLE,
        second: bool = False,
        inbox: str = "",
    ) -> None:
        keyring = Keyring(
            keys=[MasterKey(id=1, secret=_SECRET, status=KeyStatus.PRIMARY)], pepper=_SECRET
        )
        self._codec = TokenCodec(keyring=keyring, data_centre=1)
        self._links = LinkMaker(
            codec=self._codec, public_url="https://unsubscribe.example.com", inbox_domain=inbox
        )
        self._brand = Brand(
            id=BrandId("acme"),
            number=BrandNumber(1),
            name="Acme",
            sender_domains=frozenset({"acme.example"}),
        )
        self._mode = mode
        keys = [
            SigningKey(private),
            *([SigningKey(ed25519.Ed25519PrivateKey.generate())] if second else []),
        ]
        self._signer = Signer(
            [
                DkimKey(domain="acme.example", selector=f"s{n}", key=key, canonicalization=mode)
                for n, key in enumerate(keys)
            ]
        )

    def prepare(self, message: Message) -> tuple[stamp.Base, MessageSignature, Campaign]:
        """Do what is done once a message."""
        marking = classify(message, Promotional.MARKED)
        base = stamp.prepare(
            message, existing=ExistingHeader.REPLACE, date=b"now", message_id=b"<a@b>"
        )
        prepared = self._signer.prepare(base, NOW)
        prepared.body_hash = body_hash(base.body, self._mode)
        return base, prepared, marking.campaign

    def links(self, campaign: Campaign) -> CopyLinks:
        """Return what makes the links of one message's copies."""
        return self._links.for_message(self._brand, campaign, at_ms=NOW * 1000)

    def copy(self, base: stamp.Base, prepared: MessageSignature, links: CopyLinks) -> bytes:
        """Do what is done for each copy, and return its header block."""
        digest = self._codec.digest("ann@example.net", brand=self._brand.number)
        return _head(
            base, prepared, links.for_copy(Recipient(address="ann@example.net", digest=digest))
        )

    def one_recipient(self, mail: bytes, fixed: stamp.Links | None = None) -> bytes:
        """Take a mail from its bytes to its signed header block, with links of its recipient or
        with those given.
        """
        base, prepared, campaign = self.prepare(parse(mail))
        return (
            _head(base, prepared, fixed)
            if fixed
            else self.copy(base, prepared, self.links(campaign))
        )


def _head(base: stamp.Base, prepared: MessageSignature, links: stamp.Links) -> bytes:
    stamped = base.stamp(links)
    signature = b"".join(
        text.complete(key.sign(digest)) for key, digest, text in prepared.unsigned(stamped)
    )
    return base.head(signature, *stamped)


def mail_of(size: int) -> bytes:
    """Return a text mail of about this many bytes."""
    line = b"Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod\r\n"
    return _HEAD + line * ((size - len(_HEAD)) // len(line))


def workloads() -> dict[str, tuple[Callable[[], object], int]]:
    """Return every workload with the number of calls in its turn; the bare signature first."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    digest, scheme, hashed = bytes(32), padding.PKCS1v15(), utils.Prehashed(SHA256())
    simple, relaxed, dual = (
        Relay(private),
        Relay(private, mode=BodyMode.RELAXED),
        Relay(private, second=True),
    )
    both = Relay(private, inbox="in.example.com")
    small, medium, large = mail_of(10_240), mail_of(102_400), mail_of(1_048_576)
    base, prepared, campaign = simple.prepare(parse(small))
    links = simple.links(campaign)
    fixed = stamp.Links(
        https_uri="https://unsubscribe.example.com/u?qmoe=" + "a" * 110,
        mailto_uri="mailto:u@in.example.com",
        one_click=True,
    )
    stamped = simple.one_recipient(small) + small.partition(b"\r\n\r\n")[2]
    names = dkim.util.parse_tag_value(parse(stamped).fields[0].value)[b"h"].split(b" : ")
    unsigned = stamped[len(parse(stamped).fields[0].raw) :]
    unsigned_medium = unsigned + medium.partition(b"\r\n\r\n")[2]

    def oracle(mail: bytes) -> object:
        return dkim.sign(
            mail,
            b"s0",
            b"acme.example",
            pem,
            canonicalize=(b"relaxed", b"simple"),
            include_headers=names,
        )

    return {
        BARE: (lambda: private.sign(digest, scheme, hashed), 4),
        "10 KB, one recipient": (lambda: simple.one_recipient(small), 4),
        "10 KB, one recipient, with a mailto too": (lambda: both.one_recipient(small), 4),
        "10 KB, one recipient, without tokens": (lambda: simple.one_recipient(small, fixed), 4),
        "10 KB, one recipient, relaxed body": (lambda: relaxed.one_recipient(small), 4),
        "10 KB, one recipient, ed25519 as second signature": (lambda: dual.one_recipient(small), 4),
        "10 KB, each further copy": (lambda: simple.copy(base, prepared, links), 4),
        "100 KB, one recipient": (lambda: simple.one_recipient(medium), 4),
        "1 MB, one recipient": (lambda: simple.one_recipient(large), 2),
        "parse alone, 10 KB": (lambda: parse(small), 20),
        "dkimpy.sign alone, 10 KB": (lambda: oracle(unsigned), 1),
        "dkimpy.sign alone, 100 KB": (lambda: oracle(unsigned_medium), 1),
    }


def run(rounds: int = 80) -> list[Row]:
    """Measure every workload, in turns."""
    work = workloads()
    seen: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, (call, times) in work.items():
            call()
            started = time.process_time()
            for _ in range(times):
                call()
            seen[name].append((time.process_time() - started) / times * 1e6)
    return [
        Row(
            name=name,
            microseconds=statistics.median(figures),
            ratio=statistics.median(
                figure / bare for figure, bare in zip(figures, seen[BARE], strict=True)
            ),
        )
        for name, figures in seen.items()
    ]


async def loop_lag(mode: BodyMode) -> tuple[float, float]:
    """Hash the hostile body as the relay does; return the seconds it took, and the longest that the
    event loop stood still.
    """
    relay = Signer(
        [
            DkimKey(
                domain="acme.example",
                selector="s",
                key=SigningKey(rsa.generate_private_key(65537, 2048)),
                canonicalization=mode,
            )
        ]
    )
    base = stamp.unchanged(parse(_HEAD + HOSTILE_BODY))
    started = last = time.perf_counter()
    longest = 0.0
    hashing = asyncio.create_task(relay.prepare(base, NOW).hash_body(base.body))
    while not hashing.done():
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return last - started, longest


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=80)
    rows = run(parser.parse_args().rounds)
    print("| stamp and sign | CPU µs (median) | of a bare signature |\n| --- | --- | --- |")
    for row in rows:
        print(f"| {row.name} | {row.microseconds:,.0f} | {row.ratio:.2f} |")
    print(
        "\n| 30 MB of 990-space lines | hashed in ms | event loop held at most ms |\n| --- | --- |"
        " --- |"
    )
    for mode in BodyMode:
        took, longest = asyncio.run(loop_lag(mode))
        print(f"| {mode} body | {took * 1e3:,.0f} | {longest * 1e3:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
