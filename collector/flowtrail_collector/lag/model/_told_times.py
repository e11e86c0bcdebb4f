"""When records of one partition arrived by their own timestamps: what clocks say, apart from what was observed."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right

__all__ = ["ToldTimes"]

_MAX_KEPT = 128


class ToldTimes:
    """Times by offset, rising with it, and the same in whatever order they were told.

    Timestamps go back in a log whenever somebody imports old records or a producer's clock is late. A record arrived
    after every one before it, so the latest timestamp up to it counts, and an old one says nothing about the records
    before it.

    At most 128 are kept; beyond, older ones are thinned first.
    """

    __slots__ = ("_offsets", "_times")

    def __init__(self) -> None:
        self._offsets = array("q")
        self._times = array("d")

    def add(self, offset: int, time: float) -> float:
        """Take in the time (seconds since the epoch) that the record at an offset tells; the one that counts for it."""
        offsets, times = self._offsets, self._times
        at = bisect_left(offsets, offset)
        if at:
            time = max(time, times[at - 1])
        if at < len(offsets) and offsets[at] == offset:
            times[at] = time = max(time, times[at])
        else:
            offsets.insert(at, offset)
            times.insert(at, time)
        for later in range(at + 1, len(times)):
            if times[later] >= time:
                break
            times[later] = time
        if len(offsets) > _MAX_KEPT:
            # Every other one of the older half goes; the very first one stays, it bounds what is known.
            half = len(offsets) // 2
            del offsets[1:half:2], times[1:half:2]
        return time

    def around(self, offset: int) -> tuple[int, float, int, float]:
        """Offset and time of the last record up to an offset, and of the first one past it; infinite times where there
        is none."""
        offsets, times = self._offsets, self._times
        at = bisect_right(offsets, offset)
        if 0 < at < len(offsets):
            return offsets[at - 1], times[at - 1], offsets[at], times[at]
        if at:
            return offsets[at - 1], times[at - 1], 0, math.inf
        return (-1, -math.inf, offsets[0], times[0]) if offsets else (-1, -math.inf, 0, math.inf)
