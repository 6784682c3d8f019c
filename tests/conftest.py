"""What holds for every test, and what a run with the tests of the architecture tells at its end:
which requirements no test names yet.

That stands here, and not in `architecture`, because with several workers the process that writes
the summary collects no tests: it knows only this file.
"""

from collections.abc import Iterator

import pytest
import structlog

from tests.architecture.catalogue import P0, P1, named_ids


@pytest.fixture(autouse=True)
def logging_of_its_own() -> Iterator[None]:
    """Take back how a test set up logging: the next one, whichever that is, reads other lines."""
    yield
    structlog.reset_defaults()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = (
        report
        for group in ("passed", "failed", "error")
        for report in terminalreporter.getreports(group)
    )
    if not any(report.nodeid.startswith("tests/architecture/") for report in reports):
        return
    named = named_ids()
    for priority, ids in (("P0", P0), ("P1", P1)):
        missing = [known for known in ids if known not in named]
        proved = f"{len(ids) - len(missing)} of {len(ids)} proved"
        terminalreporter.write_line(
            f"catalogue {priority}: {proved}; not yet: {' '.join(missing) or 'none'}"
        )
