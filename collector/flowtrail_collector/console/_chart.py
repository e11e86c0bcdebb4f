"""Where the lines, ticks and words of a chart are: the one place in which figures over time are drawn.

A value holds for its whole slot, so that a line is made of steps. Where nothing is known there is no line: it ends,
and begins again behind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from markupsafe import Markup

from flowtrail_collector.history.model.axis import time_ticks, value_scale
from flowtrail_collector.history.model.windows import DAY, Stretch
from flowtrail_collector.wording import format_seconds, format_span

__all__ = ["COUNT", "LINES", "RATE", "SECONDS", "Chart", "Curve", "Spark", "Unit", "chart", "spark", "within"]

HEIGHT = 120
"""Of the plot, in pixels; its width is as many units as there are slots."""
SPARK_HEIGHT = 20
LINES = 5
"""As many differ from each other in colour and dashes."""
_TOP = 14
"""Above the plot, for the words on its highest line."""
_EDGE = 0.04
Numbers = Sequence[float | None]


class Unit(NamedTuple):
    """How values are written.

    Attributes:
        text: A value.
        line: A round value, on the axis.
        seconds: They are spans of time.
        whole: There is nothing between whole numbers.
        beyond: Of what is larger, only that is known; it is drawn at this value.
    """

    text: Callable[[float], str]
    line: Callable[[float], str]
    seconds: bool = False
    whole: bool = False
    beyond: float = math.inf

    def at_most(self, values: Iterable[float | None]) -> list[float | None]:
        """Values as they are drawn."""
        if self.beyond == math.inf:
            return list(values)
        return [None if value is None else min(value, self.beyond) for value in values]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 or value == int(value) else f"{value:.3g}"


def _round_number(value: float) -> str:
    return f"{value:,.10g}"


COUNT = Unit(_number, _round_number, whole=True)


def within(bound: float) -> Unit:
    """Spans of time that are known up to a bound, in seconds; what is longer is written as `over 7d`."""
    over = f"over {format_span(bound)}"
    return Unit(
        lambda seconds: over if seconds > bound else format_span(seconds),
        format_span,
        seconds=True,
        beyond=bound,
    )


RATE = Unit(_number, _round_number)
SECONDS = Unit(format_seconds, format_span, seconds=True)


class Curve(NamedTuple):
    """What is drawn as one line.

    Attributes:
        label: What it is called.
        values: One for each slot; None where it isn't known.
        address: Where its label leads to, from the console's root; empty for nowhere.
    """

    label: str
    values: Numbers
    address: str = ""


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line of a chart, and its row in the legend."""

    path: str
    label: str
    address: str
    latest: str
    highest: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws.

    Attributes:
        id: Of its elements on the page.
        title: What it shows.
        slots: Its width.
        strokes: Lines.
        lines: Heights of the horizontal lines, in pixels from above, and the value at each.
        ticks: Places on the time axis in per cent, which side of the text stands there, and the text.
        gaps: Begin and width of where nothing is known, in slots.
        rows: The same as rows of a table: a slot's begin, and the value of each line.
        note: How many lines there are besides, and why these are drawn; empty if there are none.
        elsewhere: The address of the same in Grafana; None if there is none.
    """

    id: str
    title: str
    slots: int
    strokes: Sequence[Stroke]
    lines: Sequence[tuple[float, str]]
    ticks: Sequence[tuple[str, str, str]]
    gaps: Sequence[tuple[int, int]]
    rows: Markup
    note: str = ""
    elsewhere: str | None = None

    @property
    def summary(self) -> str:
        """What somebody who can't see it is told first."""
        return "; ".join(
            f"{stroke.label}: {stroke.latest or 'not known'} now, {stroke.highest} at most"
            for stroke in self.strokes
        )


class Spark(NamedTuple):
    """A small line beside a row of a list: how it runs, and the same in words."""

    path: str
    slots: int
    words: str


