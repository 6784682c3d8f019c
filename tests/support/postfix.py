"""A private Postfix on loopback: own configuration, own queue, gone when its user is done. Needs
root and Debian's package.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

BASE = """\
compatibility_level = 3.6
myhostname = postfix.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_tls_security_level = none
smtputf8_enable = yes
"""
SERVICES = """\
cleanup    unix  n  -  n  -  0  cleanup
qmgr       unix  n  -  n  300  1  qmgr
rewrite    unix  -  -  n  -  -  trivial-rewrite
bounce     unix  -  -  n  -  0  bounce
defer      unix  -  -  n  -  0  bounce
trace      unix  -  -  n  -  0  bounce
flush      unix  n  -  n  1000?  0  flush
proxymap   unix  -  -  n  -  -  proxymap
smtp       unix  -  -  n  -  -  smtp
relay      unix  -  -  n  -  -  smtp
error      unix  -  -  n  -  -  error
retry      unix  -  -  n  -  -  error
anvil      unix  -  -  n  -  1  anvil
scache     unix  -  -  n  -  1  scache
tlsmgr     unix  -  -  n  1000?  1  tlsmgr
postlog    unix-dgram  n  -  n  -  1  postlogd
"""


@contextmanager
def postfix(folder: Path, *, main: str, master: str) -> Iterator[None]:
    """Run Postfix with these lines added to its main.cf and master.cf, in a folder that its own
    user can reach.
    """
    binary = shutil.which("postfix", path="/usr/sbin:/usr/bin:/sbin")
    assert binary, "Postfix is missing: apt-get install postfix"
    configuration = folder / "etc"
    for name in ("etc", "queue", "data"):
        (folder / name).mkdir(parents=True)
    shutil.chown(folder / "data", "postfix")
    (configuration / "main.cf").write_text(BASE.format(folder=folder) + main)
    (configuration / "master.cf").write_text(SERVICES + master)
    subprocess.run(
        [binary, "-c", str(configuration), "start"], check=True, capture_output=True, timeout=60
    )
    try:
        yield
    finally:
        subprocess.run(
            [binary, "-c", str(configuration), "stop"], check=False, capture_output=True, timeout=60
        )


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that a server's own user can reach. Every pytest that starts closes those of
    pytest to all but root.
    """
    with TemporaryDirectory(prefix="signoff-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
