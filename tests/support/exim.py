"""A private Exim on loopback: own configuration, own spool, gone when its user is done. `sh
.ci/exim` puts the program in its place.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / "var/interop/exim/usr/sbin/exim4"
USER = "Debian-exim"  # compiled into Debian's Exim
BASE = """\
exim_path = {folder}/exim
spool_directory = {folder}/spool
log_file_path = {folder}/spool/%slog
pid_file_path = {folder}/spool/pid
primary_hostname = exim.example
domainlist local_domains =
local_interfaces = 127.0.0.1
deliver_drop_privilege
keep_environment =
tls_advertise_hosts =
acl_smtp_rcpt = everybody
dkim_verify_signers =
"""
ACLS = """\
begin acl
everybody:
  accept hosts = 127.0.0.1
"""
LAST_HOP = """\
last_hop:
  driver = manualroute
  transport = last_hop
  route_list = * 127.0.0.1
  self = send
"""
LAST_HOP_TRANSPORT = """\
last_hop:
  driver = smtp
  port = {port}
  allow_localhost
"""


@contextmanager
def exim(
    folder: Path, *, main: str, routers: str, transports: str, last_port: int
) -> Iterator[None]:
    """Run Exim in a folder that its own user can reach, with a guide's lines in front of its own,
    and a last hop behind everything.
    """
    assert PROGRAM.exists(), "Exim is missing: sh .ci/exim"
    (folder / "spool").mkdir(parents=True)
    # it starts itself again for each delivery, and its user need not reach this checkout
    shutil.copy(PROGRAM, folder / "exim")
    shutil.chown(folder / "spool", USER, USER)
    configuration = folder / "exim.conf"
    configuration.write_text(
        BASE.format(folder=folder) + main + ACLS
        + "begin routers\n" + routers + LAST_HOP
        + "begin transports\n" + transports + LAST_HOP_TRANSPORT.format(port=last_port)
    )  # fmt: skip
    command = [str(folder / "exim"), "-C", str(configuration), "-bdf"]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command,
            user=USER,
            group=USER,
            extra_groups=(),
            cwd=folder,
            stdout=output,
            stderr=output,
        )
    try:
        yield
        assert process.poll() is None, log_of(folder)
    finally:
        process.terminate()
        process.wait(timeout=20)
        # deliveries outlive the daemon, and write into a folder that is about to go
        while left := _running(folder / "exim"):
            for number in left:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)


def _running(program: Path) -> list[int]:
    """Return the processes of a program, which is a copy that nobody else runs."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "exe").readlink() == program:
                found.append(int(process.name))
    return found


def log_of(folder: Path) -> str:
    """Return the end of what Exim has said."""
    files = [folder / "output", folder / "spool/mainlog", folder / "spool/paniclog"]
    return "\n".join(file.read_text()[-3000:] for file in files if file.exists())
