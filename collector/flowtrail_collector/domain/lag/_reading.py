"""One group's figures of one cycle: what metrics, API and command line show."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from flowtrail_collector.domain.lag._group import GroupColumns, TopicSlice, Waits
from flowtrail_collector.domain.lag._partitions import PartitionTable
from flowtrail_collector.domain.lag._status import Status
from flowtrail_collector.domain.lag._trend import Trend

__all__ = ["GroupJudge", "GroupReading", "TopicReading"]


@dataclass(frozen=True, slots=True)
class TopicReading:
    """A group's figures for one topic; None is "not known".

    Attributes:
        sum_lag: records behind, over the partitions.
        max_seconds: longest wait of an unread record.
        catch_up_seconds: time to work the lag off at present rates; infinity if it never will.
        margin: smallest distance of a commit to the earliest offset, in records.
        lost: records that retention removed before they were read.
    """

    topic: str
    partitions: int
    sum_lag: int | None
    max_seconds: float | None
    catch_up_seconds: float | None
    margin: int | None
    lost: int
    consumed_per_second: float | None
    produced_per_second: float | None
    status: Status


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
    layout: int
    pairs: Sequence[tuple[str, int]]
    slices: Sequence[TopicSlice]
    commits: Sequence[int]
    lags: Sequence[int | None]
    seconds: Sequence[float | None]
    statuses: bytes
    topics: Sequence[TopicReading]
    sum_lag: int | None
    max_lag: int | None
    max_seconds: float | None
    status: Status
    orphans: int = 0
    members: int | None = None
    uncommitted: int | None = None


@dataclass(slots=True)
class GroupJudge:
    """Turns a group's columns into a reading, with the memory that takes: rates and earlier waits.

    Attributes:
        window: the span behaviour is judged over, seconds.
    """

    window: float
    trends: dict[str, Trend] = field(default_factory=dict)
    _earlier: deque[Waits] = field(default_factory=deque)

    def summarise(
        self, columns: GroupColumns, table: PartitionTable, now: float, *, has_members: bool
    ) -> tuple[bytes, list[TopicReading]]:
        """Judge every entry and sum up per topic.

        Args:
            columns: measured in this cycle.
            table: for the earliest offsets.
            now: seconds since the epoch.
            has_members: whether anyone is in the group.
        """
        columns.count_losses(table)
        statuses = columns.statuses(now, self.window, has_members=has_members, earlier=self._waits(columns))
        self._remember(columns, now)
        earliest = columns.pick(table.earliest)
        topics = [self._topic(columns, part, statuses, earliest, now) for part in columns.slices]
        if len(self.trends) > len(topics):
            present = {part.topic for part in columns.slices}
            self.trends = {topic: trend for topic, trend in self.trends.items() if topic in present}
        return statuses, topics

    def _topic(
        self,
        columns: GroupColumns,
        part: TopicSlice,
        statuses: bytes,
        earliest: Sequence[int | None],
        now: float,
    ) -> TopicReading:
        where = slice(part.start, part.stop)
        lags, commits = columns.lags[where], columns.commits[where]
        total = sum_known(lags)
        trend = self.trends.get(part.topic)
        if trend is None:
            trend = self.trends[part.topic] = Trend()
        if total is not None and None not in lags:
            consumed = sum(commits)
            trend.update(consumed, consumed + total, now, self.window)
        starts = earliest[where]
        margin = None
        if None not in starts:
            margin = max(0, min(at - start for at, start in zip(commits, starts, strict=True)))  # type: ignore[operator]
        return TopicReading(
            topic=part.topic,
            partitions=part.stop - part.start,
            sum_lag=total,
            max_seconds=max_known(columns.seconds[where]),
            catch_up_seconds=None if total is None else trend.catch_up_seconds(total),
            margin=margin,
            lost=columns.lost.get(part.topic, 0),
            consumed_per_second=trend.consumed_per_second,
            produced_per_second=trend.produced_per_second,
            status=Status(max(statuses[where])),
        )

    def _waits(self, columns: GroupColumns) -> Waits | None:
        """The waits of about a window ago, if the columns are still laid out the same."""
        while self._earlier and self._earlier[0].layout != columns.layout:
            self._earlier.popleft()
        return self._earlier[0] if self._earlier else None

    def _remember(self, columns: GroupColumns, now: float) -> None:
        # Two snapshots, half a window apart: the older one is between half a window and a window old.
        earlier = self._earlier
        if earlier and now - earlier[-1].at < self.window / 2:
            return
        if any(waited != 0.0 for waited in columns.seconds):
            waits = array("f", [-1.0 if waited is None else waited for waited in columns.seconds])
        else:
            waits = array("f", bytes(4 * len(columns.seconds)))
        earlier.append(Waits(now, columns.layout, waits))
        if len(earlier) > 2:
            earlier.popleft()


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
