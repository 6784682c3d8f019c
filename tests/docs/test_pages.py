"""What the documentation names exists: tests, files, sections, settings, commands, alerts; and
nothing in it goes untested unseen.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml

from app.core.errors import Misconfigured
from app.settings.load import load
from tests.support.command_line import page as command_line
from tests.support.requirements import PAGE
from tests.support.requirements import page as requirements

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
_FENCE = re.compile(r"^ *```(\S*)\n(.*?)^ *```$", re.M | re.S)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")

# What a code block can be, and who runs it.
KINDS = MappingProxyType(
    {
        "console": "tests/docs/test_commands.py",
        "toml": "test_the_settings_of_a_page_are_read_by_the_code",
        "python": "tests/interop/test_senders.py, tests/docs/test_programs.py",
        "javascript": "tests/interop/test_senders.py",
        "main.cf": "tests/interop/test_postfix.py",
        "master.cf": "tests/interop/test_postfix.py",
        "exim-main": "tests/interop/test_exim.py",
        "exim-routers": "tests/interop/test_exim.py",
        "exim-transports": "tests/interop/test_exim.py",
        "exim-lmtp": "tests/interop/test_exim.py",
        "sh": "nobody: see NEED_A_MACHINE",
        "text": "nobody: a picture",
        "json": "nobody: a sample of what is received",
        "html": "nobody: a sample of a page",
        "js": "nobody: a line of a page of the brand",
        "nginx": "nobody: the configuration of another program",
        "redis.conf": "nobody: the configuration of another program",
    }
)

# What a `sh` block may hold: programs that need a machine, a cluster or root, or that stay in the
# foreground …
NEED_A_MACHINE = frozenset({
    "apt-get", "cd", "chgrp", "chmod", "cp", "docker", "export", "install", "journalctl", "kubectl",
    "make", "printf", "systemctl", "useradd",
})  # fmt: skip
# … and these commands of our own, which need what the machine's owner has: its DNS, its mail, its
# terminal, its /etc.
NEED_AN_OWNER = frozenset(
    {
        "signoff check received.eml",
        "signoff doctor",
        "signoff keys dkim /etc/signoff/dkim/acme-s1.pem",
        "signoff keys dkim acme-s1.pem",
        "signoff keys init /etc/signoff/keys/keyring.toml",
        "signoff keys init keyring.toml",
        "signoff-smtp password",
    }
)


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    return ((found[1], found[2]) for found in _FENCE.finditer(page.read_text()))


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text())


def by_name(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_every_code_block_is_of_a_kind_that_says_who_runs_it(page: Path) -> None:
    assert {kind for kind, _ in blocks(page)} - set(KINDS) == set()


def test_every_command_that_no_test_runs_is_listed_with_its_reason() -> None:
    listed = {
        line
        for page in PAGES
        for kind, text in blocks(page)
        if kind == "sh"
        for line in map(_plain, text.splitlines())
        if line
    }
    ours = {line for line in listed if line.startswith("signoff")}

    assert ours == NEED_AN_OWNER
    assert {line.split()[0] for line in listed - ours} == NEED_A_MACHINE


def _plain(line: str) -> str:
    """Return a command without comment, variables before it and the folder of its program."""
    line = re.sub(r"^(\w+=\S+ )*", "", line.partition("#")[0].strip())
    return re.sub(r"^/\S*/", "", line)


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    missing = []
    for target in _LINK.findall(prose(page)):
        path, _, anchor = target.partition("#")
        if ":" in path:
            continue
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            missing.append(target)

    assert missing == []


def anchors(page: Path) -> set[str]:
    """Return the anchors that the headings of a page make, as the usual renderers do."""
    titles = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_index_names_every_page() -> None:
    linked = set(_LINK.findall((ROOT / "docs/README.md").read_text()))

    assert {page.name for page in PAGES} - {link.partition("#")[0] for link in linked} == {
        "README.md"
    }


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_the_settings_of_a_page_are_read_by_the_code(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that a page names need not exist here; every key, value and rule between them must
    hold.
    """
    monkeypatch.chdir(tmp_path)
    problems = []
    for kind, text in blocks(page):
        if kind == "toml":
            (tmp_path / "signoff.toml").write_text(_complete(text))
            problems += [
                problem for problem in _problems() if not _is_about_a_missing_file(problem)
            ]

    assert problems == []


