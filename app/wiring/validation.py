"""The one validation of a configuration: what every process does before it starts, and what
`signoff config` and `signoff doctor` say.

`load` judges what stands in the settings; this judges also the files that they name, and what only
holds of several settings together. Nothing is made, opened or asked over the network, so it says
the same wherever it runs.
"""

from collections.abc import Callable
from pathlib import Path

from app import wiring
from app.core.downstream import Target
from app.core.errors import Misconfigured
from app.settings.dkim_files import load_keys
from app.settings.load import load
from app.settings.model import Settings
from app.store.connection import connect
from app.wiring.administration import file_key
from app.wiring.certificates import server_context, trusting
from app.wiring.own_address import refuse_own_address

_SECONDS = 1.0


def validated(*, keys_here: bool = False, inbox: bool = False) -> Settings:
    """Return the settings once nothing is wrong with them. Raises Misconfigured with every problem.

    `keys_here`: judge the DKIM keys also where the settings say that the relay alone can read them.
    `inbox`: an inbox is to run, which an installation without a domain for it does not need.
    """
    settings = load()
    problems = problems_of(settings, keys_here=keys_here)
    if inbox and not settings.inbox.domain:
        problems.insert(
            0, "inbox.domain: set the domain whose mail arrives here, such as in.example.com"
        )
    if problems:
        raise Misconfigured(problems)
    return settings


def problems_of(settings: Settings, *, keys_here: bool = True) -> list[str]:
    """Return everything that keeps a process from running by these settings, each as `key: what is
    wrong and what to write`.
    """
    problems: list[str] = []
    for check in _CHECKS:
        _note(lambda check=check: check(settings), problems)  # type: ignore[misc] # a default binds the variable of the loop
    if keys_here or settings.dkim_keys == "shared":
        _note(lambda: load_keys(settings), problems)
    return problems


def _note(make: Callable[[], object], problems: list[str]) -> None:
    try:
        make()
    except Misconfigured as exc:
        problems += exc.problems


def _keyring(settings: Settings) -> None:
    wiring.token_codec(settings)


def _web_certificate(settings: Settings) -> None:
    web = settings.web
    if web.tls_cert_file is not None:
        server_context(web.tls_cert_file, web.tls_key_file, key="web.tls_cert_file")


def _relay_certificate(settings: Settings) -> None:
    relay = settings.relay
    if relay.tls_cert_file is not None:
        server_context(relay.tls_cert_file, relay.tls_key_file, key="relay.tls_cert_file")


def _inbox_certificate(settings: Settings) -> None:
    inbox = settings.inbox
    if inbox.tls_cert_file is not None:
        server_context(inbox.tls_cert_file, inbox.tls_key_file, key="inbox.tls_cert_file")


def _downstream(settings: Settings) -> None:
    relay = settings.relay
    Target.parse(
        relay.downstream, user=relay.downstream_user, password=relay.downstream_password.reveal()
    )
    refuse_own_address(relay)


def _downstream_trust(settings: Settings) -> None:
    relay = settings.relay
    if relay.downstream_ca_file is not None:
        trusting(relay.downstream_ca_file, key="relay.downstream_ca_file")


def _store(settings: Settings) -> None:
    url = settings.store.url
    if url is not None:
        connect(url.reveal(), connections=1, timeout=_SECONDS)


def _admin_key(settings: Settings) -> None:
    file_key(settings.web.admin_key_file)


def _maildir(settings: Settings) -> None:
    folder = settings.inbox.maildir
    if folder is None:
        return
    try:
        obstacle = _obstacle(folder)
    except OSError as exc:
        raise Misconfigured([f"inbox.maildir: {folder}: {exc.strerror}"]) from exc
    if obstacle:
        raise Misconfigured([f"inbox.maildir: {folder}: {obstacle} is no folder"])


def _obstacle(folder: Path) -> Path | None:
    """Return what stands where a folder, or one above it, should be."""
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return None if nearest.is_dir() else nearest


_CHECKS = (
    _downstream,
    _downstream_trust,
    _relay_certificate,
    _web_certificate,
    _inbox_certificate,
    _maildir,
    _keyring,
    _store,
    _admin_key,
)
