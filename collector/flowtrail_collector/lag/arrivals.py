"""Widens what is known about arrival times, between two collections."""

from __future__ import annotations

import math
from collections.abc import Iterator

from flowtrail_collector.lag.groups import GroupRecord, GroupRegistry
from flowtrail_collector.lag.model import PartitionTable
from flowtrail_collector.lag.ports import Failure, LagSource, RecordProber, Spec, Topics
from flowtrail_collector.settings import LagSettings

__all__ = ["Explorer", "Prober"]

# How long ago records are asked for in partitions met with records in them. Between two of these points
# arrivals are interpolated, so a wait is known to within its own order of magnitude at once, and exactly as
# soon as its record has been looked at.
_HOUR, _DAY = 3600.0, 86400.0
_AGES_SECONDS = (
    30.0,
    120.0,
    600.0,
    1800.0,
    _HOUR,
    4 * _HOUR,
    12 * _HOUR,
    _DAY,
    3 * _DAY,
    7 * _DAY,
    30 * _DAY,
)
_FIRST_RECORD = 0.001
_RETRY_SECONDS = 600.0
_EXAMINED_AT_ONCE = 5000
_ANSWERED = (-math.inf, 0)


class Explorer:
    """Asks Kafka's time index where records of certain ages stand, in partitions whose past isn't known.

    Args:
        source: where offsets come from.
        table: what is known.
    """

    def __init__(self, source: LagSource, table: PartitionTable) -> None:
        self._source = source
        self._table = table
        self._steps: Iterator[Spec] | None = None
        self._names: list[tuple[str, int]] = []

    def step(self, topics: Topics, now: float, deadline: float) -> bool:
        """Ask one question about all of them.

        Returns:
            Whether there is more to ask.
        """
        if self._steps is None:
            # What has no end offset can't be looked at: it has its turn when there is one.
            ends, index = self._table.ends, self._table.index
            self._names = sorted(name for name in self._table.unexplored if ends[index[name]] is not None)
            if not self._names:
                return False
            self._table.unexplored.difference_update(self._names)
            specs: list[Spec] = ["newest", _FIRST_RECORD, *(now - age for age in _AGES_SECONDS)]
            self._steps = iter(specs)
        spec = next(self._steps, None)
        if spec is None:
            self._steps = None
            return True
        for answer in self._source.offsets(topics, spec, deadline, self._names):
            for (topic, partition), (offset, timestamp) in answer.offsets.items():
                if timestamp is not None:
                    self._table.learn(topic, partition, offset, timestamp, now)
        return True


class Prober:
    """Looks at the record a group waits at, where it matters and isn't known well.

    Args:
        prober: reads the records.
        table: what is known.
        settings: how many may be looked at.
    """

    def __init__(self, prober: RecordProber, table: PartitionTable, settings: LagSettings) -> None:
        self._prober = prober
        self._table = table
        self._settings = settings
        self._begin = 0
        self._failed: dict[str, tuple[float, Failure]] = {}
        self._others: list[Failure] = []
        # Places about which the broker said nothing: when, and how often in a row.
        self._unanswered: dict[tuple[str, int, int], tuple[float, int]] = {}

    @property
    def failures(self) -> list[Failure]:
        """What couldn't be looked at the last time; topics stay until they are tried again."""
        return [failure for _, failure in self._failed.values()] + self._others

    def probe(self, groups: GroupRegistry, now: float, deadline: float) -> None:
        """Look at as many records as the settings allow."""
        places = self._places(list(groups), now)
        if not places:
            return
        found, failures = self._prober.first_records(list(places), deadline)
        silent = {p: (now, self._unanswered.get(p, (now, 0))[1] + 1) for p in places if p not in found}
        later = {
            p: told for p, told in self._unanswered.items() if p not in places and self._waits(*told, now)
        }
        self._unanswered = later | silent
        for (topic, partition, offset), record in found.items():
            i = self._table.index.get((topic, partition))
            if i is None:
                continue
            self._table.learn_first(i, offset, record.offset, record.timestamp, now, is_record=record.exists)
        self._failed = {name: (at, f) for name, (at, f) in self._failed.items() if now - at < _RETRY_SECONDS}
        self._failed.update(
            (failure.name, (now, failure)) for failure in failures if failure.scope == "topic"
        )
        self._others = [failure for failure in failures if failure.scope != "topic"]

    def close(self) -> None:
        """Release connections."""
        self._prober.close()

    def _waits(self, asked_at: float, times: int, now: float) -> bool:
        """Whether a place that wasn't told of is asked for later: waiting for it again would take the others' time.

        Who is silent once may have been busy; a transaction under way is all that lasts.
        """
        return times > 1 and now - asked_at < self._settings.slow_seconds

    def _places(self, records: list[GroupRecord], now: float) -> dict[tuple[str, int, int], None]:
        places: dict[tuple[str, int, int], None] = {}
        examined = 0
        # Each time another group goes first, so that the budget reaches all of them.
        self._begin = (self._begin + 1) % max(1, len(records))
        for record in records[self._begin :] + records[: self._begin]:
            if examined > _EXAMINED_AT_ONCE or len(places) >= self._settings.probes:
                break
            if not record.fresh:
                # Its entries may stand for partitions of another time.
                continue
            examined += len(record.columns.commits)
            for place in self._doubtful(record, now):
                if self._waits(*self._unanswered.get(place, _ANSWERED), now):
                    continue
                places[place] = None
                if len(places) >= self._settings.probes:
                    break
        return places

    def _doubtful(self, record: GroupRecord, now: float) -> Iterator[tuple[str, int, int]]:
        columns, table, settings = record.columns, self._table, self._settings
        for i, lag in enumerate(columns.lags):
            end = columns.ends[i]
            if not lag or end is None or i >= len(columns.seconds):
                continue
            topic, partition = columns.pairs[i]
            if topic in self._failed and now - self._failed[topic][0] < _RETRY_SECONDS:
                continue
            position = columns.positions[i]
            start = max(columns.commits[i], table.earliest[position] or 0)
            history = table.histories[position]
            known = history.arrival(start, end)
            if known is not None:
                arrived, width = known
                waited = now - arrived
                # What stands still must rest on a record that was seen: Kafka's index tells of markers, too.
                standing = min(waited, now - columns.moved_at[i]) > settings.interval_seconds
                vague = width > max(1.5 * settings.sample_seconds, 0.05 * waited)
                if not vague and (not standing or history.has_seen(start, end)):
                    continue
            yield topic, partition, start
