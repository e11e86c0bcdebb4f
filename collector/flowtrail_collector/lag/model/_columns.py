"""One group's lag, kept as columns: a hundred thousand pairs must cost microseconds each, not objects."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from operator import gt, ne, sub
from sys import intern
from typing import Any, Protocol, cast

from flowtrail_collector.lag.model._history import NOTHING_TO_READ
from flowtrail_collector.lag.model._layout import TopicSlice, carrier_of, picker_of, slices_of
from flowtrail_collector.lag.model._losses import Losses
from flowtrail_collector.lag.model._partitions import PartitionTable

__all__ = ["NEVER", "CommittedOffset", "GroupColumns"]

_TO_ESTIMATE = 0.0
_NONE_YET = -1
# Estimating again would find nothing new until the partition's revision changes.
_UNKNOWN = -1.0
NEVER = 0.0
"""In `rewound_at`: the commit never went back, or long ago."""


class CommittedOffset(Protocol):
    """One committed offset as a client library hands it over."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


class GroupColumns:
    """Commits, lag, seconds and movement of one group, one entry per committed partition.

    Columns are parallel, ordered by topic and partition; an entry that isn't known is None. `layout` rises
    whenever the order or number of entries changes.

    Attributes:
        pairs: (topic, partition) of each entry.
        slices: the topics among them.
        commits: committed offsets.
        ends: where the log ends for the group, as last read.
        lags: records (offsets) between commit and end.
        least: the same, but never None: where the end couldn't be read, as many as there were at least.
        seconds: how long the oldest unread record has waited.
        positions: index of each entry in the `PartitionTable`.
        orphans: committed partitions whose topic does not exist (any more).
        unseen: committed partitions whose topic isn't looked at (filtered, denied): their lag isn't known.
        losses: offsets removed by retention before they were read.
        losing: entries of which retention had removed records when losses were last counted.
    """

    def __init__(self) -> None:
        self.pairs: list[tuple[str, int]] = []
        self.slices: list[TopicSlice] = []
        self.positions: tuple[int, ...] = ()
        self.commits: tuple[int, ...] = ()
        self.ends: tuple[int | None, ...] = ()
        self.lags: Sequence[int | None] = ()
        self.least: Sequence[int] = ()
        self.seconds: list[float | None] = []
        self.layout = 0
        self.orphans = 0
        self.unseen: frozenset[tuple[str, int]] = frozenset()
        self.losses = Losses()
        # When the record each entry waits at arrived, seconds since the epoch, or one of the two below.
        self.arrived: list[float] = []
        self.moved_at: list[float] = []
        self.rewound_at: list[float] = []
        self.losing: frozenset[int] = frozenset()
        self._beyond_since: dict[int, float] = {}
        self._past_end: frozenset[int] = frozenset()
        # Entries that wait for a record that isn't there, up to which end; and those of them that lost none.
        self._waiting_to: dict[int, int] = {}
        self._recordless: set[int] = set()
        self._generation = -1
        self._response: tuple[list[str], list[int]] = ([], [])
        self._arrange: Callable[[Sequence[Any]], tuple[Any, ...]] = picker_of(())
        self.pick: Callable[[Sequence[Any]], tuple[Any, ...]] = picker_of(())
        # That of the table when arrivals were last estimated.
        self._revision = _NONE_YET

    def take(self, offsets: Sequence[CommittedOffset], table: PartitionTable, now: float) -> None:
        """Take in the group's committed offsets, read just now.

        Args:
            offsets: all of them, in any order; negative ones mean "nothing committed".
            table: the partitions that exist.
            now: when they were read, seconds since the epoch.
        """
        topics = [offset.topic for offset in offsets]
        partitions = [offset.partition for offset in offsets]
        values = [offset.offset for offset in offsets]
        if values and min(values) < 0:
            kept = [i for i, value in enumerate(values) if value >= 0]
            topics, partitions = [topics[i] for i in kept], [partitions[i] for i in kept]
            values = [values[i] for i in kept]
        # Comparing the order with the last one is ten times cheaper than looking every pair up again.
        if self._generation != table.generation or (topics, partitions) != self._response:
            self._lay_out(topics, partitions, table, now)
        before, self.commits = self.commits, self._arrange(values)
        if before != self.commits:
            self._note_moves(before, now)

    def measure(self, table: PartitionTable, now: float, *, read_committed: bool, patience: float) -> None:
        """Work out lag and seconds from the commits and the end offsets read after them.

        Args:
            table: with the end offsets of this cycle.
            now: when those were read, seconds since the epoch.
            read_committed: the group reads only up to the last stable offset.
            patience: how long a commit past the end counts as a lagging replica rather than as lost ground,
                in seconds.
        """
        self.ends = reached = self.pick(table.stable_ends if read_committed else table.ends)
        commits = self.commits
        if None in reached:
            self.lags = [None if end is None else end - at for end, at in zip(reached, commits, strict=True)]
            lowest = min((lag for lag in self.lags if lag is not None), default=0)
            last = self.pick(table.last_stable_ends if read_committed else table.last_ends)
            reached = tuple(was if end is None else end for end, was in zip(reached, last, strict=True))
        else:
            self.lags = lags = list(map(sub, reached, commits))
            lowest = min(lags, default=0)
        if lowest < 0 or self._beyond_since:
            self._settle_beyond(self.pick(table.ends), self.pick(table.last_ends), now, patience)
        if table.revision != self._revision:
            self._reconsider(self.pick(table.revisions), table.revision)
        if self._waiting_to:
            self._look_past(reached)
        self._estimate_arrivals(table, reached)
        if self._recordless:
            self._drop_markers()
        self._work_out_waits(reached, now)

    @property
    def adjusted(self) -> bool:
        """Whether some lags aren't just end minus commit."""
        return bool(self._recordless or self._beyond_since)

    @property
    def beyond(self) -> Collection[int]:
        """Entries whose commit has lain past the end of the log for longer than patience lasts."""
        return self._past_end

    def count_losses(self, earliest: Sequence[int | None], table: PartitionTable) -> None:
        """Count what retention removed before it was read.

        Args:
            earliest: earliest offset of each entry, as last read.
            table: knows which offsets never held a record, or lost it to compaction.
        """
        histories, positions = table.histories, self.positions
        self.losing = frozenset(
            i
            for i, (start, at) in enumerate(zip(earliest, self.commits, strict=True))
            if start is not None and start > at and self.least[i]
            and self.losses.count(self.pairs[i], at, start, histories[positions[i]])
        )  # fmt: skip

    def _lay_out(self, topics: list[str], partitions: list[int], table: PartitionTable, now: float) -> None:
        pairs = list(zip(map(intern, topics), partitions, strict=True))
        known = [i for i, pair in enumerate(pairs) if pair in table.index]
        known.sort(key=pairs.__getitem__)
        kept = {pair: i for i, pair in enumerate(self.pairs)}
        came_from = [kept.get(pairs[i], -1) for i in known]
        carry = carrier_of(came_from)
        self.commits = tuple(carry(self.commits, -1))
        self.arrived = carry(self.arrived, _TO_ESTIMATE)
        self.moved_at = carry(self.moved_at, now)
        self.rewound_at = carry(self.rewound_at, NEVER)
        place = {old: new for new, old in enumerate(came_from) if old >= 0}
        self.losing = frozenset(place[i] for i in self.losing if i in place)
        self.losses.keep(table.index)
        self._beyond_since = {place[i]: at for i, at in self._beyond_since.items() if i in place}
        self._past_end = frozenset(place[i] for i in self._past_end if i in place)
        self._recordless = {place[i] for i in self._recordless if i in place}
        self._waiting_to = {place[i]: end for i, end in self._waiting_to.items() if i in place}
        self.unseen = frozenset(pair for pair in pairs if table.hides(pair))
        self.orphans = len(pairs) - len(known) - len(self.unseen)
        self.pairs = [pairs[i] for i in known]
        self.positions = tuple(table.index[pair] for pair in self.pairs)
        self.slices = slices_of(self.pairs)
        self._response = ([pair[0] for pair in pairs], partitions)
        self._arrange, self.pick = picker_of(known), picker_of(self.positions)
        self._revision = _NONE_YET
        self._generation = table.generation
        self.layout += 1

    def _note_moves(self, before: tuple[int, ...], now: float) -> None:
        moved = list(map(ne, before, self.commits))
        self.moved_at = [now if did else at for did, at in zip(moved, self.moved_at, strict=True)]
        self.arrived = [_TO_ESTIMATE if did else at for did, at in zip(moved, self.arrived, strict=True)]
        if any(map(gt, before, self.commits)):
            for i, (was, at) in enumerate(zip(before, self.commits, strict=True)):
                if at < was:
                    self.rewound_at[i] = now

    def _settle_beyond(
        self, ends: tuple[int | None, ...], last: tuple[int | None, ...], now: float, patience: float
    ) -> None:
        """A commit past the end is a replica that is briefly behind (lag 0) until it lasts (not known).

        One past the last stable offset that the log reaches isn't past the end: nothing is left to read.
        A log that can't be looked at has not got longer.
        """
        lags = list(self.lags)
        since: dict[int, float] = {}
        for i, lag in enumerate(lags):
            if lag is not None and lag >= 0:
                continue
            end, before = ends[i], self._beyond_since.get(i)
            if end is None:
                if before is not None and self.commits[i] > (last[i] or 0):
                    since[i] = before
            elif self.commits[i] <= end:
                lags[i] = 0
            else:
                since[i] = now if before is None else before
                lags[i] = 0 if now - since[i] < patience else None
        self.lags, self._beyond_since = lags, since
        self._past_end = frozenset(i for i, at in since.items() if now - at >= patience)

    def _reconsider(self, revisions: tuple[int, ...], latest: int) -> None:
        since, self._revision = self._revision, latest
        if since == _NONE_YET:
            self.arrived = [_TO_ESTIMATE] * len(revisions)
        elif max(revisions, default=0) > since:
            for i in [i for i, revision in enumerate(revisions) if revision > since]:
                self.arrived[i] = _TO_ESTIMATE

    def _estimate_arrivals(self, table: PartitionTable, reached: tuple[int | None, ...]) -> None:
        arrived, lags, commits = self.arrived, self.lags, self.commits
        positions, histories, earliest = self.positions, table.histories, table.earliest
        for i, at in enumerate(arrived):
            if at != _TO_ESTIMATE or lags[i] == 0:
                continue
            position, commit, end = positions[i], commits[i], reached[i] or 0
            if end <= commit:
                continue
            # What retention removed waits no longer: the oldest record left is the one that counts.
            start = earliest[position]
            if start is None or start < commit:
                start = commit
            self._recordless.discard(i)
            known = (NOTHING_TO_READ, 0.0) if start >= end else histories[position].arrival(start, end)
            if known is None:
                arrived[i] = _UNKNOWN
                continue
            arrived[i] = known[0]
            if known[0] == NOTHING_TO_READ:
                self._waiting_to[i] = end
                # What retention removed was no record either, or it goes on counting.
                if histories[position].holes(commit, start) == start - commit:
                    self._recordless.add(i)

    def _look_past(self, reached: tuple[int | None, ...]) -> None:
        """Where the group gets further than before, there may be a record by now."""
        for i, end in list(self._waiting_to.items()):
            if (reached[i] or 0) > end or self.arrived[i] != NOTHING_TO_READ:
                del self._waiting_to[i]
                self.arrived[i] = _TO_ESTIMATE

    def _drop_markers(self) -> None:
        """Offsets that hold no record (markers of transactions, what compaction left) are no lag."""
        self._recordless = {i for i in self._recordless if self.arrived[i] == NOTHING_TO_READ}
        lags = list(self.lags)
        for i in self._recordless:
            lags[i] = None if lags[i] is None else 0
        self.lags = lags

    def _work_out_waits(self, reached: tuple[int | None, ...], now: float) -> None:
        lags = self.lags
        if None not in lags:
            self.least = cast("Sequence[int]", lags)
            self.seconds = [
                (now - at if at < now else 0.0) if at > 0.0 else (0.0 if lag == 0 else None)
                for at, lag in zip(self.arrived, lags, strict=True)
            ]
            return
        nothing = self._recordless
        self.least = [
            (0 if i in nothing else max(0, (end or 0) - at)) if lag is None else lag
            for i, (lag, end, at) in enumerate(zip(lags, reached, self.commits, strict=True))
        ]
        # A record that was there before the end couldn't be read any more goes on waiting.
        self.seconds = [
            None
            if (lag is None and not least) or (at <= 0.0 and least)
            else max(0.0, now - at)
            if least
            else 0.0
            for lag, least, at in zip(lags, self.least, self.arrived, strict=True)
        ]
