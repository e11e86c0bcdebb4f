"""Puts together what changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from flowtrail_collector.broker_names import RABBITMQ, rabbitmq_name
from flowtrail_collector.lag.model import GroupReading
from flowtrail_collector.lag.model.progress import GroupProgressOf
from flowtrail_collector.oncall.changes import (
    died,
    ended,
    group_ill,
    hanging,
    lost,
    part_failed,
    unmapped,
    unreadable,
)
from flowtrail_collector.oncall.memory import Lasting
from flowtrail_collector.oncall.model import MOST, SPAN_MS, Change, folded, ranked
from flowtrail_collector.oncall.ports import Groups, Lately
from flowtrail_collector.oncall.watch import Seen, Watch
from flowtrail_collector.sagas.stuck import diagnose_cause

__all__ = ["OnCall", "Report"]

T = TypeVar("T", bound=Hashable)
_MOST_CAUSES = 100


@dataclass(frozen=True, slots=True)
class Report:
    """What changed, and what was looked at for it. Times are ms since the epoch.

    Attributes:
        at_ms: Of which moment it is.
        watched_ms: Since when groups and the collector's parts have been watched; None if they aren't yet.
        changes: The worst first.
        left_out: How many further ones there are.
        groups: How many consumer groups there are; None while they aren't known.
        flows: How many flows there are.
        topics: How many topics have been read.
    """

    at_ms: int
    watched_ms: int | None
    changes: list[Change]
    left_out: int
    groups: int | None
    flows: int
    topics: int


class OnCall:
    """Tells what changed within the last 30 minutes.

    Args:
        watch: Remembers since when things are as they are.
        groups: How consumer groups are.
        store: What the store knows.
        progress_of: How a consumer group is, for whoever waits for it.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        watch: Watch,
        groups: Groups,
        store: Lately,
        progress_of: GroupProgressOf,
        *,
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._watch = watch
        self._groups = groups
        self._store = store
        self._progress_of = progress_of
        self._time_seconds = time_seconds

    def report(self, most: int = MOST) -> Report:
        """What changed, the worst first.

        Raises:
            StoreError: The store can't be asked.
        """
        now_ms = int(self._time_seconds() * 1000)
        seen = self._watch.seen()
        readings = {each.group: each for each in self._groups.readings}
        changes = folded([*self._watched(seen, readings, now_ms), *self._stored(now_ms)])
        shown = ranked(changes, most)
        return Report(
            at_ms=now_ms,
            watched_ms=seen.began_ms,
            changes=shown,
            left_out=len(changes) - len(shown),
            groups=None if self._groups.collected_at is None else len(readings),
            flows=len(self._store.known_flows()),
            topics=seen.topics,
        )

    def _watched(self, seen: Seen, readings: Mapping[str, GroupReading], now_ms: int) -> Iterator[Change]:
        waited = self._store.waited_for()
        for part in _lately(seen.problems, now_ms):
            yield part_failed(part)
        for group in _lately(seen.groups, now_ms):
            reading = readings.get(group.name)
            if reading is None or (group.state == "losing" and group.name in seen.lost):
                continue
            yield group_ill(group, _waiting_for(group.name, waited), reading.sum_lag)
        for name, (records, since_ms) in seen.lost.items():
            yield lost(name, records, since_ms)
        for failure in _lately(seen.failures, now_ms):
            names = _concerned(*failure.name, readings)
            yield unreadable(failure, sum(_waiting_for(name, waited) for name in names))
        for topic, (records, since_ms) in seen.unmapped.items():
            yield unmapped(topic, records, since_ms)

    def _stored(self, now_ms: int) -> Iterator[Change]:
        for cause in self._store.stuck_causes():
            why = diagnose_cause(cause, self._progress_of)
            progress = self._progress_of(why.by) if why.by else None
            queue = rabbitmq_name(progress.queue) if progress is not None and progress.queue else None
            if (change := hanging(cause, why, queue)) is not None:
                yield change
        for end in self._store.ended_lately(now_ms, SPAN_MS):
            if (change := ended(end)) is not None:
                yield change
        for letters in self._store.causes_lately(now_ms, SPAN_MS, _MOST_CAUSES):
            yield died(letters)


def _lately(found: Iterable[Lasting[T, str]], now_ms: int) -> Iterator[Lasting[T, str]]:
    """What began within the span; what was so before it was first looked at, for as long as that is within the span."""
    for each in found:
        if (each.seen_ms if each.since_ms is None else each.since_ms) >= now_ms - SPAN_MS:
            yield each


def _waiting_for(group: str, waited: Mapping[str, int]) -> int:
    """How many instances wait for a group; a queue of RabbitMQ is called after its topic and its group."""
    if not group.startswith(RABBITMQ):
        return waited.get(group, 0)
    return sum(n for name, n in waited.items() if group == RABBITMQ + name or group.endswith(f".{name}"))


def _concerned(scope: str, name: str, readings: Mapping[str, GroupReading]) -> Iterator[str]:
    """The groups that something unreadable concerns, as far as that can be told."""
    if scope == "group":
        yield name
    elif scope == "topic":
        for reading in readings.values():
            if any(part.topic == name for part in reading.slices):
                yield reading.group
