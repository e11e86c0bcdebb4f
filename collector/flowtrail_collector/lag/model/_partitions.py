"""Offsets of all partitions, as columns that groups pick from by position."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence, Set
from types import MappingProxyType

from flowtrail_collector.lag.model._history import PartitionHistory

__all__ = ["PartitionTable"]


class PartitionTable:
    """Every partition of the cluster that is looked at.

    Columns are parallel lists in order of (topic, partition); what is not known is None. `generation` rises
    when positions change, `revision` when knowledge about arrival times changed in a way that can alter an estimate
    already made; `revisions[i]` is what it rose to when partition i was the one. `last_ends` are the end offsets read
    last, however long ago: a log that can't be looked at has not got shorter. `hidden` are topics that exist and aren't
    looked at (filtered, denied), with their partitions; None: those aren't known.
    """

    def __init__(self) -> None:
        self.names: list[tuple[str, int]] = []
        self.index: dict[tuple[str, int], int] = {}
        self.ends: list[int | None] = []
        self.last_ends: list[int | None] = []
        self.last_stable_ends: list[int | None] = []
        self.stable_ends: list[int | None] = []
        self.earliest: list[int | None] = []
        self.histories: list[PartitionHistory] = []
        self.revisions: list[int] = []
        self.revision = 0
        self.generation = 0
        self.hidden: Mapping[str, Set[int] | None] = {}
        # Partitions whose past isn't known: seen for the first time with records in them, or cut short.
        self.unexplored: set[tuple[str, int]] = set()
        self._known_at: float | None = None

    def set_topics(
        self,
        topics: Mapping[str, Sequence[int]],
        now: float,
        hidden: Mapping[str, Set[int] | None] = MappingProxyType({}),
    ) -> None:
        """Take over the present partitions of the present topics; keep what is known about those that stay.

        Args:
            topics: partition numbers by topic.
            now: seconds since the epoch.
            hidden: partitions of topics that exist and aren't looked at; None if they aren't known.
        """
        names = sorted((topic, partition) for topic, partitions in topics.items() for partition in partitions)
        before, self._known_at = self._known_at, now
        was_hidden = self.hidden
        if hidden != self.hidden:
            self.hidden = hidden
            self.generation += 1
        if names == self.names:
            return
        old = self.index
        position = [old.get(name, -1) for name in names]
        self.ends = [self.ends[i] if i >= 0 else None for i in position]
        self.last_ends = [self.last_ends[i] if i >= 0 else None for i in position]
        self.last_stable_ends = [self.last_stable_ends[i] if i >= 0 else None for i in position]
        self.stable_ends = [self.stable_ends[i] if i >= 0 else None for i in position]
        self.earliest = [self.earliest[i] if i >= 0 else None for i in position]
        self.revisions = [self.revisions[i] if i >= 0 else 0 for i in position]
        self.histories = [self.histories[i] if i >= 0 else PartitionHistory() for i in position]
        if before is not None:
            for i, came_from in enumerate(position):
                if came_from >= 0:
                    continue
                if names[i][0] in was_hidden:
                    # It isn't new: it wasn't looked at.
                    self.unexplored.add(names[i])
                else:
                    self.histories[i].begin(0, before)
        else:
            self.unexplored.update(names)
        self.unexplored.intersection_update(names)
        self.names = names
        self.index = {name: i for i, name in enumerate(names)}
        self.generation += 1

    def hides(self, pair: tuple[str, int]) -> bool:
        """Whether a (topic, partition) exists, or may exist, and isn't looked at."""
        if pair in self.index or pair[0] not in self.hidden:
            return False
        numbers = self.hidden[pair[0]]
        return numbers is None or pair[1] in numbers

    def set_end(self, i: int, end: int | None, asked_at: float = 0.0, answered_at: float = 0.0) -> None:
        """Take in the high watermark of partition `i`; None when it could not be read."""
        self.ends[i] = end
        if end is None:
            return
        self.last_ends[i] = end
        if not self.histories[i].observe(end, asked_at, answered_at):
            self.earliest[i] = None
            self.unexplored.add(self.names[i])
            self._revise(i)

    def set_start(self, i: int, start: int) -> None:
        """Take in where partition `i` starts; who waited for a record before that waits for the one there now."""
        if self.earliest[i] != start:
            self.earliest[i] = start
            self._revise(i)

    def begin_anew(self, topic: str, known_at: float) -> None:
        """Drop what is known of a topic whose name another one has now.

        Args:
            topic: the name.
            known_at: when the earlier one was still there, seconds since the epoch: all records came later.
        """
        for i in range(bisect_left(self.names, (topic, 0)), len(self.names)):
            if self.names[i][0] != topic:
                break
            if self.histories[i].began_after(known_at):
                # Its log got shorter: what was seen since is the new one's.
                continue
            self.ends[i] = self.last_ends[i] = self.earliest[i] = None
            self.stable_ends[i] = self.last_stable_ends[i] = None
            self.histories[i] = PartitionHistory()
            self.histories[i].begin(0, known_at)
            self.unexplored.add(self.names[i])
            self._revise(i)

    def learn(self, topic: str, partition: int, offset: int, timestamp: float, now: float) -> None:
        """Take in the real timestamp (seconds since the epoch) of one record."""
        i = self.index.get((topic, partition))
        if i is not None:
            self.histories[i].learn(offset, timestamp, now)
            self._revise(i)

    def learn_first(
        self, i: int, start: int, at: int, timestamp: float | None, now: float, *, is_record: bool
    ) -> None:
        """Take in the first record of partition `i` at or after an offset that was looked at.

        Args:
            i: position of the partition.
            start: the offset.
            at: the record's offset; where there is none, the end of the log.
            timestamp: the record's (seconds since the epoch); None if there is none, or it carries none.
            now: the present, seconds since the epoch.
            is_record: whether there is one.
        """
        history = self.histories[i]
        arrived = None if timestamp is None else history.learn(at, timestamp, now)
        history.learn_first(start, at, arrived, is_record=is_record)
        self._revise(i)

    def _revise(self, i: int) -> None:
        self.revision += 1
        self.revisions[i] = self.revision
