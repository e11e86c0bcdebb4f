"""What retention removed before a group read it: each offset counts once."""

from __future__ import annotations

from collections.abc import Container

from flowtrail_collector.lag.model._history import PartitionHistory

__all__ = ["Losses"]

_MOST_RANGES = 100
"""Of one partition; the oldest are forgotten first."""


class Losses:
    """What one group lost, counted since the start.

    Going back to an offset that is gone counts nothing twice, nor does a commit that was deleted and made again.

    Attributes:
        by_topic: how many offsets.
    """

    __slots__ = ("_counted", "by_topic")

    def __init__(self) -> None:
        self.by_topic: dict[str, int] = {}
        # Ranges that have been counted, in order, and the log that they are of.
        self._counted: dict[tuple[str, int], tuple[object, list[tuple[int, int]]]] = {}

    def keep(self, pairs: Container[tuple[str, int]]) -> None:
        """Forget which offsets were counted in partitions that don't exist any more."""
        self._counted = {pair: counted for pair, counted in self._counted.items() if pair in pairs}

    def count(self, pair: tuple[str, int], at: int, start: int, history: PartitionHistory) -> bool:
        """Count what was removed from a partition.

        Args:
            pair: topic and partition.
            at: the group's commit.
            start: where the log starts, past the commit.
            history: knows which offsets never held a record, or lost it to compaction.

        Returns:
            Whether there was a record among them.
        """
        if history.holes(at, start) == start - at:
            return False
        log, ranges = self._counted.get(pair, (history.log, []))
        if log is not history.log:
            ranges = []
        before, after, first, last, reached, missing = [], [], at, start, at, 0
        for low, high in ranges:
            if high < at:
                before.append((low, high))
            elif low > start:
                # A broker that was killed may have forgotten where its logs had been cut.
                after.append((low, high))
            else:
                missing += max(0, low - reached) - history.holes(reached, max(reached, low))
                first, last, reached = min(first, low), max(last, high), max(reached, high)
        if start > reached:
            missing += start - reached - history.holes(reached, start)
        self._counted[pair] = history.log, [*before, (first, last), *after][-_MOST_RANGES:]
        self.by_topic[pair[0]] = self.by_topic.get(pair[0], 0) + missing
        return True
