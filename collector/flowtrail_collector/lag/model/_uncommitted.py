"""Partitions that members of a group hold without ever having committed there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from flowtrail_collector.lag.model._partitions import PartitionTable
from flowtrail_collector.lag.model._status import Status

__all__ = ["NOTHING_UNCOMMITTED", "Uncommitted", "UncommittedPartition", "UncommittedWatch"]


@dataclass(frozen=True, slots=True)
class UncommittedPartition:
    """One of them.

    Attributes:
        end: of the log; None if it isn't known.
        from_earliest: records unread if the member began at the start of the log (`auto.offset.reset`).
        from_latest: those unread if it began at the end, as it was when the member was first seen.
        status: `UNCOMMITTED` once records have waited for a window, `OK` if there are none; None until then.
    """

    topic: str
    partition: int
    end: int | None
    from_earliest: int | None
    from_latest: int | None
    status: Status | None


@dataclass(frozen=True, slots=True)
class Uncommitted:
    """All of a group's, at one time.

    Attributes:
        partitions: those that are looked at.
        unseen: held partitions of topics that aren't looked at.
        open: how many of them hold records that may be unread, by topic.
    """

    partitions: Sequence[UncommittedPartition] = ()
    unseen: frozenset[tuple[str, int]] = frozenset()
    open: Mapping[str, int] = field(default_factory=dict)

    @property
    def status(self) -> Status | None:
        """`UNCOMMITTED` if a partition has it; `OK` if nothing waits in any; None otherwise."""
        if any(each.status == Status.UNCOMMITTED for each in self.partitions):
            return Status.UNCOMMITTED
        return None if self.open or self.unseen else Status.OK

    @property
    def from_earliest(self) -> int | None:
        """Records unread if it began at the start of the logs; None if that isn't known."""
        return _total(each.from_earliest for each in self.partitions)

    @property
    def from_latest(self) -> int | None:
        """Records unread if it began at the ends; None if that isn't known."""
        return _total(each.from_latest for each in self.partitions)


NOTHING_UNCOMMITTED = Uncommitted()


class UncommittedWatch:
    """Remembers since when each of a group's partitions is held without a commit.

    Args:
        grace: for how long that is usual, seconds.
    """

    __slots__ = ("_grace", "_held", "_met", "_places", "_taken", "_unseen")

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._taken: object = None
        self._held: frozenset[tuple[str, int]] = frozenset()
        self._places: list[tuple[tuple[str, int], int]] = []
        self._unseen: frozenset[tuple[str, int]] = frozenset()
        self._met: dict[tuple[str, int], tuple[float, int]] = {}

    def clear(self) -> None:
        """Nobody holds anything (any more)."""
        self._taken, self._places, self._unseen, self._met = None, [], frozenset(), {}

    def take(
        self,
        held: frozenset[tuple[str, int]],
        committed: Sequence[tuple[str, int]],
        layout: int,
        table: PartitionTable,
    ) -> None:
        """Take over who holds what.

        Args:
            held: (topic, partition) of all that members hold.
            committed: those with a commit.
            layout: rises when `committed` changed.
            table: the partitions that are looked at.
        """
        if held is self._held and self._taken == (layout, table.generation):
            return
        self._held, self._taken = held, (layout, table.generation)
        index = table.index
        without = sorted(held.difference(committed))
        self._places = [(pair, index[pair]) for pair in without if pair in index]
        # What doesn't exist (any more) holds no records.
        self._unseen = frozenset(pair for pair in without if table.hides(pair))
        self._met = {pair: self._met[pair] for pair, _ in self._places if pair in self._met}

    def read(self, table: PartitionTable, now: float) -> Uncommitted:
        """What is to be said of them now (seconds since the epoch)."""
        if not self._places and not self._unseen:
            return NOTHING_UNCOMMITTED
        found = [
            self._look(pair, table.ends[i], table.last_ends[i], table.earliest[i], now)
            for pair, i in self._places
        ]
        waiting = Counter(each.topic for each in found if each.status != Status.OK)
        waiting.update(topic for topic, _ in self._unseen)
        return Uncommitted(found, self._unseen, waiting)

    def _look(
        self, pair: tuple[str, int], end: int | None, last_end: int | None, start: int | None, now: float
    ) -> UncommittedPartition:
        if last_end is None:
            return UncommittedPartition(*pair, None, None, None, None)
        since, first_end = self._met.setdefault(pair, (now, last_end))
        if last_end < first_end:
            # Its topic was recreated.
            since, first_end = self._met[pair] = now, last_end
        unread = None if start is None else last_end - start
        if end is None:
            # What was unread before the end couldn't be read any more goes on waiting.
            waits = unread != 0 and now - since >= self._grace
            return UncommittedPartition(*pair, None, None, None, Status.UNCOMMITTED if waits else None)
        status = Status.OK if unread == 0 else None
        if status is None and now - since >= self._grace:
            status = Status.UNCOMMITTED
        return UncommittedPartition(*pair, end, unread, end - first_end, status)


def _total(numbers: Iterable[int | None]) -> int | None:
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total
