"""`make fuzz`: every target with new inputs for a bounded time; a failing input is made small and
kept.

    python -m tests.fuzz [--seconds 180] [--seed N] [TARGET ...]

The seed is printed, and the same seed tries the same inputs. Exit 1 when something did not hold.
"""

import argparse
import hashlib
import secrets
import sys
import time
import traceback
from collections.abc import Callable

from hypothesis import HealthCheck, given, seed, settings
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from app.observe import log as logs
from tests.fuzz.targets import ROOT, TARGETS, Target

_AT_ONCE = 200  # inputs between two looks at the clock


def main() -> int:
    """Fuzz, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="all unless given")
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    chosen = parser.parse_args()
    names = chosen.targets or list(TARGETS)
    console = Console(stderr=True)
    console.print(f"seed {chosen.seed}")
    logs.configure(level="critical")
    failed, counts = [], {}
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TextColumn("{task.fields[inputs]} inputs"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        for name in names:
            task = progress.add_task(name, total=chosen.seconds / len(names), inputs=0)

            def tell(took: float, inputs: int, task: TaskID = task) -> None:
                progress.update(task, completed=took, inputs=inputs)

            counts[name], error = _fuzzed(
                TARGETS[name], chosen.seed, chosen.seconds / len(names), tell
            )
            if error is not None:
                failed.append(name)
                kept = _keep(name, error[0])
                console.print(
                    f"[red]{name}[/red]: {TARGETS[name].invariant} Not so for {kept} (seed"
                    f" {chosen.seed}):"
                )
                traceback.print_exception(error[1])
    for name in names:
        print(f"{name:<10} {counts[name]:>8} inputs  {'FAILED' if name in failed else 'held'}")
    return 1 if failed else 0


Failure = tuple[bytes, BaseException]


def _fuzzed(
    target: Target, first_seed: int, seconds: float, tell: Callable[[float, int], None]
) -> tuple[int, Failure | None]:
    begin, count, last = time.monotonic(), 0, b""
    with target.opened() as check:
        for number in range(1_000_000):

            @seed(first_seed + number)
            @settings(
                max_examples=_AT_ONCE,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(target.inputs)
            def tried(octets: bytes) -> None:
                nonlocal count, last
                count, last = count + 1, octets
                check(octets)

            try:
                tried()
            except Exception as error:
                return count, (last, error)  # the last input is the smallest that fails
            took = time.monotonic() - begin
            tell(min(took, seconds), count)
            if took >= seconds:
                break
    return count, None


def _keep(name: str, octets: bytes) -> str:
    folder = ROOT / "corpus" / name
    folder.mkdir(exist_ok=True)
    path = folder / f"{hashlib.sha256(octets).hexdigest()[:12]}.bin"
    path.write_bytes(octets)
    return str(path.relative_to(ROOT.parent))


if __name__ == "__main__":
    sys.exit(main())