def chart(
    id_: str,
    title: str,
    stretch: Stretch,
    curves: Iterable[Curve],
    unit: Unit,
    *,
    note: str = "",
    elsewhere: str | None = None,
) -> Chart:
    """A chart of some lines over the same slots.

    Args:
        id_: See `Chart`.
        title: See `Chart`.
        stretch: The slots.
        curves: At most `LINES`.
        unit: How values are written.
        note: See `Chart`.
        elsewhere: See `Chart`.
    """
    curves = list(curves)
    drawn = [unit.at_most(curve.values) for curve in curves]
    highest = max((value for values in drawn for value in _known(values)), default=0.0)
    scale = value_scale(highest, seconds=unit.seconds, whole=unit.whole)
    return Chart(
        id_,
        title,
        stretch.count,
        [
            _stroke(curve, _path(values, scale.top, HEIGHT), unit)
            for curve, values in zip(curves, drawn, strict=True)
        ],
        [(_TOP + _height(line, scale.top, HEIGHT), unit.line(line)) for line in scale.lines],
        [(f"{tick.place:.2%}", _anchor(tick.place), tick.label) for tick in time_ticks(stretch)],
        _gaps(stretch.count, curves),
        _rows(stretch, curves, unit),
        note,
        elsewhere,
    )


def spark(values: Numbers, unit: Unit, what: str) -> Spark | None:
    """A small line; None if nothing is known.

    Args:
        values: One for each slot.
        unit: How values are written.
        what: What they are of, and over which time.
    """
    known = _known(values)
    if not known:
        return None
    latest = "not known now" if values[-1] is None else f"{unit.text(values[-1])} now"
    words = f"{what}: {latest}, {unit.text(max(known))} at most"
    return Spark(_path(values, max(*known, 1e-9), SPARK_HEIGHT), len(values), words)


def _stroke(curve: Curve, path: str, unit: Unit) -> Stroke:
    known = _known(curve.values)
    latest = curve.values[-1] if curve.values else None
    return Stroke(
        path,
        curve.label,
        curve.address,
        "" if latest is None else unit.text(latest),
        unit.text(max(known)) if known else "",
    )


def _path(values: Numbers, top: float, height: int) -> str:
    """Steps: at the height of each value for the width of its slot."""
    parts: list[str] = []
    last: float | None = None
    for place, value in enumerate([*values, None]):
        if value == last:
            continue
        if last is not None:
            parts.append(f"H{place}")
        if value is not None:
            y = f"{_height(value, top, height):.1f}".removesuffix(".0")
            parts.append(f"M{place} {y}" if last is None else f"V{y}")
        last = value
    return "".join(parts)


def _height(value: float, top: float, height: int) -> float:
    """In pixels from above; lines at the very edge keep their width."""
    return 1 + (height - 2) * (1 - min(value / top, 1.0))


def _anchor(place: float) -> str:
    """A label at the edge stays within the picture."""
    if place < _EDGE:
        return "start"
    return "end" if place > 1 - _EDGE else "middle"


def _gaps(slots: int, curves: Sequence[Curve]) -> list[tuple[int, int]]:
    """Where no line has a value."""
    unknown = [True] * slots
    for curve in curves:
        if None not in curve.values:
            return []
        unknown = [
            is_unknown and value is None for is_unknown, value in zip(unknown, curve.values, strict=True)
        ]
    gaps, place = [], 0
    for is_gap, run in groupby(unknown):
        width = sum(1 for _ in run)
        if is_gap:
            gaps.append((place, width))
        place += width
    return gaps


def _rows(stretch: Stretch, curves: Sequence[Curve], unit: Unit) -> Markup:
    """The newest first; slots in which nothing is known are left out.

    Nothing in them is from outside, so the thousands of cells of a page aren't escaped one by one.
    """
    columns = [["" if value is None else unit.text(value) for value in curve.values] for curve in curves]
    rows = [
        f'<tr><th scope="row">{moment}</th><td class="number">{_CELL.join(texts)}</td></tr>'
        for moment, *texts in zip(_moments(stretch), *columns, strict=True)
        if any(texts)
    ]
    return Markup("\n".join(reversed(rows)))  # noqa: S704 - made of numbers and times


_CELL = '</td><td class="number">'


@lru_cache(maxsize=8)
def _moments(stretch: Stretch) -> Sequence[str]:
    """When its slots begin: the same for all charts of a page."""
    moments = [datetime.fromtimestamp(stretch.start + at * stretch.step, UTC) for at in range(stretch.count)]
    if stretch.end - stretch.start > DAY:
        return [f"{moment.day} {moment:%b %H:%M}" for moment in moments]
    return [f"{moment:%H:%M}" for moment in moments]


def _known(values: Numbers) -> list[float]:
    return [value for value in values if value is not None]
