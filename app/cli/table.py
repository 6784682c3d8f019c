"""Rows as people read them: a table, or one row as a list of its values."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from app.core.visible import visible

_ANY_WIDTH = 100_000  # characters


def print_rows(rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows so that no word of them is broken; one row that does not fit, a value a line."""
    console = Console()
    table = _table(rows[0] if rows else (), [list(row.values()) for row in rows])
    least, most = _widths(console, table)
    if len(rows) == 1 and most > console.width:
        table = _table((), list(rows[0].items()))
        least, most = _widths(console, table)
    width = min(most, max(least, console.width)) if console.is_terminal else most
    for line in console.render_lines(table, console.options.update(width=width), pad=False):
        print("".join(segment.text for segment in line).rstrip())


def _table(names: Iterable[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(*names, box=None, pad_edge=False, show_header=bool(names))
    for row in rows:
        table.add_row(
            *(Text(visible(str(value), most=_ANY_WIDTH), overflow="fold") for value in row)
        )
    for at, column in enumerate(table.columns):
        column.no_wrap = not any(" " in str(row[at]) for row in rows)
    return table


def _widths(console: Console, table: Table) -> tuple[int, int]:
    """Return how wide a table is with every sentence folded, and with none."""
    found = Measurement.get(console, console.options.update(max_width=_ANY_WIDTH), table)
    return found.minimum, found.maximum
