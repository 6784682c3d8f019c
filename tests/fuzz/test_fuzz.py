"""A short run of every fuzz target, always with the same inputs, and every input that is kept."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.targets import TARGETS, corpus

KEPT = [(name, path) for name in TARGETS for path in corpus(name)]


@pytest.mark.parametrize("name", TARGETS)
def test_what_must_hold_of_any_input_holds(name: str) -> None:
    target = TARGETS[name]
    with target.opened() as check:

        @settings(
            max_examples=target.examples,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(target.inputs)
        def tried(octets: bytes) -> None:
            check(octets)

        tried()


@pytest.mark.parametrize(("name", "path"), KEPT, ids=[f"{name}-{path.name}" for name, path in KEPT])
def test_what_failed_once_holds(name: str, path: Path) -> None:
    with TARGETS[name].opened() as check:
        check(path.read_bytes())
