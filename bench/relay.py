"""The relay beside Postfix with opendkim: mails a second and CPU a mail, end to end, on one machine
in one run.

    python -m bench.relay [--rounds 5] [--mails 3000] [--sessions 50] [--octets 10240]

smtp-source → system under test → smtp-sink, the systems taking turns. A round ends when the last
mail has left the system: the relay says 250 after that, Postfix before. Before anything is timed,
one copy from each system must carry a good signature, and ours the two header fields. The relay
runs as it comes, with the embedded store under its state folder; the store's CPU time is told
apart.
"""

import argparse
import base64
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import dkim
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from app.settings import first_run
from bench.peers import PROGRAMS, Peer, Signing, postfix, send, sink, wait_drained
from bench.processes import (
    Program,
    cpu_ms,
    end,
    end_on_sigterm,
    listens,
    need,
    wait_until,
    working_in,
)
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
DOMAIN, SELECTOR = "acme.example", "s1"
SENDER, RECIPIENT = "bounce@acme.example", "ann@example.net"
RELAY = "Signoff relay, one process"
SIGNATURES = 1500


@dataclass(slots=True, kw_only=True)
class Series:
    """What the rounds of one system showed."""

    peer: Peer
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)  # ms a mail
    store: list[float] = field(default_factory=list)  # ms a mail, of the store beside it
    # CPU a mail in bare signatures of the same round
    signatures: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is sent in each round."""

    mail: Path
    mails: int
    sessions: int


def main() -> None:
    """Run the rounds and print a Markdown table."""
    options = _options()
    need(PROGRAMS)
    end_on_sigterm()
    with ExitStack() as stack:
        folder, ram = (folder_in(stack, place) for place in (None, "/dev/shm"))
        first_run.prepare(folder / "state")
        key = folder / "state/keys/acme-s1.pem"
        load = Load(
            mail=write_mail(folder, options.octets), mails=options.mails, sessions=options.sessions
        )
        port = free_port()
        relay, store = stack.enter_context(running_relay(folder / "state", port))
        signing = Signing(domain=DOMAIN, selector=SELECTOR, key=key)
        peers = [relay]
        for name, place in (("queue on disk", folder), ("queue on RAM disk", ram)):
            beside = postfix(
                place / "postfix", f"Postfix + opendkim, {name}", sink_port=port, signing=signing
            )
            peers.append(stack.enter_context(beside))
        with sink(folder, port, dump=True):
            for peer in peers:
                _check_sample(peer, load, folder / "dump", key)
        with sink(folder, port):
            series, bare = _rounds(peers, load, store, options.rounds, key)
    _print(series, bare, options)


def folder_in(stack: ExitStack, parent: str | None) -> Path:
    """Return a temporary folder that goes with the stack."""
    folder = Path(
        stack.enter_context(tempfile.TemporaryDirectory(prefix="signoff-bench-", dir=parent))
    )
    folder.chmod(0o755)  # Postfix and the sink work as other users
    return folder


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.relay")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mails", type=int, default=3000)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--octets", type=int, default=10240)
    return parser.parse_args()


def write_mail(folder: Path, octets: int) -> Path:
    """Write a promotional mail of about this size, with the line ends of the system."""
    head = (
        f"From: Acme News <news@{DOMAIN}>\nTo: Ann <{RECIPIENT}>\nSubject: Spring is here\nDate:"
        " Tue, 03 Mar 2026 10:00:00 +0000\nMessage-ID:"
        f" <20260303100000.4c2f1a@{DOMAIN}>\nMIME-Version: 1.0\nContent-Type: text/plain;"
        " charset=us-ascii\nX-Signoff-Campaign: spring-24\n\n"
    )
    line = "Tulips, daffodils and hyacinths, all of them at half their price.\n"
    mail = folder / "mail.txt"
    mail.write_text(head + line * (octets // (len(line) + 1)))
    return mail


@contextmanager
def running_relay(state: Path, sink_port: int) -> Iterator[tuple[Peer, int]]:
    """Run the relay of this repository in development mode; yield it and the process number of its
    store.
    """
    port = free_port()
    environment = {
        "SIGNOFF_STATE_DIR": str(state),
        "SIGNOFF_RELAY__LISTEN": f"127.0.0.1:{port}",
        "SIGNOFF_RELAY__LMTP_LISTEN": f"127.0.0.1:{free_port()}",
        "SIGNOFF_RELAY__HEALTH_LISTEN": f"127.0.0.1:{free_port()}",
        "SIGNOFF_RELAY__DOWNSTREAM": f"smtp://127.0.0.1:{sink_port}?tls=none",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "smtp_proxy", "relay"]
    folder = state / "store"
    try:
        with Program(
            command, log=state / "relay.log", cwd=state, environment=environment
        ) as program:
            program.ready(lambda: listens(port))
            (store,) = working_in(folder)
            yield Peer(name=RELAY, port=port, pids=(program.pid,), log=program.log), store
    finally:
        # the store has detached itself, and outlives a relay that did not end well
        end(working_in(folder))


def _check_sample(peer: Peer, load: Load, dump: Path, key: Path) -> None:
    before = set(dump.iterdir())
    send(peer, load.mail, mails=1, sessions=1, envelope=(SENDER, RECIPIENT))
    wait_drained(peer)
    wait_until(lambda: len(set(dump.iterdir()) - before) == 1, f"no copy from {peer.name}")
    (path,) = set(dump.iterdir()) - before
    copy = path.read_bytes().replace(b"\n", b"\r\n")
    public = (
        load_pem_private_key(key.read_bytes(), None)
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    if not dkim.verify(copy, dnsfunc=lambda *_, **__: record):
        raise RuntimeError(f"the signature of {peer.name} does not verify")
    stamped = b"List-Unsubscribe=One-Click" in copy and b"List-Unsubscribe: <https://" in copy
    if peer.queue is None and not stamped:
        raise RuntimeError(f"the copy of {peer.name} is not stamped")


def _rounds(
    peers: Sequence[Peer], load: Load, store: int, rounds: int, key: Path
) -> tuple[list[Series], float]:
    series = [Series(peer=peer) for peer in peers]
    signer = load_pem_private_key(key.read_bytes(), None)
    assert isinstance(signer, rsa.RSAPrivateKey)
    for peer in peers:
        _run(peer, replace(load, mails=max(load.mails // 4, load.sessions)))
    bare = []
    for number in range(rounds):
        signature = _bare_signature_ms(signer)
        bare.append(signature)
        for one in series:
            _measure(one, load, store if one.peer.name == RELAY else None, signature)
        print(
            f"round {number + 1} of {rounds}:"
            f" {', '.join(f'{one.rates[-1]:.0f}/s' for one in series)}",
            file=sys.stderr,
        )
    return series, statistics.median(bare)


def _measure(series: Series, load: Load, store: int | None, signature: float) -> None:
    cpu, beside = cpu_ms(*series.peer.pids), cpu_ms(store) if store else 0.0
    seconds = _run(series.peer, load)
    cpu = (cpu_ms(*series.peer.pids) - cpu) / load.mails
    series.rates.append(load.mails / seconds)
    series.cpu.append(cpu)
    series.signatures.append(cpu / signature)
    series.store.append((cpu_ms(store) - beside) / load.mails if store else 0.0)


def _run(peer: Peer, load: Load) -> float:
    began = time.perf_counter()
    send(peer, load.mail, mails=load.mails, sessions=load.sessions, envelope=(SENDER, RECIPIENT))
    wait_drained(peer)
    return time.perf_counter() - began


def _bare_signature_ms(key: rsa.RSAPrivateKey) -> float:
    digest, scheme, hashed = bytes(32), padding.PKCS1v15(), utils.Prehashed(SHA256())
    began = time.process_time()
    for _ in range(SIGNATURES):
        key.sign(digest, scheme, hashed)
    return (time.process_time() - began) * 1000 / SIGNATURES


def _print(series: Sequence[Series], bare: float, options: argparse.Namespace) -> None:
    print(
        f"{options.octets} octets, {options.sessions} sessions kept open, {options.mails} mails a"
        f" round, medians of {options.rounds} interleaved rounds; a bare RSA-2048 signature took"
        f" {bare:.3f} ms of CPU.\n"
    )
    print(
        "| system | mails/s | CPU ms a mail | in bare signatures | store, CPU ms a mail | relay is"
        " faster by | relay's CPU is less by |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    ours = series[0]
    for one in series:
        faster = statistics.median(
            mine / theirs for mine, theirs in zip(ours.rates, one.rates, strict=True)
        )
        less = statistics.median(
            theirs / mine for mine, theirs in zip(ours.cpu, one.cpu, strict=True)
        )
        store = f"{statistics.median(one.store):.3f}" if one is ours else "–"
        print(
            f"| {one.peer.name} | {statistics.median(one.rates):,.0f} |"
            f" {statistics.median(one.cpu):.2f} | {statistics.median(one.signatures):.2f} | {store}"
            f" | {faster:.2f} × | {less:.2f} × |"
        )


if __name__ == "__main__":
    main()
