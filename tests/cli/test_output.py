"""Whatever strangers have written, what the command line prints steers no terminal."""

import json
import unicodedata
from collections.abc import Callable

import pytest

from app.cli import output
from app.core.errors import Misconfigured, NotFound, SignoffError

STEERING = {
    "escape": "\x1b[31m",
    "C1": "\x9b31m",
    "bell": "\x07",
    "carriage return": "\r",
    "line end": "\n",
    "right to left": "\u202e",
    "isolate": "\u2066",
    "tag": "\U000e0041",
    "half a character": "\udc80",
}


def steers(text: str) -> bool:
    return any(
        unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn"}
        for char in text.replace("\n", "")
    )


@pytest.mark.parametrize("text", STEERING.values(), ids=STEERING)
@pytest.mark.parametrize("rows", [1, 2])
def test_a_table_makes_it_visible(text: str, rows: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Catalogue N37."""
    output.show([{"id": "x", "name": f"a{text}b"}] * rows, as_json=False)

    printed = capsys.readouterr().out
    assert not steers(printed)
    assert ascii(text)[1:-1] in printed


@pytest.mark.parametrize("text", STEERING.values(), ids=STEERING)
def test_json_escapes_it_and_means_the_same(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Catalogue N37."""
    output.show([{"name": f"a{text}b ünï 漢字"}], as_json=True)

    printed = capsys.readouterr().out
    assert not steers(printed)
    assert "ünï 漢字" in printed
    assert json.loads(printed) == [{"name": f"a{text}b ünï 漢字"}]


@pytest.mark.parametrize("text", STEERING.values(), ids=STEERING)
@pytest.mark.parametrize("error", [NotFound, lambda text: Misconfigured([text, "store.url: none"])])
def test_an_error_makes_it_visible(
    text: str, error: Callable[[str], SignoffError], capsys: pytest.CaptureFixture[str]
) -> None:
    """Catalogue N37: a line a problem, whatever a problem quotes."""
    with pytest.raises(SystemExit):
        output.fail(error(f"{text}x"))

    printed = capsys.readouterr().err
    assert not steers(printed)
    assert printed.count("\n") == (1 if "store.url" not in printed else 3)
