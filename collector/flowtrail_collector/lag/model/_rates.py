"""How fast topics are written and read by a group, and when the reader will have caught up."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["Trends", "catch_up_seconds"]

# Less than one record in ten minutes is standing still, not catching up.
_STANDSTILL = 1 / 600


class Trends:
    """Produce and consume rates of one group, a column entry per topic, records per second.

    Smoothed exponentially with the weight 1 - exp(-dt / tau), so that irregular cycles weigh right.
    None: not known yet.
    """

    __slots__ = ("_at", "_commits", "_ends", "_topics", "consumed", "produced")

    def __init__(self) -> None:
        self._at = 0.0
        self._topics: Sequence[object] = ()
        self._commits: Sequence[int | None] = ()
        self._ends: Sequence[int | None] = ()
        self.consumed: list[float | None] = []
        self.produced: list[float | None] = []

    def update(
        self,
        topics: Sequence[object],
        commits: Sequence[int | None],
        ends: Sequence[int | None],
        now: float,
        smoothing_seconds: float,
    ) -> None:
        """Take in, per topic, the sums of commits and end offsets over the partitions; None if not known.

        A sum that went back (rewind, recreated topic) starts that topic's rates anew, and so do other topics
        or partitions (the caller passes a new `topics` object then).
        """
        elapsed = now - self._at
        if topics is not self._topics:
            self.consumed, self.produced = [None] * len(topics), [None] * len(topics)
        elif elapsed > 0:
            weight = 1.0 - math.exp(-elapsed / smoothing_seconds)
            self.consumed = _smoothed(self.consumed, self._commits, commits, elapsed, weight)
            self.produced = _smoothed(self.produced, self._ends, ends, elapsed, weight)
        self._at, self._topics, self._commits, self._ends = now, topics, commits, ends


def catch_up_seconds(lag: int | None, consumed: float | None, produced: float | None) -> float | None:
    """Seconds until `lag` is worked off at the present rates.

    Returns:
        0 without lag, infinity if the reader isn't faster than the writer, None if not known.
    """
    if lag is None:
        return None
    if lag <= 0:
        return 0.0
    if consumed is None or produced is None:
        return None
    gain = consumed - produced
    return lag / gain if gain > _STANDSTILL else math.inf


def _smoothed(
    rates: Sequence[float | None],
    before: Sequence[int | None],
    after: Sequence[int | None],
    elapsed: float,
    weight: float,
) -> list[float | None]:
    result: list[float | None] = []
    for rate, was, at in zip(rates, before, after, strict=True):
        if was is None or at is None or at < was:
            result.append(None)
        elif rate is None:
            result.append((at - was) / elapsed)
        else:
            result.append(rate + weight * ((at - was) / elapsed - rate))
    return result
