"""Which one-click URLs `signoff check --probe` may POST to: ours with a token that saves nothing,
those of others only when told so.

A POST to somebody else's one-click URL is the recipient's request to leave: it cannot be taken
back.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from app import wiring
from app.cli.check_report import Judged
from app.core.errors import TokenError
from app.core.links import one_click_prefix
from app.core.mail.lint.rules import Finding
from app.core.model import Purpose
from app.settings.load import is_configured, load

_MOST_URLS = 5  # of one mail


class Prober:
    """Probes the URLs of one mail after the other."""

    def __init__(self, *, yes: bool, allow_private: bool, ca_file: Path | None) -> None:
        self._yes = yes
        self._allow_private = allow_private
        self._ca_file = ca_file

    async def __call__(self, mail: Judged) -> Judged:
        """Return the mail with what probing its URLs has shown."""
        from app.outbound.probe import probe  # with h11 and h2, which no other command needs

        found: list[Finding] = []
        for uri in [uri for uri in mail.uris if uri.lower().startswith("https://")][:_MOST_URLS]:
            target = _harmless(uri) or (uri if self._yes else None)
            if target is None:
                found.append(
                    Finding(
                        "probe-not-asked",
                        "the URL is not ours: --yes probes it, and unsubscribes the recipient",
                    )
                )
            else:
                found += await probe(
                    target, allow_private=self._allow_private, ca_file=self._ca_file
                )
        return mail.with_findings(list(_once(found)))


def _once(findings: Sequence[Finding]) -> Iterator[Finding]:
    yield from dict.fromkeys(findings)


def _harmless(uri: str) -> str | None:
    """Return our own URL with a token in it that is acknowledged and saves nothing; None when the
    URL is not ours.
    """
    if not is_configured():
        return None
    settings = load()
    prefix = one_click_prefix(settings.public_url)
    if not uri.startswith(prefix):
        return None
    codec = wiring.token_codec(settings)
    try:
        claims = codec.open(uri.removeprefix(prefix), purpose=Purpose.ONE_CLICK)
    except TokenError:
        return None
    minter = codec.minter(
        brand=claims.brand,
        purpose=Purpose.ONE_CLICK | Purpose.PROBE,
        at_ms=wiring.now_ms(),
        test=True,
    )
    return prefix + minter.mint(address=claims.address, digest=claims.digest)
