"""One group's figures of one cycle: what metrics, API and command line show."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from operator import gt, sub
from typing import cast

from flowtrail_collector.lag.model._columns import GroupColumns
from flowtrail_collector.lag.model._layout import TopicSlice
from flowtrail_collector.lag.model._partitions import PartitionTable
from flowtrail_collector.lag.model._rates import Trends, catch_up_seconds
from flowtrail_collector.lag.model._status import Status, judged, worst
from flowtrail_collector.lag.model._uncommitted import Uncommitted
from flowtrail_collector.lag.model._waits import Waits

__all__ = ["GroupJudge", "GroupReading", "TopicSums"]


@dataclass(frozen=True, slots=True)
class TopicSums:
    """A group's figures per topic as columns, in the order of its slices; None is "not known".

    Attributes:
        sum_lags: records behind, over the partitions; None unless it is known of each.
        least_lags: as many at least: those of partitions that can't be read now as they were last seen.
        partitions: how many partitions of the topic the group reads.
        known: of how many of them the lag is known.
        max_seconds: longest wait of an unread record.
        catch_up_seconds: time to work the lag off at present rates; infinity if it never will.
        margins: smallest distance of a commit to the earliest offset, in records.
        lost: records that retention removed before they were read.
    """

    statuses: Sequence[Status | None] = ()
    sum_lags: Sequence[int | None] = ()
    least_lags: Sequence[int] = ()
    partitions: Sequence[int] = ()
    known: Sequence[int] = ()
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
        read_at: when its commits were read, seconds since the epoch; None if they never were.
        layout: rises when `pairs` changed since the group's previous reading.
        pairs: (topic, partition) of each entry.
        sum_lag: records behind; None unless it is known of every partition, as `max_lag`.
        least_lag: as many at least; None if nothing is known.
        partitions: how many partitions it reads: committed or held by a member.
        known: of how many of them the lag is known.
        orphans: commits for partitions that do not exist.
        uncommitted: partitions held by a member without any commit; None if not known.
        since: since when it needs attention as far as can be told, seconds since the epoch; None if it doesn't, or
            if nothing tells.
    """

    group: str
    type: str
    state: str
    read_at: float | None
    layout: int = 0
    pairs: Sequence[tuple[str, int]] = ()
    slices: Sequence[TopicSlice] = ()
    commits: Sequence[int] = ()
    ends: Sequence[int | None] = ()
    lags: Sequence[int | None] = ()
    seconds: Sequence[float | None] = ()
    statuses: bytes = b""
    topics: TopicSums = field(default_factory=TopicSums)
    status: Status | None = None
    sum_lag: int | None = None
    max_lag: int | None = None
    least_lag: int | None = None
    partitions: int | None = None
    known: int | None = None
    max_seconds: float | None = None
    orphans: int | None = None
    members: int | None = None
    uncommitted: Uncommitted | None = None
    since: float | None = None


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
        self,
        columns: GroupColumns,
        table: PartitionTable,
        now: float,
        *,
        held: Set[tuple[str, int]] | None,
        rebalancing: bool = False,
        deserted: bool = False,
    ) -> bytes:
        """Judge every entry of columns measured in this cycle.

        Args:
            columns: the group's columns.
            table: for the earliest offsets.
            now: seconds since the epoch.
            held: (topic, partition) of all that members hold; None if that isn't known.
            rebalancing: nobody reads until all members have come back.
            deserted: it has no members.
        """
        earliest = columns.pick(table.earliest)
        if columns.losing or None in earliest or any(map(gt, earliest, columns.commits)):
            columns.count_losses(earliest, table)
        statuses = judged(
            columns,
            now,
            self._window,
            held=held,
            rebalancing=rebalancing,
            earlier=self._waits(columns),
            deserted=deserted,
        )
        self._remember(columns, now)
        return statuses

    def sums(
        self, columns: GroupColumns, table: PartitionTable, statuses: bytes, now: float, held: Uncommitted
    ) -> TopicSums:
        """Sum up per topic, over those that have commits.

        Args:
            columns: the group's columns.
            table: for the earliest offsets.
            statuses: of the columns' entries.
            now: seconds since the epoch.
            held: partitions that members hold without a commit.
        """
        bounds = [(part.start, part.stop) for part in columns.slices]
        lags, seconds, commits = columns.lags, columns.seconds, columns.commits
        sum_lags: list[int | None] = [sum_known(lags[a:b]) for a, b in bounds]
        read = [sum(commits[a:b]) for a, b in bounds]
        ends: list[int | None]
        if columns.adjusted or None in lags:
            ends = [sum_known(columns.ends[a:b]) for a, b in bounds]
        else:
            ends = [at + (lag or 0) for at, lag in zip(read, sum_lags, strict=True)]
        least, partitions, known = _counts(columns, bounds, sum_lags)
        if held.partitions or held.unseen:
            _add_held(columns.slices, held, sum_lags, partitions, known)
        trends = self._trends
        trends.update(columns.slices, read, ends, now, self._window)
        return TopicSums(
            statuses=[worst(statuses[a:b]) for a, b in bounds],
            sum_lags=sum_lags,
            least_lags=least,
            partitions=partitions,
            known=known,
            max_seconds=[max_known(seconds[a:b]) for a, b in bounds],
            catch_up_seconds=list(map(catch_up_seconds, sum_lags, trends.consumed, trends.produced)),
            margins=_margins(columns.pick(table.earliest), commits, bounds),
            lost=[columns.losses.by_topic.get(part.topic, 0) for part in columns.slices],
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


def _counts(
    columns: GroupColumns, bounds: Sequence[tuple[int, int]], sum_lags: Sequence[int | None]
) -> tuple[list[int], list[int], list[int]]:
    """Per topic: the lag at least, partitions, and those of which lag is known."""
    partitions = [b - a for a, b in bounds]
    if None not in sum_lags:
        return list(cast("Sequence[int]", sum_lags)), partitions, list(partitions)
    least = [sum(columns.least[a:b]) for a, b in bounds]
    return least, partitions, [b - a - columns.lags[a:b].count(None) for a, b in bounds]


def _add_held(
    slices: Sequence[TopicSlice],
    held: Uncommitted,
    sum_lags: list[int | None],
    partitions: list[int],
    known: list[int],
) -> None:
    """Count partitions without a commit among their topics' partitions: what waits there isn't known."""
    all_held = Counter(each.topic for each in held.partitions)
    all_held.update(topic for topic, _ in held.unseen)
    for i, part in enumerate(slices):
        count, unknown = all_held[part.topic], held.open.get(part.topic, 0)
        partitions[i] += count
        known[i] += count - unknown
        if unknown:
            sum_lags[i] = None


def sum_known(values: Iterable[int | None]) -> int | None:
    """The sum; None if one of them isn't known."""
    try:
        return sum(values)  # type: ignore[arg-type]
    except TypeError:
        return None


def max_known(values: Sequence[float | None]) -> float | None:
    """The greatest of what is known; None if nothing is, or only "no wait" beside unknown ones.

    The longest wait that is known is one that there is: an alarm on it is right, whatever the others are.
    """
    try:
        return max(values)  # type: ignore[type-var]
    except (TypeError, ValueError):
        return max((value for value in values if value), default=None)
