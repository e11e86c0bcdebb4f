"""A time axis in characters: scale, ticks, bars."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from flowtrail_collector.trails.drawing import SYMBOLS, TimeScale
from flowtrail_collector.wording import format_span

_TICK_EVERY_CELLS = 10


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Characters to draw with."""

    work: str = "█"
    wait: str = "░"
    moment: str = "▏"
    waited: str = "┄"
    overdue: str = "▓"
    ahead: str = "·"
    symbols: Mapping[str, str] = field(default_factory=lambda: SYMBOLS)
    arrow: str = "→"
    corner: str = "└"
    dot: str = " · "


ASCII_GLYPHS = Glyphs(
    work="#",
    wait=".",
    moment="|",
    waited="-",
    overdue="!",
    ahead=".",
    symbols={
        "command": ">",
        "publish": "*",
        "compensation": "<",
        "notification": "!",
        "process": "=",
        "retry": "~",
        "dead_letter": "X",
        "redrive": "^",
        "operation": "-",
        "missing": "o",
    },
    arrow="->",
    corner="`-",
    dot=" - ",
)
"""For terminals that can't show anything else."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Seconds to character cells.

    Attributes:
        scale: The axis.
        cells: Its width.
    """

    scale: TimeScale
    cells: int

    def cell(self, seconds: float) -> int:
        """The cell that a moment falls into, always within the axis."""
        return min(int(self.scale.place(seconds) * self.cells), self.cells - 1)

    def bar(self, wait_from: float | None, start: float, end: float) -> list[tuple[int, int, bool]]:
        """Pieces of a bar as (first cell, number of cells, is waiting).

        What was worked on is always visible; the wait before it is, where it is at least a cell long.
        """
        first, last = self.cell(start), self.cell(end)
        pieces = []
        if wait_from is not None:
            waiting = self.cell(wait_from)
            if waiting < first:
                pieces.append((waiting, first - waiting, True))
        pieces.append((first, max(1, last - first), False))
        return pieces

    def ticks(self) -> list[tuple[int, str]]:
        """Cells with a label: at round numbers, or where something goes on after a squashed stretch."""
        total = self.scale.total_seconds
        if total <= 0:
            return [(0, "0")]
        if self.scale.gaps:
            moments = [float(f"{start:.3g}") for start, _ in self.scale.stretches()]
        else:
            step = _round_step(total / max(1, self.cells // _TICK_EVERY_CELLS))
            moments = [number * step for number in range(int(total / step) + 1)]
        labels = [(self.cell(moment), format_span(moment)) for moment in moments]
        return [(cell, label) for cell, label in labels if cell + len(label) <= self.cells]

    def breaks(self) -> list[tuple[int, int]]:
        """Cells of the squashed stretches, as (first, number)."""
        ends = [(self.cell(start) + 1, self.cell(end)) for start, end in self.scale.gaps]
        return [(first, last - first) for first, last in ends if last > first]

    def axis(self) -> str:
        """The labels in one line of `cells` characters."""
        if not self.cells:
            return ""
        line = [" "] * self.cells
        for first, cells in self.breaks():
            line[first : first + cells] = "/" * cells
        end = 0
        for cell, label in self.ticks():
            if cell >= end:
                line[cell : cell + len(label)] = label
                end = cell + len(label) + 1
        return "".join(line)


_ROUND_UP_TO = (60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 43200, 86400)


def _round_step(seconds: float) -> float:
    """The next 1, 2 or 5 times a power of ten; above a minute, what clocks have."""
    if seconds > 30:
        for step in _ROUND_UP_TO:
            if step >= seconds:
                return step
        return math.ceil(seconds / 86400) * 86400
    power = 10.0 ** math.floor(math.log10(seconds))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= seconds * 0.999)
