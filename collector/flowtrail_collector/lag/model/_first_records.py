"""Which records are the first ones left behind offsets that were looked at: bounded, shared by all groups."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

__all__ = ["FirstRecordSet", "Known"]

_MAX_KEPT = 64


class Known(NamedTuple):
    """What stands at and after an offset.

    Attributes:
        start: the first offset that this holds for.
        at: offset of the first record at or after every offset from `start` to `at`; where there was no record,
            the end of the log at that time.
        arrived: when that record arrived, seconds since the epoch; None if there is none, or it isn't known.
        is_record: whether a record stands there.
    """

    start: int
    at: int
    arrived: float | None
    is_record: bool


class FirstRecordSet:
    """First records of one partition, by the offsets they are waited for at.

    Several groups wait in front of several holes (compacted stretches, markers of transactions), so each of them
    is kept; past 64 the one that was looked at longest ago goes.
    """

    __slots__ = ("_by_start", "_starts")

    def __init__(self) -> None:
        # In the order they were learned; the starts beside it in rising order.
        self._by_start: dict[int, Known] = {}
        self._starts: list[int] = []

    def learn(self, start: int, at: int, arrived: float | None, *, is_record: bool) -> None:
        """Take in that the first record at or after `start` is the one at `at`, or that up to `at` there is none."""
        for old in [known for known in self._by_start.values() if known.start <= at and start <= known.at]:
            # No record stands between its start and its end, so this one is the first for its offsets too; where
            # it told of another record, that one has been compacted away since.
            del self._by_start[old.start]
            start = min(start, old.start)
        self._by_start[start] = Known(start, at, arrived, is_record)
        if len(self._by_start) > _MAX_KEPT:
            del self._by_start[next(iter(self._by_start))]
        self._starts = sorted(self._by_start)

    def find(self, offset: int) -> Known | None:
        """What is known of the first record at or after an offset."""
        i = bisect_right(self._starts, offset) - 1
        if i < 0:
            return None
        known = self._by_start[self._starts[i]]
        return known if offset <= known.at else None

    def holes(self, start: int, stop: int) -> int:
        """How many offsets in [start, stop) are known to hold no record."""
        inside = (min(known.at, stop) - max(known.start, start) for known in self._by_start.values())
        return sum(count for count in inside if count > 0)
