"""One group's figures of one cycle: what metrics, API and command line show."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import gt, sub

from flowtrail_collector.lag.model._columns import GroupColumns, TopicSlice, Waits
from flowtrail_collector.lag.model._partitions import PartitionTable
from flowtrail_collector.lag.model._rates import Trends, catch_up_seconds
from flowtrail_collector.lag.model._status import Status, worst

__all__ = ["GroupJudge", "GroupReading", "TopicSums"]


@dataclass(frozen=True, slots=True)
class TopicSums:
    """A group's figures per topic as columns, in the order of its slices; None is "not known".

    Attributes:
        sum_lags: records behind, over the partitions.
        max_seconds: longest wait of an unread record.
        catch_up_seconds: time to work the lag off at present rates; infinity if it never will.
        margins: smallest distance of a commit to the earliest offset, in records.
        lost: records that retention removed before they were read.
    """

    statuses: Sequence[Status | None] = ()
    sum_lags: Sequence[int | None] = ()
    max_seconds: Sequence[float | None] = ()
    catch_up_seconds: Sequence[float | None] = ()
    margins: Sequence[int | None] = ()
    lost: Sequence[int] = ()
    consumed_per_second: Sequence[float | None] = ()
    produced_per_second: Sequence[float | None] = ()


@dataclass(frozen=True, slots=True)
class GroupReading:
    """A group's figures of one cycle; the columns are parallel and never change once published.

    Attributes:
        read_at: when its commits were read, seconds since the epoch.
        layout: rises when `pairs` changed since the group's previous reading.
        pairs: (topic, partition) of each entry.
        orphans: commits for partitions that do not exist.
        uncommitted: partitions assigned to a member without any commit; None if not known.
    """

    group: str
    type: str
    state: str
    read_at: float
    layout: int = 0
    pairs: Sequence[tuple[str, int]] = ()
    slices: Sequence[TopicSlice] = ()
    commits: Sequence[int] = ()
    lags: Sequence[int | None] = ()
    seconds: Sequence[float | None] = ()
    statuses: bytes = b""
    topics: TopicSums = field(default_factory=TopicSums)
    status: Status | None = None
    sum_lag: int | None = None
    max_lag: int | None = None
    max_seconds: float | None = None
    orphans: int | None = None
    members: int | None = None
    uncommitted: int | None = None


class GroupJudge:
    """Turns a group's columns into a reading, with the memory that takes: rates and earlier waits.

    Args:
        window: the span behaviour is judged over, seconds.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        self._trends = Trends()
        self._earlier: deque[Waits] = deque()

    def statuses(
        self, columns: GroupColumns, table: PartitionTable, now: float, *, has_members: bool
    ) -> bytes:
        """Judge every entry of columns measured in this cycle.

        Args:
            columns: the group's columns.
            table: for the earliest offsets.
            now: seconds since the epoch.
            has_members: whether anyone is in the group.
        """
        earliest = columns.pick(table.earliest)
        if columns.has_losses or None in earliest or any(map(gt, earliest, columns.commits)):
            columns.count_losses(earliest)
        statuses = columns.statuses(now, self._window, has_members=has_members, earlier=self._waits(columns))
        self._remember(columns, now)
        return statuses

    def sums(self, columns: GroupColumns, table: PartitionTable, statuses: bytes, now: float) -> TopicSums:
        """Sum up per topic."""
        bounds = [(part.start, part.stop) for part in columns.slices]
        lags, seconds, commits = columns.lags, columns.seconds, columns.commits
        sum_lags = [sum_known(lags[a:b]) for a, b in bounds]
        read = [sum(commits[a:b]) for a, b in bounds]
        partly = None in lags
        ends = [None if lag is None else at + lag for at, lag in zip(read, sum_lags, strict=True)]
        if partly:
            # A sum over other partitions than last time would read as a rate.
            ends = [end if None not in lags[a:b] else None for end, (a, b) in zip(ends, bounds, strict=True)]
        trends = self._trends
        trends.update(columns.slices, read, ends, now, self._window)
        return TopicSums(
            statuses=[worst(statuses[a:b]) for a, b in bounds],
            sum_lags=sum_lags,
            max_seconds=[max_known(seconds[a:b]) for a, b in bounds],
            catch_up_seconds=list(map(catch_up_seconds, sum_lags, trends.consumed, trends.produced)),
            margins=_margins(columns.pick(table.earliest), commits, bounds),
            lost=[columns.lost.get(part.topic, 0) for part in columns.slices],
            consumed_per_second=trends.consumed,
            produced_per_second=trends.produced,
        )

    def _waits(self, columns: GroupColumns) -> Waits | None:
        """The waits of about a window ago, if the columns are still laid out the same."""
        while self._earlier and self._earlier[0].layout != columns.layout:
            self._earlier.popleft()
        return self._earlier[0] if self._earlier else None

    def _remember(self, columns: GroupColumns, now: float) -> None:
        # Two snapshots, half a window apart: the older one is between half a window and a window old.
        earlier = self._earlier
        if earlier and now - earlier[-1].at < self._window / 2:
            return
        waits = array("f", [-1.0 if waited is None else waited for waited in columns.seconds])
        earlier.append(Waits(now, columns.layout, waits))
        if len(earlier) > 2:
            earlier.popleft()


def _margins(
    earliest: Sequence[int | None], commits: Sequence[int], bounds: Sequence[tuple[int, int]]
) -> list[int | None]:
    if None in earliest:
        return [
            None if None in earliest[a:b] else max(0, min(map(sub, commits[a:b], earliest[a:b])))
            for a, b in bounds
        ]
    margins = list(map(sub, commits, earliest))
    return [max(0, min(margins[a:b])) for a, b in bounds]


def sum_known(values: Iterable[int | None]) -> int | None:
    """The sum of what is known; None if nothing is."""
    try:
        return sum(values)  # type: ignore[arg-type]
    except TypeError:
        known = [value for value in values if value is not None]
        return sum(known) if known else None


def max_known(values: Sequence[float | None]) -> float | None:
    """The greatest of what is known; None if nothing is, or only "no wait" beside unknown ones."""
    try:
        return max(values)  # type: ignore[type-var]
    except (TypeError, ValueError):
        return max((value for value in values if value), default=None)
