"""No installed library is older than its last known hole allows."""

from importlib.metadata import version

import pytest

FLOORS = {
    "aiosmtpd": "1.4.6",
    "h11": "0.16",
    "h2": "4.3",
    "hypercorn": "0.18",
    "starlette": "1.3.1",
    "redis": "4.5.4",
    "jinja2": "3.1.6",
}


def parts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


@pytest.mark.parametrize("library", sorted(FLOORS))
def test_a_library_is_at_its_security_floor_or_above(library: str) -> None:
    """Catalogue L6."""
    assert parts(version(library)) >= parts(FLOORS[library])
