"""Where an axis has its ticks: at round times, at round values."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import NamedTuple

from flowtrail_collector.history.model.windows import DAY, HOUR, MINUTE, Stretch

__all__ = ["Scale", "Tick", "time_ticks", "value_scale"]

_TIME_STEPS = (
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
)
_MOST_TICKS = 7
# Values of time are read in minutes, hours and days; everything else in tens.
_SECONDS = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30),
    *(MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE),
    *(HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY, 10 * DAY),
)
_LINES = 3


class Tick(NamedTuple):
    """A tick of a time axis: how far along it stands (0 to 1), and what is written there."""

    place: float
    label: str


class Scale(NamedTuple):
    """A value axis from 0 to `top`, with lines at these values."""

    top: float
    lines: tuple[float, ...]


def time_ticks(stretch: Stretch) -> list[Tick]:
    """Ticks at round times in UTC; midnight is written as a date."""
    seconds = stretch.end - stretch.start
    step = next((step for step in _TIME_STEPS if seconds / step <= _MOST_TICKS), _TIME_STEPS[-1])
    first = -(-stretch.start // step) * step
    return [Tick((at - stretch.start) / seconds, _label(at)) for at in range(first, stretch.end + 1, step)]


def value_scale(highest: float, *, seconds: bool = False, whole: bool = False) -> Scale:
    """An axis that reaches beyond the highest value.

    Args:
        highest: 0 or more.
        seconds: It is a span of time.
        whole: There is nothing between whole numbers.
    """
    step = _step(highest / _LINES, seconds=seconds)
    if whole:
        step = max(1.0, step)
    count = max(1, math.ceil(highest / step * (1 - 1e-9)))
    return Scale(step * count, tuple(step * number for number in range(count + 1)))


def _step(least: float, *, seconds: bool) -> float:
    """The first round number that isn't less."""
    if least <= 0:
        return 1.0
    if seconds and _SECONDS[0] <= least <= _SECONDS[-1]:
        return float(next(step for step in _SECONDS if step >= least * (1 - 1e-9)))
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))


def _label(at: int) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment.day} {moment:%b}" if at % DAY == 0 else f"{moment:%H:%M}"
