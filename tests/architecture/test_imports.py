"""Who may import whom: the table of CONTRIBUTING.md, held by reading every file's imports."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("app", "smtp_proxy")

# package: what else of ours it may import. Longest prefix wins.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "app.core": (),
    "app.observe": (),
    "app.usecases": ("app.core", "app.observe"),
    "app.store": ("app.core", "app.usecases.ports", "app.observe"),
    "app.outbound": ("app.core", "app.usecases.ports", "app.observe"),
    "app.http": ("app.core", "app.usecases.ports", "app.observe"),
    "app.web": ("app.core", "app.usecases", "app.observe", "app.http"),
    "app.admin": ("app.core", "app.usecases", "app.observe", "app.http", "app.web"),
    "app.worker": ("app.core", "app.usecases", "app.observe"),
    "app.settings": ("app.core",),
    "app.cli": (
        "app.core",
        "app.usecases",
        "app.observe",
        "app.outbound",
        "app.settings",
        "app.wiring",
    ),
    "app.wiring": ("app",),
    "app.__main__": ("app",),
    "smtp_proxy": ("app.core", "app.usecases", "app.observe", "app.settings"),
    "smtp_proxy.wiring": ("app", "smtp_proxy"),
    "smtp_proxy.cli": ("app", "smtp_proxy"),
    "smtp_proxy.__main__": ("app", "smtp_proxy"),
}
IMPURE = frozenset(
    {
        "asyncio",
        "socket",
        "os",
        "time",
        "random",
        "secrets",
        "logging",
        "pathlib",
        "subprocess",
        "threading",
    }
)
CORE_LIBRARIES = frozenset({"cryptography", "idna", "jinja2"})
ONLY_IN: dict[str, tuple[str, ...]] = {
    "aiosmtpd": ("smtp_proxy.mailbox",),
    "redis": ("app.store",),
    "sqlite3": ("app.store",),
    "starlette": ("app.http", "app.web", "app.admin"),
    "hypercorn": ("app.http",),
    "typer": ("app.cli", "smtp_proxy.cli"),
    "pydantic": ("app.settings", "app.admin"),
    "dkim": ("app.outbound",),
    "dns": ("app.outbound",),
    "jinja2": ("app.core.template", "app.web", "app.admin"),
}


@cache
def modules() -> dict[str, Path]:
    found = {}
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(name: str, path: Path) -> tuple[str, ...]:
    """Return each imported module of a file."""
    return tuple(_imports(name, path))


def _imports(name: str, path: Path) -> Iterator[str]:
    """Yield each imported module by its full name; `from a import b` names `a.b` when that is a
    module of ours.
    """
    known = modules()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            module = node.module or ""
            for alias in node.names:
                full = f"{module}.{alias.name}"
                yield full if full in known else module


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def home(name: str) -> str | None:
    return max(
        (package for package in MAY_IMPORT if within(name, (package,))), key=len, default=None
    )


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_imports_only_what_its_package_may(name: str) -> None:
    package = home(name)
    if package is None:
        assert name in OURS
        return

    allowed = (package, *MAY_IMPORT[package])
    strangers = {
        found
        for found in imports(name, modules()[name])
        if within(found, OURS) and not within(found, allowed)
    }

    assert strangers == set()


@pytest.mark.parametrize(
    "name", sorted(module for module in modules() if within(module, ("app.core",)))
)
def test_the_core_does_no_io_and_knows_no_time_and_no_chance(name: str) -> None:
    roots = {found.split(".")[0] for found in imports(name, modules()[name])}
    third_party = {root for root in roots if root not in OURS and not _is_standard(root)}

    assert roots & IMPURE == set()
    assert third_party <= CORE_LIBRARIES


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_a_library_is_known_only_where_it_belongs(library: str) -> None:
    users = {
        name
        for name, path in modules().items()
        if any(within(found, (library,)) for found in imports(name, path))
    }

    assert {user for user in users if not within(user, ONLY_IN[library])} == set()


def test_there_is_no_import_circle() -> None:
    graph = {
        name: {found for found in imports(name, path) if found in modules()} - {name}
        for name, path in modules().items()
    }
    # A package's __init__ only says what the package is, so importing through it closes no circle.
    leaves = {name for name, path in modules().items() if path.name == "__init__.py"}
    edges = {name: targets - leaves for name, targets in graph.items() if name not in leaves}

    while edges and (
        free := {name for name, targets in edges.items() if not targets & edges.keys()}
    ):
        edges = {name: targets for name, targets in edges.items() if name not in free}

    assert edges == {}


def test_no_file_outgrows_its_subject() -> None:
    """400 lines at most."""
    long = {name: len(path.read_text().splitlines()) for name, path in modules().items()}

    assert {name: lines for name, lines in long.items() if lines > 400} == {}


def _is_standard(root: str) -> bool:
    import sys

    return root in sys.stdlib_module_names


def test_a_public_class_name_means_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for name, path in modules().items():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(name)

    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_every_dependency_is_imported_by_the_product() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {_plain(re.split(r"[\[>;]", text)[0]) for text in project["dependencies"]}
    distributions = packages_distributions()

    used = {
        _plain(distribution)
        for name, path in modules().items()
        for found in imports(name, path)
        for distribution in distributions.get(found.partition(".")[0], ())
    }

    assert declared - used == set()


def _plain(distribution: str) -> str:
    return distribution.strip().lower().replace("_", "-")
