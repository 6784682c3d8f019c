"""What comments, docstrings and pages refer to can be opened in this repository: requirements,
files, modules, decisions.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.requirements import IDS, requirements, single_ids

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("app", "smtp_proxy", "tests", "bench", "docs", "k8s", ".ci", ".github")
TEXTS = frozenset(
    (
        ".py",
        ".pyi",
        ".md",
        ".lua",
        ".yaml",
        ".yml",
        ".toml",
        ".html",
        ".sh",
        ".service",
        ".target",
        ".cf",
        "",
    )
)
SAMPLES = ("tests/samples", "tests/corpus")  # octets that were received, not words of ours

KNOWN = frozenset(row.id for row in requirements())
RECORDS = ROOT / "docs/adr"

# Papers that a reader of this repository cannot open.
_ELSEWHERE = re.compile(
    r"\bseeds?\s+00\d|\bApp\.\s?[A-D]\b|\bdesign:|/work/(?:shared|main)\b|\b(?:storage|interfaces|protocols|architecture|performance|dependencies|style|catalogue)\.md\b",
    re.IGNORECASE,
)
_NAMED = re.compile(rf"[cC]atalogue\s+({IDS})")
_IN_PARENTHESES = re.compile(r"\(([^()]*)\)")
_ONLY_IDS = re.compile(IDS)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^ *```.*?^ *```$", re.M | re.S)
_DECISION = re.compile(r"\bADR\s+(\d{1,4})\b|\badr/(\d{4})\b")
_PATH = re.compile(
    r"(?<![\w./{<-])((?:app|smtp_proxy|tests|bench|docs|k8s|\.ci|\.github)/[\w./-]*\w)(?![\w./-]*[{*<…])"
)
_IN_TICKS = re.compile(r"`([^`\s]+)`")
_FILE = re.compile(r"(?:[\w.-]+/)*[\w-]+\.(?:py|md|lua)")
_FILE_WORD = re.compile(r"(?<![\w./<{*-])(?:[\w.-]+/)*\w+\.(?:py|md|lua)\b(?![\w{])")
_MODULE = re.compile(r"(?:app|smtp_proxy|tests|bench)(?:\.[A-Za-z_]\w*)+")

_PROSE = {
    ".lua": re.compile(r"--.*"),
    ".py": re.compile(r'(?:^|\s)# [^\n]*|""".*?"""', re.M | re.S),
}

# Paths in the text that are no files of the repository: what a reader makes, or what another
# project has.
NOT_OURS: frozenset[str] = frozenset()


def texts() -> list[Path]:
    """Return every file that somebody wrote, but for samples of foreign octets and this list
    itself.
    """
    found = [
        path
        for path in ROOT.iterdir()
        if path.is_file() and path.suffix in TEXTS and path.name[0] != "."
    ]
    for folder in FOLDERS:
        found += [
            path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix in TEXTS
        ]
    return sorted(path for path in found if not _is_left_out(str(path.relative_to(ROOT))))


def _is_left_out(name: str) -> bool:
    return (
        "__pycache__" in name or name.startswith(SAMPLES) or ROOT / name == Path(__file__).resolve()
    )


@cache
def written() -> tuple[tuple[str, str], ...]:
    """Return name and text of each of them."""
    return tuple((str(path.relative_to(ROOT)), path.read_text()) for path in texts())


def test_every_requirement_that_is_named_is_on_the_page() -> None:
    unknown = {
        (name, each) for name, text in written() for each in _cited(name, text) if each not in KNOWN
    }

    assert unknown == set(), "see docs/requirements.md"


def _cited(name: str, text: str) -> Iterator[str]:
    for ids in _NAMED.findall(text):
        yield from single_ids(ids)
    for inside in _IN_PARENTHESES.findall(_prose(name, text)):
        for part in re.split(r"[,;:]\s+", inside):
            if _ONLY_IDS.fullmatch(part):
                yield from single_ids(part)


@cache
def _prose(name: str, text: str) -> str:
    """Return the comments and docstrings of a program; pages name things like SES's `S3` in
    parentheses too.
    """
    kind = Path(name).suffix
    return "\n".join(_PROSE[kind].findall(text)) if kind in _PROSE else ""


def test_nothing_refers_to_papers_that_are_not_here() -> None:
    found = [(name, match[0]) for name, text in written() for match in _ELSEWHERE.finditer(text)]

    assert found == []


def test_every_link_of_every_page_leads_to_a_file() -> None:
    missing = []
    for name, text in written():
        if name.endswith(".md"):
            for target in _LINK.findall(_FENCE.sub("", text)):
                path = target.partition("#")[0]
                if path and ":" not in path and not (ROOT / name).parent.joinpath(path).exists():
                    missing.append((name, target))

    assert missing == []


def test_every_path_and_file_that_is_named_exists() -> None:
    missing = {
        (name, path)
        for name, text in written()
        for path in _paths(name, text)
        if not _is_there(name, path)
    }

    assert missing == set(), "correct the path, or add it to NOT_OURS with its reason"


def _paths(name: str, text: str) -> Iterator[str]:
    yield from (path for path in _PATH.findall(text) if not _DECISION.search(path))
    yield from (quoted for quoted in _IN_TICKS.findall(text) if _FILE.fullmatch(quoted))
    yield from _FILE_WORD.findall(_prose(name, text))


def _is_there(name: str, path: str) -> bool:
    """Say whether a path exists: from the root, beside the file that names it, below its package,
    or by its end.
    """
    return (
        path in NOT_OURS
        or path in _ends_of_files()
        or (ROOT / path).exists()
        or (ROOT / name).parent.joinpath(path).exists()
    )


@cache
def _ends_of_files() -> frozenset[str]:
    """Return `c.py`, `b/c.py` and `a/b/c.py` for each file."""
    files = (
        path.relative_to(ROOT).parts
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    )
    return frozenset("/".join(parts[start:]) for parts in files for start in range(len(parts)))


def test_every_module_that_is_named_exists() -> None:
    missing = {
        (name, dotted)
        for name, text in written()
        for dotted in _IN_TICKS.findall(text)
        if _MODULE.fullmatch(dotted) and not _is_module_or_name(dotted)
    }

    assert missing == set()


def _is_module_or_name(dotted: str) -> bool:
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:length])
        file = (
            path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        )
        if file.is_file() or path.is_dir():
            rest = parts[length:]
            return not rest or (
                file.is_file()
                and re.search(rf"\b{re.escape(rest[0])}\b", file.read_text()) is not None
            )
    return False


def _records() -> dict[int, Path]:
    return {int(path.name[:4]): path for path in sorted(RECORDS.glob("[0-9]*.md"))}


def test_every_decision_that_is_named_exists() -> None:
    unknown = {
        (name, match[0])
        for name, text in written()
        for match in _DECISION.finditer(text)
        if int(match[1] or match[2]) not in _records()
    }

    assert unknown == set()


def test_the_index_of_decisions_lists_each_of_them_and_the_numbers_that_are_free() -> None:
    index = (RECORDS / "README.md").read_text()
    free = index.partition("\nFree numbers:")[2].partition("\n\n")[0]
    numbers = {int(number) for number in re.findall(r"\d{4}", free)}

    assert set(_LINK.findall(index)) == {path.name for path in _records().values()}
    assert numbers == set(range(1, max(_records()) + 1)) - set(_records())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("# see catalogue Z99", True),
        ("# (H1, D2)", False),
        ("# (H1, Z99)", True),
        ("# catalogue H1 to H3, Z99", True),
        ("# (LZ78)", False),
    ],
)
def test_an_unknown_id_is_noticed_wherever_it_stands(text: str, problem: bool) -> None:
    assert bool(set(_cited("x.py", text)) - KNOWN) is problem