def _complete(text: str) -> str:
    """Return an excerpt with what it leaves out, so that it is whole settings."""
    given = tomllib.loads(text)
    head = "" if "public_url" in given else 'public_url = "https://unsubscribe.example.com"\n'
    brand = (
        "" if "sender_domains" in text else '\n[brands.other]\nsender_domains = ["other.example"]\n'
    )
    if "[brands.acme]" in text and "sender_domains" not in text:
        return head + text.replace(
            "[brands.acme]", '[brands.acme]\nsender_domains = ["acme.example"]'
        )
    return head + text + brand


def _problems() -> list[str]:
    try:
        load()
    except Misconfigured as exc:
        return list(exc.problems)
    return []


def _is_about_a_missing_file(problem: str) -> bool:
    return (
        "no such file" in problem.lower() or "does not exist" in problem or "not a file" in problem
    )


def test_the_command_line_page_is_what_the_programs_know_of_themselves() -> None:
    assert (ROOT / "docs/command-line.md").read_text() == command_line(), (
        "python -m tests.support.command_line > docs/command-line.md"
    )


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    rules = yaml.safe_load(
        (ROOT / "k8s/components/prometheus-rule/prometheus-rule.yaml").read_text()
    )
    alerts = [rule["alert"] for group in rules["spec"]["groups"] for rule in group["rules"]]

    assert (
        re.findall(r"^### (Signoff\w+)$", (ROOT / "docs/operations.md").read_text(), re.M) == alerts
    )


@pytest.mark.parametrize(("page", "least"), [("compliance.md", 40), ("security.md", 30)])
def test_every_test_that_a_page_of_proofs_names_exists(page: str, least: int) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", (ROOT / "docs" / page).read_text())
    missing = [f"{path}::{name}" for path, name in named if not _has_test(ROOT / path, name)]

    assert missing == []
    assert len(named) > least


def _has_test(path: Path, name: str) -> bool:
    return (
        path.exists() and re.search(rf"^(async )?def {name}\(", path.read_text(), re.M) is not None
    )


@pytest.mark.parametrize("page", ["compliance.md", "security.md"])
def test_every_row_of_a_page_of_proofs_has_a_test(page: str) -> None:
    rows = [
        row
        for row in (ROOT / "docs" / page).read_text().splitlines()
        if row.startswith("| ") and "---" not in row
    ]
    unproved = [row for row in rows if "::test_" not in row and "the test |" not in row]

    assert unproved == []


def test_the_figures_of_the_sizing_page_stand_in_the_results() -> None:
    results = (ROOT / "bench/RESULTS.md").read_text()
    rows = [
        row
        for row in (ROOT / "docs/sizing.md").read_text().splitlines()
        if row.startswith("| ") and "python -m bench" in row
    ]
    absent = [
        figure
        for row in rows
        for figure in re.findall(r"\b\d[\d,]*(?:\.\d+)?(?= (?:mails/s|ms|µs|a second|bytes))", row)
        if figure not in results
    ]

    assert absent == []
    assert all(
        command in results for row in rows for command in re.findall(r"python -m bench\.\w+", row)
    )


def test_every_step_of_the_flow_is_in_its_file() -> None:
    """A page that leads through the code is right only while its names are there."""
    steps = re.findall(
        r"\| `([\w/]+\.py)` \| `([\w.]+)` \|$", (ROOT / "docs/flow.md").read_text(), re.M
    )

    assert [] == [f"{path}: {name}" for path, name in steps if name not in _names_in(ROOT / path)]
    assert len(steps) > 40


def _names_in(path: Path) -> set[str]:
    """Return the functions and classes of a module, and the methods as `Class.method`."""
    found = set()
    for node in ast.parse(path.read_text()).body if path.exists() else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{one.name}"
                for one in node.body
                if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return found


def test_the_page_of_requirements_names_the_tests_that_there_are() -> None:
    assert PAGE.read_text() == requirements(), "run python -m tests.support.requirements"
