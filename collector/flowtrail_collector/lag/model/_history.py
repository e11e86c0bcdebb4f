"""When records arrived in a partition: a bounded memory of (end offset, time) shared by all groups."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right

from flowtrail_collector.lag.model._first_records import FirstRecordSet
from flowtrail_collector.lag.model._told_times import ToldTimes

__all__ = ["NOTHING_TO_READ", "PartitionHistory"]

NOTHING_TO_READ = math.inf
"""Arrival time of a record that does not exist: every offset up to the end is known to hold no record."""

_MAX_POINTS = 128
_CLOCK_TOLERANCE_SECONDS = 1.0


class PartitionHistory:
    """What is known about arrival times in one partition.

    Kept as points in rising offset order. A point says: the log ended at `offset` from `first` until at
    least `last` (seconds since the epoch). So the record at offset k, with o(i) <= k < o(i+1), arrived after
    last(i) and not later than first(i+1). Every later observation only narrows these bounds, which is
    why a wrong producer clock can never move a record further than to a bound that was really observed.
    What timestamps tell is kept apart: one record's clock is no bound for what another record's says.

    At most 128 points are kept; beyond, older ones are thinned first, so that resolution falls with age.

    Attributes:
        log: identifies the log; another object once its topic was recreated.
    """

    __slots__ = ("_first", "_last", "_offsets", "_seen", "_told", "_told_end", "log")

    def __init__(self) -> None:
        self.log = object()
        self._offsets = array("q")
        self._first = array("d")
        self._last = array("d")
        self._seen: FirstRecordSet | None = None
        self._told: ToldTimes | None = None
        self._told_end = 0

    def __len__(self) -> int:
        """How many points are kept."""
        return len(self._offsets)

    def observe(self, end: int, asked_at: float, answered_at: float) -> bool:
        """Take in an end offset read between two times (seconds since the epoch).

        Returns:
            False if the log got shorter: it was truncated or its topic recreated, and nothing known before
            holds any more.
        """
        offsets = self._offsets
        shorter = bool(offsets) and end < offsets[-1]
        if shorter:
            self.forget()
        if not offsets or end > offsets[-1]:
            self._append(end, answered_at, asked_at)
        elif asked_at > self._last[-1]:
            self._last[-1] = asked_at
        return not shorter

    def begin(self, start: int, at: float) -> None:
        """Note that a partition that just appeared did not exist at `at`: its first record came later."""
        if not self._offsets:
            self._append(start, at, at)

    def began_after(self, at: float) -> bool:
        """Whether nothing in it is from before a time (seconds since the epoch)."""
        return not self._offsets or self._first[0] > at

    def forget(self) -> None:
        """Drop everything (the topic was recreated)."""
        self.log = object()
        del self._offsets[:], self._first[:], self._last[:]
        self._seen = self._told = None
        self._told_end = 0

    def learn(self, offset: int, timestamp: float, now: float) -> float | None:
        """Take in the real timestamp of one record, held to the arrival bounds observed so far.

        A timestamp before an end offset observed earlier is the producer's clock and not the time of
        arrival; it is moved to the nearest bound. One that lies in the future says nothing at all.

        Args:
            offset: the record's offset.
            timestamp: its timestamp, seconds since the epoch (CreateTime or LogAppendTime).
            now: the present, seconds since the epoch.

        Returns:
            When it arrived, as far as is known now; None if the timestamp says nothing.
        """
        if timestamp > now + _CLOCK_TOLERANCE_SECONDS:
            return None
        at = bisect_right(self._offsets, offset) - 1
        time = min(timestamp, now)
        if at >= 0:
            time = max(time, self._last[at])
        if at + 1 < len(self._offsets):
            time = min(time, self._first[at + 1])
        if self._told is None:
            self._told = ToldTimes()
        self._told_end = max(self._told_end, offset + 1)
        return self._told.add(offset, time)

    def learn_first(self, start: int, at: int, arrived: float | None, *, is_record: bool) -> None:
        """Note that the first record at or after `start` is the one at `at`: what is between is compacted away, or
        markers of transactions.

        Args:
            start: an offset that was looked at.
            at: that record's offset; where there is no record, the end of the log.
            arrived: when it arrived, seconds since the epoch; None if there is none, or it isn't known.
            is_record: whether there is one.
        """
        if self._seen is None:
            self._seen = FirstRecordSet()
        self._seen.learn(start, at, arrived, is_record=is_record)

    def has_seen(self, offset: int, end: int) -> bool:
        """Whether the first record in [offset, end) is known from looking at it, or that there is none.

        Where a look ended before a record (a transaction was under way), it is worth another one.
        """
        known = None if self._seen is None else self._seen.find(offset)
        return known is not None and (known.is_record or known.at >= end)

    def holes(self, start: int, stop: int) -> int:
        """How many offsets in [start, stop) are known to hold no record."""
        return 0 if self._seen is None else self._seen.holes(start, stop)

    def arrival(self, offset: int, end: int) -> tuple[float, float] | None:
        """When the first record at or after `offset` arrived.

        Args:
            offset: a committed offset below `end`.
            end: the end of what the group may read (high watermark or last stable offset).

        Returns:
            Estimated arrival (seconds since the epoch, or `NOTHING_TO_READ`) and the width of the interval
            it is known to lie in (seconds); None if it arrived before anything that is known.
        """
        known = None if self._seen is None else self._seen.find(offset)
        if known is not None:
            offset = known.at
            if offset >= end:
                return NOTHING_TO_READ, 0.0
        # In one piece: the poller asks of every pair whose group moves.
        offsets, begin, after, stop, before = self._offsets, 0, -math.inf, 0, math.inf
        at = bisect_right(offsets, offset)
        if at:
            begin, after = offsets[at - 1], self._last[at - 1]
        if at < len(offsets):
            stop, before = offsets[at], self._first[at]
        # What timestamps told of records before the observed point can't be later than that.
        if self._told is not None and self._told_end > begin:
            begin, after, stop, before = self._told.narrowed(offset, begin, after, stop, before)
        if known is not None and known.arrived is not None:
            return max(known.arrived, after), 0.0
        if before <= after:
            return after, 0.0
        # Records between two points are taken to have arrived evenly spread; half a step is the middle.
        width = before - after
        if width == math.inf:
            return None
        return after + width * (offset - begin + 0.5) / (stop - begin), width

    def _append(self, offset: int, first: float, last: float) -> None:
        self._offsets.append(offset)
        self._first.append(first)
        self._last.append(last)
        if len(self._offsets) > _MAX_POINTS:
            self._thin()

    def _thin(self) -> None:
        # Every other point of the older half goes; the very first one stays, it bounds what is known.
        half = len(self._offsets) // 2
        for column in (self._offsets, self._first, self._last):
            del column[1:half:2]
