"""Tells, after a run with the tests of the architecture, which requirements no test names yet.

It stands here, and not in `architecture`, because with several workers the process that writes the
summary collects no tests: it knows only this file.
"""

import pytest

from tests.architecture.catalogue import P0, P1, named_ids


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
