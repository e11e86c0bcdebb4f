"""The time axis above a trail's bars: moments at round numbers, and how much time each break in it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from flowtrail_collector.console._trail_rows import AXIS_UNITS
from flowtrail_collector.trails.drawing import TimeScale
from flowtrail_collector.wording import format_seconds, format_span

__all__ = ["Break", "breaks", "ticks"]

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_ROUND = (
    *(factor * 10.0**power for power in range(-6, 1) for factor in (1, 2, 5)), 10.0, 20.0, 30.0,
    *(factor * _MINUTE for factor in (1, 2, 5, 10, 20, 30)), *(factor * _HOUR for factor in (1, 2, 3, 6, 12)),
    *(factor * _DAY for factor in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)),
)  # fmt: skip
# Two labels closer than this would run into each other, with as many units in the whole axis as `AXIS_UNITS`.
_LEAST_BETWEEN_LABELS = 180.0
# Lengths of breaks are short, and aren't shown where the axis is narrow.
_LEAST_BETWEEN_LENGTHS = 110.0


@dataclass(frozen=True, slots=True)
class Break:
    """A stretch that is drawn short, in axis units, and how long it is.

    Attributes:
        x: Where it begins.
        width: How wide it is drawn.
        words: How long it really is.
        label: The same, if there is room for it above the axis.
    """

    x: float
    width: float
    words: str
    label: str


def ticks(scale: TimeScale) -> list[tuple[float, str]]:
    """Positions in axis units with their times: round ones, and where it goes on after a break.

    A label is empty where there is no room for one.
    """
    moments = {moment for start, end in scale.stretches() for moment in _round_moments(scale, start, end)}
    resumed = [end for _, end in scale.gaps]
    moments.update(resumed)
    taken: list[float] = []
    labels: dict[float, str] = {}
    for moment in (0.0, *reversed(resumed), *sorted(moments)):
        place = _units(moment, scale)
        if moment not in labels and all(abs(place - other) >= _LEAST_BETWEEN_LABELS for other in taken):
            taken.append(place)
            labels[moment] = format_seconds(moment) if moment in resumed else format_span(moment)
    return [(_units(moment, scale), labels.get(moment, "")) for moment in sorted({0.0, *moments})]


def breaks(scale: TimeScale) -> list[Break]:
    """Squashed stretches."""
    found: list[Break] = []
    labelled = -_LEAST_BETWEEN_LENGTHS
    for start, end in scale.gaps:
        x, words = _units(start, scale), format_seconds(end - start)
        width = round(_units(end, scale) - x, 2)
        has_room = x + width / 2 - labelled >= _LEAST_BETWEEN_LENGTHS
        found.append(Break(x, width, words, words if has_room else ""))
        labelled = x + width / 2 if has_room else labelled
    return found


def _round_moments(scale: TimeScale, start: float, end: float) -> list[float]:
    """Multiples of the least round step whose labels have room beside each other."""
    units = _units(end, scale) - _units(start, scale)
    if units <= 0:
        return []
    least = (end - start) * _LEAST_BETWEEN_LABELS / units
    step = next((step for step in _ROUND if step >= least), None)
    if step is None:
        return []
    first = floor(start / step) + 1
    return [round(number * step, 6) for number in range(first, floor(end / step) + 1)]


def _units(seconds: float, scale: TimeScale) -> float:
    return round(scale.place(seconds) * AXIS_UNITS, 2)
