"""When records of one partition arrived by their own timestamps: what clocks say, apart from what was observed."""

from __future__ import annotations

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

    __slots__ = ("offsets", "times")

    def __init__(self) -> None:
        self.offsets = array("q")
        self.times = array("d")

    def add(self, offset: int, time: float) -> float:
        """Take in the time (seconds since the epoch) that the record at an offset tells; the one that counts for it."""
        offsets, times = self.offsets, self.times
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

    def narrowed(
        self, offset: int, begin: int, after: float, stop: int, before: float
    ) -> tuple[int, float, int, float]:
        """What is known around a record, with what was told.

        Args:
            offset: the record's.
            begin: it came as one of those from this offset on,
            after: which arrived after this time,
            stop: and as one of those before this offset,
            before: which arrived until this time.

        Returns:
            The same four, each as narrow as before or narrower.
        """
        told, times = self.offsets, self.times
        at = bisect_right(told, offset)
        if at:
            last, since = told[at - 1], times[at - 1]
            if since > after:
                after = since
            if last == offset:
                return offset + 1, after, stop, since
            if last >= begin:
                begin = last + 1
        if at < len(told) and times[at] < before:
            stop, before = told[at], times[at]
        return begin, after, stop, before
