"""The mail programs beside which the relay is measured: smtp-source, smtp-sink, and a private
Postfix that signs by opendkim.

Nothing of the machine's own Postfix is touched: configuration, queue, data, log and ports are this
run's own.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Program, end, find, listens, tail, wait_until, working_in
from tests.support.ports import free_port
from tests.support.postfix import BASE, SERVICES

PROGRAMS = {
    "postfix": "postfix",
    "smtp-source": "postfix",
    "smtp-sink": "postfix",
    "opendkim": "opendkim",
}
DAEMONS = Path("/usr/lib/postfix/sbin")

# Every limit that would make Postfix wait is lifted: it accepts and delivers as fast as it can.
_MAIN = """\
relayhost = [127.0.0.1]:{sink}
disable_dns_lookups = yes
smtpd_peername_lookup = no
alias_maps =
local_recipient_maps =
default_process_limit = 200
default_destination_concurrency_limit = 50
initial_destination_concurrency = 50
in_flow_delay = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_milters = unix:{milter}
milter_default_action = tempfail
daemon_directory = {daemons}
"""

_OPENDKIM = """\
Background no
Mode s
Syslog no
UserID postfix
UMask 000
Socket local:{socket}
Domain {domain}
Selector {selector}
KeyFile {key}
RequireSafeKeys no
Canonicalization relaxed/simple
SignatureAlgorithm rsa-sha256
InternalHosts 127.0.0.1
OversignHeaders From
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """With what the peers sign."""

    domain: str
    selector: str
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A running mail system under test."""

    name: str
    port: int
    pids: tuple[int, ...]  # roots of the process trees whose CPU time counts
    log: Path
    # where accepted mail waits; None: it answers only when the mail has been delivered
    queue: Path | None = None

    def drained(self) -> bool:
        """Whether everything that was accepted has been delivered."""
        if self.queue is None:
            return True
        waiting = (self.queue / name for name in ("maildrop", "incoming", "active", "deferred"))
        return not any(files for folder in waiting for _, _, files in os.walk(folder))


@contextmanager
def sink(folder: Path, port: int, *, dump: bool = False) -> Iterator[None]:
    """Run smtp-sink on a port. With `dump` it files every mail it gets in `folder/dump`."""
    command = [_path("smtp-sink"), "-4", "-m", "1000"]
    if os.geteuid() == 0:
        command += ["-u", "nobody"]
    if dump:
        target = folder / "dump"
        target.mkdir(exist_ok=True)
        target.chmod(0o777)
        command += ["-d", f"{target}/"]
    with Program([*command, f"127.0.0.1:{port}", "1000"], log=folder / "sink.log") as program:
        program.ready(lambda: listens(port))
        yield


def send(peer: Peer, mail: Path, *, mails: int, sessions: int, envelope: tuple[str, str]) -> None:
    """Send one mail many times from a sender to numbered recipients, over sessions that stay open;
    raise when any answer is an error.
    """
    sender, recipient = envelope
    command = [
        _path("smtp-source"),
        "-4",
        "-d",
        "-N",
        "-m",
        str(mails),
        "-s",
        str(sessions),
        "-f",
        sender,
        "-t",
        recipient,
    ]
    done = subprocess.run(
        [*command, "-F", str(mail), f"127.0.0.1:{peer.port}"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode or done.stderr:
        raise RuntimeError(f"{peer.name}: {done.stderr or done.returncode}\n{tail(peer.log)}")


@contextmanager
def postfix(folder: Path, name: str, *, sink_port: int, signing: Signing) -> Iterator[Peer]:
    """Run a Postfix that has opendkim sign every mail and relays it to the sink; its queue lies in
    `folder`.
    """
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    socket = folder / "opendkim.sock"
    with (
        _opendkim(folder, socket, signing) as milter,
        _master(folder, socket, sink_port) as (pid, port),
    ):
        yield Peer(
            name=name, port=port, pids=(pid, milter.pid), log=folder / "log", queue=folder / "queue"
        )


@contextmanager
def _opendkim(folder: Path, socket: Path, signing: Signing) -> Iterator[Program]:
    own_key = folder / "dkim.pem"
    shutil.copyfile(signing.key, own_key)
    configuration = folder / "opendkim.conf"
    configuration.write_text(
        _OPENDKIM.format(
            socket=socket, domain=signing.domain, selector=signing.selector, key=own_key
        )
    )
    for path in (folder, own_key):
        shutil.chown(path, "postfix")
    with Program(
        [_path("opendkim"), "-f", "-x", str(configuration)], log=folder / "opendkim.log"
    ) as program:
        program.ready(socket.exists)
        yield program


@contextmanager
def _master(folder: Path, milter: Path, sink_port: int) -> Iterator[tuple[int, int]]:
    port = free_port()
    configuration, queue, data = (folder / name for name in ("etc", "queue", "data"))
    for path in (configuration, queue, data):
        path.mkdir()
    shutil.chown(data, "postfix")
    shutil.chown(folder, "root")
    (configuration / "main.cf").write_text(
        BASE.format(folder=folder) + _MAIN.format(sink=sink_port, milter=milter, daemons=DAEMONS)
    )
    (configuration / "master.cf").write_text(f"{SERVICES}127.0.0.1:{port} inet n - n - - smtpd\n")
    try:
        with Program(
            [_path("postfix"), "-c", str(configuration), "start-fg"], log=folder / "postfix.log"
        ) as program:
            program.ready(lambda: listens(port))
            yield program.pid, port
    finally:
        # a signal to the whole group ends the script that started the master, and not the master
        end(working_in(queue))


def wait_drained(peer: Peer) -> None:
    """Return when the peer has delivered everything; raise TimeoutError after two minutes."""
    wait_until(peer.drained, f"{peer.name} still holds mail", 120)


def _path(program: str) -> str:
    path = find(program)
    if path is None:
        raise FileNotFoundError(program)
    return path
