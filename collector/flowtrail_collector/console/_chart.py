"""Where the lines, ticks and words of a chart are: the one place in which figures over time are drawn.

A value holds for its whole slot, so that a line is made of steps. Where nothing is known there is no line: it ends,
and begins again behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import NamedTuple

from markupsafe import Markup

from flowtrail_collector.history.model.axis import time_ticks, value_scale
from flowtrail_collector.history.model.windows import DAY, Stretch
from flowtrail_collector.wording import format_seconds, format_span

__all__ = ["COUNT", "LINES", "RATE", "SECONDS", "Chart", "Curve", "Spark", "Unit", "chart", "spark"]

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
    """

    text: Callable[[float], str]
    line: Callable[[float], str]
    seconds: bool = False
    whole: bool = False


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 or value == int(value) else f"{value:.3g}"


def _round_number(value: float) -> str:
    return f"{value:,.10g}"


COUNT = Unit(_number, _round_number, whole=True)
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
        left_out: How many lines there are besides.
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
    left_out: int = 0
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
    left_out: int = 0,
    elsewhere: str | None = None,
) -> Chart:
    """A chart of some lines over the same slots.

    Args:
        id_: See `Chart`.
        title: See `Chart`.
        stretch: The slots.
        curves: At most `LINES`.
        unit: How values are written.
        left_out: See `Chart`.
        elsewhere: See `Chart`.
    """
    curves = list(curves)
    highest = max((value for curve in curves for value in _known(curve.values)), default=0.0)
    scale = value_scale(highest, seconds=unit.seconds, whole=unit.whole)
    return Chart(
        id_,
        title,
        stretch.count,
        [_stroke(curve, scale.top, unit) for curve in curves],
        [(_TOP + _height(line, scale.top, HEIGHT), unit.line(line)) for line in scale.lines],
        [(f"{tick.place:.2%}", _anchor(tick.place), tick.label) for tick in time_ticks(stretch)],
        _gaps(stretch.count, curves),
        _rows(stretch, curves, unit),
        left_out,
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


def _stroke(curve: Curve, top: float, unit: Unit) -> Stroke:
    known = _known(curve.values)
    latest = curve.values[-1] if curve.values else None
    return Stroke(
        _path(curve.values, top, HEIGHT),
        curve.label,
        curve.address,
        "" if latest is None else unit.text(latest),
        unit.text(max(known)) if known else "",
    )


def _path(values: Numbers, top: float, height: int) -> str:
    """Steps: at the height of each value for the width of its slot."""
    parts: list[str] = []
    place, is_drawing = 0, False
    for value, run in groupby(values):
        end = place + sum(1 for _ in run)
        if value is None:
            is_drawing = False
        else:
            y = f"{_height(value, top, height):.1f}".removesuffix(".0")
            parts.append(f"V{y}H{end}" if is_drawing else f"M{place} {y}H{end}")
            is_drawing = True
        place = end
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
    unknown = [all(curve.values[at] is None for curve in curves) for at in range(slots)]
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
    rows = []
    for at in reversed(range(stretch.count)):
        values = [curve.values[at] for curve in curves]
        if any(value is not None for value in values):
            texts = ["" if value is None else unit.text(value) for value in values]
            cells = "".join(f'<td class="number">{text}</td>' for text in texts)
            moment = _moment(stretch.start + at * stretch.step, stretch)
            rows.append(f'<tr><th scope="row">{moment}</th>{cells}</tr>')
    return Markup("\n".join(rows))  # noqa: S704 - made of numbers and times


def _moment(at: int, stretch: Stretch) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    is_within_days = stretch.end - stretch.start > DAY
    return f"{moment.day} {moment:%b %H:%M}" if is_within_days else f"{moment:%H:%M}"


def _known(values: Numbers) -> list[float]:
    return [value for value in values if value is not None]
