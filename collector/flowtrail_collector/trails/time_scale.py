"""From seconds to places on an axis, where long stretches in which nothing happened are drawn short."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# A stretch is squashed if it is longer than this share of the whole ...
_LONG_SHARE = 0.25
# ... and so many times longer than everything that did happen.
_LONG_TIMES_BUSY = 3.0
# Less than clocks tell apart.
_SHORTEST_SECONDS = 1e-9
_SQUASHED_SHARE = 0.06


@dataclass(frozen=True, slots=True)
class TimeScale:
    """An axis from 0 to `total_seconds`.

    Attributes:
        total_seconds: Its length.
        gaps: Idle stretches as (start, end), in order, that are drawn short.
        shares: How much of the axis each of them takes.
    """

    total_seconds: float
    gaps: tuple[tuple[float, float], ...] = ()
    shares: tuple[float, ...] = ()

    @classmethod
    def of(cls, total_seconds: float, busy: Iterable[tuple[float, float]]) -> TimeScale:
        """The scale for what happened.

        Args:
            total_seconds: Length of the axis.
            busy: Stretches as (start, end) in which something was done or waited for, in any order.
        """
        idle: list[tuple[float, float]] = []
        end = 0.0
        busy_seconds = 0.0
        for start, stop in sorted(busy):
            if start > end:
                idle.append((end, start))
            busy_seconds += max(0.0, stop - max(start, end))
            end = max(end, stop)
        # Where there are only moments, the time between them is all there is to see.
        least = max(total_seconds * _LONG_SHARE, _LONG_TIMES_BUSY * busy_seconds)
        gaps = tuple(gap for gap in idle if busy_seconds and gap[1] - gap[0] > least)
        return cls(total_seconds, gaps, (_SQUASHED_SHARE,) * len(gaps))

    def place(self, seconds: float) -> float:
        """Where a moment is drawn, 0 to 1."""
        seconds = min(max(seconds, 0.0), self.total_seconds)
        if self.total_seconds < _SHORTEST_SECONDS:
            return 0.0
        squashed_seconds = sum(end - start for start, end in self.gaps)
        rest_share = 1.0 - sum(self.shares)
        # What isn't squashed may be too short for the sum to show it.
        drawn_seconds = max(self.total_seconds - squashed_seconds, self.total_seconds * 1e-12)
        per_second = rest_share / drawn_seconds
        place, at = 0.0, 0.0
        for (start, end), share in zip(self.gaps, self.shares, strict=True):
            if seconds <= start:
                break
            place += (start - at) * per_second
            place += share * min(1.0, (seconds - start) / (end - start))
            at = end
        return min(1.0, place + max(0.0, seconds - at) * per_second)

    def stretches(self) -> list[tuple[float, float]]:
        """The stretches between the squashed ones, as (start, end)."""
        starts = [0.0, *(end for _, end in self.gaps)]
        ends = [*(start for start, _ in self.gaps), self.total_seconds]
        return list(zip(starts, ends, strict=True))


def busy_stretch(entry: Mapping[str, Any]) -> tuple[float, float]:
    """From when to when an entry of a trail's JSON lasted, in seconds from the trail's start."""
    start = entry["offset_seconds"]
    return start, start + entry["duration_seconds"]
