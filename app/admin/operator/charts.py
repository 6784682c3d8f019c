"""The numbers of a bar chart: which bar of which series stands where. Drawn as SVG by the template,
which sets every colour in its style.

A chart has a width of one for each day and a height of a hundred; the browser stretches it, and
texts stand beside it as HTML, so that they keep their size on any screen.
"""

from collections.abc import Sequence
from typing import NamedTuple

from app.core.model import Source
from app.usecases.overview import Day

HEIGHT = 100.0

_GAP = 0.18  # of a day's width, left free


class Series(NamedTuple):
    """What one colour stands for."""

    name: str
    sources: tuple[Source, ...]


SERIES = (
    Series("One click", (Source.LIST_UNSUBSCRIBE,)),
    Series("Mail", (Source.MAILTO,)),
    Series("Pages", (Source.LANDING_PAGE, Source.GROUP_PAGE, Source.PREFERENCE_CENTRE)),
    Series("Other", (Source.CALLBACK, Source.API, Source.COMPLAINT)),
)


class Bar(NamedTuple):
    """One piece of a day's bar."""

    series: int  # its place in SERIES, from 1 on
    x: float
    y: float
    width: float
    height: float


class Column(NamedTuple):
    """One day: its pieces, and what it comes to."""

    day: int
    bars: tuple[Bar, ...]
    counts: tuple[int, ...]  # by series

    @property
    def total(self) -> int:
        """Return the whole day's count."""
        return sum(self.counts)


class Chart(NamedTuple):
    """A chart: `top` is the value at its upper edge."""

    columns: tuple[Column, ...]
    top: int
    width: int


def chart(days: Sequence[Day]) -> Chart:
    """Return the chart of who asked to leave on these days. Imports are not in it: one would
    flatten everything else.
    """
    counts = [
        tuple(sum(day.left.get(source.label, 0) for source in series.sources) for series in SERIES)
        for day in days
    ]
    top = round_top(max(map(sum, counts), default=0))
    columns = tuple(
        Column(day.day, _bars(at, count, top), count)
        for at, (day, count) in enumerate(zip(days, counts, strict=True))
    )
    return Chart(columns, top, len(days))


def round_top(most: int) -> int:
    """Return the next even value of the form 2, 4, 6, 10 times a power of ten, so that its half is
    whole and easy to read.
    """
    step = 1
    while True:
        for first in (2, 4, 6, 10):
            if first * step >= most:
                return first * step
        step *= 10


def _bars(at: int, counts: Sequence[int], top: int) -> tuple[Bar, ...]:
    bars, y = [], HEIGHT
    for number, count in enumerate(counts, 1):
        height = HEIGHT * count / top
        y -= height
        if count:
            bars.append(
                Bar(number, round(at + _GAP / 2, 3), round(y, 3), 1 - _GAP, round(height, 3))
            )
    return tuple(bars)
