"""The `console` blocks of the documentation: commands with what they print. Run one page's again
and see it with fresh output by

    python -m tests.support.transcript docs/quick-start.md

A line that begins with `$ ` is a command, `> ` goes on with it, anything else is output. `# exit 1`
behind a command says how it ends. In the output `…` stands for anything, and what differs from run
to run (times, tokens, ids) is compared by its shape only.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.stack import Stack, running_stack

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
_EXIT = re.compile(r"\s+# exit (\d+)$")
_END = "\x1e"
_SECONDS = 300.0  # a bound for liveness; a page takes some seconds on an idle machine
_VOLATILE = (
    (re.compile(r"qmoe=[\w-]{20,}|(?<![\w/-])(?=[\w-]*[A-Z])(?=[\w-]*\d)[\w-]{38,}"), "<token>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?Z"), "<time>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "<date>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}\b"), "<id>"),
    (re.compile(r"\b[0-9a-f]{16,}\b"), "<id>"),
    (re.compile(r"\b\d{10}\.M\d+P\d+Q\d+\.[\w.-]+"), "<file>"),
    (re.compile(r"\b\d+ GiB\b"), "<size>"),
    (re.compile(r"[ \t]+"), " "),  # columns are as wide as what stands in them
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a page, what the page says that it prints, and how it ends."""

    line: int
    text: str
    output: str
    exit: int = 0


def commands(page: str) -> Iterator[Command]:
    """Read the commands of a page, in their order."""
    for block in _BLOCK.finditer(page):
        first = page.count("\n", 0, block.start(1)) + 1
        lines = block[1].splitlines()
        starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
        assert starts[:1] == [0], f"line {first}: a console block begins with a command"
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            more = start + 1
            while more < end and (lines[more] + " ").startswith("> "):
                more += 1
            text = "\n".join(line[2:] for line in lines[start:more])
            ends = _EXIT.search(text)
            yield Command(
                line=first + start,
                text=text[: ends.start()] if ends else text,
                output="\n".join(lines[more:end]),
                exit=int(ends[1]) if ends else 0,
            )


def run(page: list[Command], stack: Stack) -> list[tuple[int, str]]:
    """Run the commands of a page in one shell; return the exit code and the output of each, with
    the addresses that the page says.
    """
    script = "".join(
        f"{_translated(command.text, stack.addresses)}\nprintf '{_END}%s{_END}' $?\n"
        for command in page
    )
    done = subprocess.run(
        ["/bin/sh", "-c", script], cwd=stack.folder, env=stack.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_SECONDS, check=False,
    )  # fmt: skip
    parts = done.stdout.split(_END)
    backwards = {own: default for default, own in stack.addresses.items()}
    return [
        (int(code), _translated(output, backwards).rstrip("\n"))
        for output, code in zip(parts[0::2], parts[1::2], strict=False)
    ]


def fits(shown: str, printed: str) -> bool:
    """Tell whether a page shows what was printed, but for what differs from run to run."""
    pattern = ".*?".join(re.escape(piece) for piece in _masked(shown).split("…"))
    return re.fullmatch(pattern, _masked(printed), re.S) is not None


def _masked(text: str) -> str:
    for volatile, mask in _VOLATILE:
        text = volatile.sub(mask, text)
    return "\n".join(line.strip() for line in text.strip().splitlines())


def _translated(text: str, addresses: Mapping[str, str]) -> str:
    for written, meant in addresses.items():
        text = text.replace(written, meant)
    return text


def renewed(page: str, stack: Stack) -> str:
    """Return a page with what its commands print now."""
    known = list(commands(page))
    printed = iter(run(known, stack))
    lines = page.splitlines()
    for command in reversed([(command, *next(printed)) for command in known]):
        said, code, output = command
        start = said.line - 1 + said.text.count("\n") + 1
        end = start + len(said.output.splitlines())
        if not fits(said.output, output) or code != said.exit:
            lines[start:end] = [line.rstrip() for line in output.splitlines()] + (
                [f"(exit {code})"] if code != said.exit else []
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch, running_stack(Path(scratch)) as running:
        sys.stdout.write(renewed(Path(sys.argv[1]).read_text(), running))
