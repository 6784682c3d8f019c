"""What each process loads: the relay, the inbox and the worker speak HTTP for their health alone,
and know no page.
"""

import subprocess
import sys

import pytest

from tests.architecture.test_imports import ROOT, imports, modules, within

PAGES = ("app.web", "app.admin", "starlette.routing", "starlette.requests", "babel", "typer")
LOADED = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(" ".join(sys.modules))
"""


@pytest.mark.parametrize(
    "process", ["smtp_proxy.wiring.relay", "smtp_proxy.wiring.inbox", "app.wiring.worker"]
)
def test_a_process_without_pages_loads_nothing_that_only_pages_need(process: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, process],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    strangers = {name for name in done.stdout.split() if within(name, PAGES)}

    assert not strangers, [chain(process, name) for name in sorted(strangers)]


def chain(process: str, stranger: str) -> str:
    """Return by which of our modules a process came to load another."""
    ways = {process: process}
    queue = [process]
    while queue:
        name = queue.pop(0)
        for found in imports(name, modules()[name]):
            if within(found, (stranger,)) or within(stranger, (found,)):
                return f"{ways[name]} -> {stranger}"
            if found in modules() and found not in ways:
                ways[found] = f"{ways[name]} -> {found}"
                queue.append(found)
    return f"{process} -> a library -> {stranger}"
