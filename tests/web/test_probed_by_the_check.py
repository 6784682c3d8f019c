"""Our own one-click URL under the probe of `signoff check`: over TLS, HTTP/1.1 and HTTP/2, with a
token that saves nothing.
"""

from pathlib import Path

import pytest
import trustme

from app.outbound.probe import probe
from tests.web.running import running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        place / "cert.pem"
    )
    authority.cert_pem.write_to_path(place / "ca.pem")
    return place / "cert.pem", place / "ca.pem"


async def test_the_probe_finds_nothing_and_changes_nothing(certificate: tuple[Path, Path]) -> None:
    """Catalogue E1, E2, E3, E5, E6, E14, E15, H12."""
    served, authority = certificate
    async with running(certificate_file=served) as site:
        url = f"https://{site.addresses['public_tls']}/u?qmoe={site.token(test=True)}"

        found = await probe(url, allow_private=True, ca_file=authority)

        assert found == []
        assert not await site.left()


async def test_a_token_that_is_not_ours_is_told_by_its_status(
    certificate: tuple[Path, Path],
) -> None:
    served, authority = certificate
    async with running(certificate_file=served) as site:
        found = await probe(
            f"https://{site.addresses['public_tls']}/u?qmoe=garbage",
            allow_private=True,
            ca_file=authority,
        )

    assert {finding.code for finding in found} == {"probe-status"}
