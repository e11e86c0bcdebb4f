"""How fast a topic is written and read by a group, and when the reader will have caught up."""

from __future__ import annotations

import math

__all__ = ["Trend"]


class Trend:
    """Produce and consume rate of one group on one topic, smoothed over about a minute.

    Exponential smoothing with the weight 1 - exp(-dt / tau), so that irregular cycles weigh right.
    """

    __slots__ = ("_at", "_commits", "_ends", "consumed_per_second", "produced_per_second")

    def __init__(self) -> None:
        self._at = 0.0
        self._commits = self._ends = 0
        self.consumed_per_second: float | None = None
        self.produced_per_second: float | None = None

    def update(self, commits: int, ends: int, now: float, smoothing_seconds: float) -> None:
        """Take in the sums of commits and end offsets over the topic's partitions.

        A sum that went back (rewind, recreated topic) starts the rates anew.
        """
        elapsed = now - self._at
        if self._at and elapsed > 0:
            consumed, produced = (commits - self._commits) / elapsed, (ends - self._ends) / elapsed
            if consumed < 0 or produced < 0:
                self.consumed_per_second = self.produced_per_second = None
            elif self.consumed_per_second is None or self.produced_per_second is None:
                self.consumed_per_second, self.produced_per_second = consumed, produced
            else:
                weight = 1.0 - math.exp(-elapsed / smoothing_seconds)
                self.consumed_per_second += weight * (consumed - self.consumed_per_second)
                self.produced_per_second += weight * (produced - self.produced_per_second)
        self._at, self._commits, self._ends = now, commits, ends

    def catch_up_seconds(self, lag: int) -> float | None:
        """Seconds until `lag` is worked off at the present rates.

        Returns:
            0 without lag, infinity if the reader isn't faster than the writer, None if not known yet.
        """
        if lag <= 0:
            return 0.0
        if self.consumed_per_second is None or self.produced_per_second is None:
            return None
        gain = self.consumed_per_second - self.produced_per_second
        # Less than one record in ten minutes is standing still, not catching up.
        return lag / gain if gain > 1 / 600 else math.inf
