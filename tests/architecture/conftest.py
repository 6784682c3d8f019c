"""Tells, after the tests, which requirements no test names yet."""

import pytest

from tests.architecture.catalogue import P0, P1, named_ids


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    named = named_ids()
    for priority, ids in (("P0", P0), ("P1", P1)):
        missing = [known for known in ids if known not in named]
        proved = f"{len(ids) - len(missing)} of {len(ids)} proved"
        terminalreporter.write_line(
            f"catalogue {priority}: {proved}; not yet: {' '.join(missing) or 'none'}"
        )
