"""One collection: commits first, then end offsets, then arithmetic."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import ceil
from typing import TypeVar

from flowtrail_collector.lag.arrivals import Explorer, Prober
from flowtrail_collector.lag.failures import FailureLog
from flowtrail_collector.lag.groups import GroupRecord, GroupRegistry
from flowtrail_collector.lag.identities import Identities
from flowtrail_collector.lag.model import GroupReading, PartitionTable
from flowtrail_collector.lag.ports import Failure, LagSource, OffsetAnswer, RecordProber, Spec, Topics
from flowtrail_collector.lag.readings import read_group
from flowtrail_collector.lag.timestamps import TimestampLog
from flowtrail_collector.settings import LagSettings

__all__ = ["LagCollection"]

T = TypeVar("T")
_DESCRIBED_AT_ONCE = 100
# What a collection waits for one after the other, as shares of its patience: whoever is slow leaves time for
# those who come after it.
_LISTING_SHARE, _COMMITS_SHARE = 0.25, 0.75
_COORDINATORS = "__consumer_offsets"


class LagCollection:
    """Reads a cluster's offsets and works out every group's reading.

    Args:
        source: where offsets come from.
        settings: filters and times.
        timestamps: real record timestamps that a tail reports.
        prober: looks at single records; None to do without.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        source: LagSource,
        settings: LagSettings,
        timestamps: TimestampLog | None = None,
        *,
        prober: RecordProber | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._settings = settings
        self._timestamps = timestamps
        self._clock = clock
        self._wanted = re.compile(settings.topics) if settings.topics else None
        self._now = 0.0
        self._members_turn = 0
        self._slow_failures: list[Failure] = []
        self._earliest_turn = 0
        self._ids_turn = 0
        self.table = PartitionTable()
        self.groups = GroupRegistry(settings)
        self.failures = FailureLog()
        self._identities = Identities(source, self.table)
        self._explorer = Explorer(source, self.table)
        self._prober = Prober(prober, self.table, settings) if prober and settings.probes else None
        self.topics = Topics({})

    def run(self) -> list[GroupReading]:
        """Collect once.

        Raises:
            ServiceUnreachableError: no broker answered at all.
        """
        began, patience = time.monotonic(), self._settings.patience_seconds
        deadline = began + patience
        failures, self._slow_failures = self._slow_failures, []
        listed = self._source.groups(began + _LISTING_SHARE * patience)
        failures += listed.failures
        all_there = self._read_topics(deadline, failures)
        now = self._present()
        self.groups.update(listed.groups, now, complete=all_there and not listed.failures)
        self._read_commits(began + _COMMITS_SHARE * patience, failures)
        self._describe(self._not_met(), deadline, failures)
        self._take_timestamps()
        # Only now: a commit that is newer than the end offset it is held against makes lag negative.
        self._read_ends(deadline, failures)
        readings = self._measure(self._present())
        if self._prober is not None:
            failures += self._prober.failures
        self.failures.update(failures)
        return readings

    def sample(self) -> None:
        """Read end offsets alone, so that arrivals between two collections are told apart."""
        self._take_timestamps()
        deadline = time.monotonic() + self._settings.patience_seconds
        for i, end, answer in self._offsets("latest", deadline, []):
            self.table.set_end(i, end, answer.asked_at, answer.answered_at)

    def widen(self, deadline: float) -> bool:
        """Read what changes slowly, and learn more about arrival times; the next collection uses both.

        Args:
            deadline: when the next collection is due (`time.monotonic`).

        Returns:
            Whether something was learned that the figures of this collection lack altogether.
        """
        patience = time.monotonic() + self._settings.patience_seconds
        self._read_slow(patience, self._slow_failures)
        explored = False
        while time.monotonic() < deadline and self._explorer.step(self.topics, self._present(), patience):
            explored = True
            patience = time.monotonic() + self._settings.patience_seconds
        if self._prober is not None and time.monotonic() < deadline:
            self._prober.probe(self.groups, self._present(), deadline)
        return explored

    def close(self) -> None:
        """Release connections."""
        if self._prober is not None:
            self._prober.close()
        self._source.close()

    def _present(self) -> float:
        # A clock that is set back must not make records arrive in the future.
        self._now = max(self._now, self._clock())
        return self._now

    def _read_topics(self, deadline: float, failures: list[Failure]) -> bool:
        """Read partitions and leaders.

        Returns:
            Whether every group has a coordinator: those that lack one aren't listed, and haven't gone.
        """
        topics = self._source.topics(deadline)
        failures += [failure for failure in topics.failures if self._is_wanted(failure.name)]
        leaders = {name: numbers for name, numbers in topics.leaders.items() if self._is_wanted(name)}
        for failure in topics.failures:
            # A topic that can't be looked at right now has not gone away.
            if failure.name in self.topics.leaders:
                leaders.setdefault(failure.name, self.topics.leaders[failure.name])
        # Neither has one that isn't looked at.
        hidden: dict[str, frozenset[int] | None] = {failure.name: None for failure in topics.failures}
        hidden |= {name: frozenset(numbers) for name, numbers in topics.leaders.items()}
        for name in hidden.keys() & leaders.keys():
            del hidden[name]
        self.topics = replace(topics, leaders=leaders, failures=())
        self.table.set_topics(
            {name: list(numbers) for name, numbers in leaders.items()}, self._present(), hidden
        )
        return -1 not in topics.leaders.get(_COORDINATORS, {}).values()

    def _is_wanted(self, topic: str) -> bool:
        if self._wanted is not None:
            return self._wanted.search(topic) is not None
        return not topic.startswith("__")

    def _read_commits(self, deadline: float, failures: list[Failure]) -> None:
        unanswered = set(self.groups.with_commits())
        for name, commits in self._source.commits(self.groups.with_commits(), deadline):
            unanswered.discard(name)
            record = self.groups.get(name)
            if record is None:
                continue
            record.fresh = not isinstance(commits, Failure)
            if isinstance(commits, Failure):
                record.failure = commits
                failures.append(commits)
            else:
                record.failure = None
                record.read_at = self._present()
                record.first_read_at = record.first_read_at or record.read_at
                record.columns.take(commits, self.table, record.read_at)
        for name in unanswered:
            if (record := self.groups.get(name)) is not None:
                # It went away after it was listed; its old commits may be those of partitions that did too.
                record.fresh, record.failure, record.reading = False, None, None

    def _take_timestamps(self) -> None:
        if self._timestamps is None:
            return
        now = self._present()
        for topic, partition, offset, timestamp_ms in self._timestamps.take():
            self.table.learn(topic, partition, offset, timestamp_ms / 1000, now)

    def _offsets(
        self,
        spec: Spec,
        deadline: float,
        failures: list[Failure],
        only: Sequence[tuple[str, int]] | None = None,
    ) -> Iterator[tuple[int, int, OffsetAnswer]]:
        """Position in the table, offset, and the answer it came with, of each partition that is there."""
        index = self.table.index
        for answer in self._source.offsets(self.topics, spec, deadline, only):
            failures += answer.failures
            for name, (offset, _) in answer.offsets.items():
                if (i := index.get(name)) is not None:
                    yield i, offset, answer

    def _read_ends(self, deadline: float, failures: list[Failure]) -> None:
        table = self.table
        unread = set(range(len(table.names)))
        for i, end, answer in self._offsets("latest", deadline, failures):
            table.set_end(i, end, answer.asked_at, answer.answered_at)
            unread.discard(i)
        # An old end offset held against new commits would lie.
        for i in unread:
            table.set_end(i, None)
        if any(record.read_committed for record in self.groups):
            stable: list[int | None] = [None] * len(table.names)
            for i, offset, _ in self._offsets("latest_stable", deadline, failures):
                stable[i] = table.last_stable_ends[i] = offset
            table.stable_ends = stable

    def _read_slow(self, deadline: float, failures: list[Failure]) -> None:
        """Read a share of what changes slowly, so that no collection is longer than the others."""
        share = min(1.0, self._settings.interval_seconds / self._settings.slow_seconds)
        self._read_ids(deadline, share)
        names = self.table.names
        turn, self._earliest_turn = _turn(names, self._earliest_turn, share)
        # Those that aren't known can't wait for their turn; where they can't be read, the others still have theirs.
        missing = [names[i] for i, start in enumerate(self.table.earliest) if start is None]
        turn = list(dict.fromkeys(missing + turn))
        if turn:
            for i, offset, _ in self._offsets("earliest", deadline, failures, turn):
                self.table.set_start(i, offset)
        groups = [name for name in self.groups.with_commits() if self._can_be_described(name)]
        described, self._members_turn = _turn(groups, self._members_turn, share)
        self._describe(list(dict.fromkeys(described + self._not_met())), deadline, failures)

    def _read_ids(self, deadline: float, share: float) -> None:
        topics = sorted(self.topics.leaders)
        unknown = self._identities.unknown(topics, _DESCRIBED_AT_ONCE)
        turn, self._ids_turn = _turn(topics, self._ids_turn, share)
        self._identities.look(list(dict.fromkeys(unknown + turn)), self._present(), deadline)

    def _not_met(self) -> list[str]:
        """Some of the groups with members that aren't known yet: what those hold belongs to the sums."""
        names = [
            record.info.name
            for record in self.groups
            if record.members is None and self._can_be_described(record.info.name)
        ]
        return names[:_DESCRIBED_AT_ONCE]

    def _describe(self, groups: Sequence[str], deadline: float, failures: list[Failure]) -> None:
        if not groups:
            return
        found, failed = self._source.members(groups, deadline)
        failures += failed
        for name, members in found.items():
            record = self.groups.get(name)
            if record is not None:
                record.members = members

    def _can_be_described(self, group: str) -> bool:
        # Asked about a streams group as if it were a consumer group, brokers say that it has no members.
        record = self.groups.get(group)
        return record is not None and record.fresh and record.has_members and record.info.type != "streams"

    def _measure(self, now: float) -> list[GroupReading]:
        keep = self._settings.keep_failing_seconds
        readings = []
        for record in self.groups:
            if record.fresh:
                record.reading = read_group(record, self.table, self._settings, now)
            elif not record.has_commits or record.reading is None or _has_failed(record, now, keep):
                # Its progress can't be read: its type and state are all that is known.
                info = record.info
                record.reading = GroupReading(
                    info.name, info.type, info.state, read_at=record.read_at or None
                )
            readings.append(record.reading)
        return readings


def _has_failed(record: GroupRecord, now: float, seconds: float) -> bool:
    """Whether a group can't be read, and couldn't for so long."""
    return record.failure is not None and now - record.read_at > seconds


def _turn(items: Sequence[T], start: int, share: float) -> tuple[list[T], int]:
    """The next share of the items, going round, and where the one after it begins."""
    if not items:
        return [], 0
    start, count = start % len(items), ceil(len(items) * share)
    return [*items[start : start + count], *items[: max(0, start + count - len(items))]], start + count
