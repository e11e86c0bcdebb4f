"""The read side of lag, for the API: plain data of the last collection."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from flowtrail_collector.broker_names import RABBITMQ, without_broker
from flowtrail_collector.lag.model import (
    NOTHING_UNCOMMITTED,
    GroupReading,
    Status,
    TopicSlice,
    TopicSums,
    Uncommitted,
    UncommittedPartition,
    status_of,
)
from flowtrail_collector.lag.model.progress import GroupProgress
from flowtrail_collector.lag.ports import Failure
from flowtrail_collector.lag.words import status_words, verdict_words
from flowtrail_collector.units import iso_time_seconds

__all__ = ["LagView", "is_queue_of"]


_INTERVAL_SECONDS = 5.0
_PATIENCE_SECONDS = 30.0


class _State(NamedTuple):
    """Of one moment, and replaced as a whole."""

    readings: Mapping[str, GroupReading]
    at: float
    failures: Sequence[Failure]
    failing: frozenset[str]
    whole: bool


class LagView:
    """The last collection's readings; any thread may read.

    Args:
        interval_seconds: How often they are collected.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, interval_seconds: float = _INTERVAL_SECONDS, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._state = _State({}, 0.0, (), frozenset(), True)
        self._failing_seconds = 2 * interval_seconds
        self._patience_seconds = max(_PATIENCE_SECONDS, 6 * interval_seconds)
        self._clock = clock

    def publish(self, readings: Sequence[GroupReading], at: float, failures: Sequence[Failure]) -> None:
        """Take over a collection."""
        self._state = _State(
            {each.group: each for each in readings}, at, tuple(failures), _groups(failures), True
        )

    def fail(self, failures: Sequence[Failure]) -> None:
        """Take over what failed in a collection that came to nothing: the figures stay those of the one before."""
        self._state = self._state._replace(failures=tuple(failures), failing=_groups(failures), whole=False)

    def age_seconds(self, reading: GroupReading) -> float | None:
        """How old a group's figures are where nothing newer can be read; None where they are of now."""
        if reading.read_at is None:
            return None
        age, state = self._clock() - reading.read_at, self._state
        known_to_fail = not state.whole or reading.group in state.failing
        return age if age > (self._failing_seconds if known_to_fail else self._patience_seconds) else None

    @property
    def collected_at(self) -> float | None:
        """When the figures were collected, seconds since the epoch; None before the first time."""
        return self._state.at or None

    @property
    def failures(self) -> Sequence[Failure]:
        """What could not be read."""
        return self._state.failures

    @property
    def published(self) -> tuple[list[GroupReading], float, Sequence[Failure]]:
        """What `publish` was given last."""
        state = self._state
        return list(state.readings.values()), state.at, state.failures

    def group_names(self) -> list[str] | None:
        """The groups there are; None until they were first listed."""
        state = self._state
        return list(state.readings) if state.at else None

    @property
    def readings(self) -> list[GroupReading]:
        """All groups' readings."""
        return list(self._state.readings.values())

    def reading(self, group: str) -> GroupReading | None:
        """One group's reading, None if it isn't known."""
        return self._state.readings.get(group)

    def progress(self, group: str) -> GroupProgress | None:
        """How a group is, for whoever waits for it; None if it isn't known.

        A group that reads queues has one for each topic: of those, the one that needs attention most is told.
        """
        reading = self.reading(group)
        queues = [each for name, each in self._state.readings.items() if is_queue_of(name, group)]
        if reading is None and not queues:
            return None
        found = min([each for each in (reading, *queues) if each is not None], key=_urgency)
        status = None if found.status is None else found.status.name.lower()
        queue = None if found is reading else without_broker(found.group)
        age = self.age_seconds(found)
        return GroupProgress(found.sum_lag, found.max_seconds, found.members, status, queue, age)

    def overview(self, name: str | None = None, limit: int | None = None) -> dict[str, Any]:
        """All groups, those that need attention first.

        Args:
            name: only those with this somewhere in their name.
            limit: at most so many; None for all.
        """
        readings, at, failures = self._state[:3]
        found = [reading for reading in readings.values() if name is None or name in reading.group]
        worst_first = sorted(found, key=_urgency)[:limit]
        return {
            "collected_at": iso_time_seconds(at) if at else None,
            "groups": [_group(reading, self.age_seconds(reading)) for reading in worst_first],
            "left_out": len(readings) - len(worst_first),
            "failures": [{"scope": f.scope, "name": f.name, "reason": f.reason} for f in failures],
        }

    def detail(self, group: str) -> dict[str, Any] | None:
        """One group with its topics and partitions; None if it isn't known."""
        readings, at, failures = self._state[:3]
        reading = readings.get(group)
        if reading is None:
            return None
        return {
            "collected_at": iso_time_seconds(at),
            "groups": [{**_group(reading, self.age_seconds(reading)), "partitions": _partitions(reading)}],
            "failures": [
                {"scope": f.scope, "name": f.name, "reason": f.reason}
                for f in failures
                if f.scope != "group" or f.name == group
            ],
        }


def is_queue_of(name: str, group: str) -> bool:
    """Whether this is RabbitMQ's queue from which a group reads a topic: `rabbitmq:orders.billing` of `billing`."""
    return name.startswith(RABBITMQ) and (name == RABBITMQ + group or name.endswith("." + group))


def _urgency(reading: GroupReading) -> tuple[int, float, int, str]:
    return (-(reading.status or 0), -(reading.max_seconds or 0.0), -(reading.sum_lag or 0), reading.group)


def _groups(failures: Sequence[Failure]) -> frozenset[str]:
    return frozenset(failure.name for failure in failures if failure.scope == "group")


def _group(reading: GroupReading, age_seconds: float | None) -> dict[str, Any]:
    topics, status = reading.topics, _status(reading.status)
    return {
        "group": reading.group,
        "type": reading.type,
        "state": reading.state,
        "status": status,
        "verdict": verdict_words(status, reading.members, reading.type, age_seconds) or None,
        "says": status_words(status, reading.members, reading.type) or None,
        "age_seconds": None if age_seconds is None else round(age_seconds, 1),
        "members": reading.members,
        "lag": reading.sum_lag,
        "max_lag": reading.max_lag,
        "lag_seconds": _rounded(reading.max_seconds),
        # How it went before it couldn't be read any more says nothing of when it will have caught up.
        "catch_up_seconds": None if age_seconds is not None else _slowest(topics.catch_up_seconds),
        "catching_up": None if age_seconds is not None else _catching_up(topics.catch_up_seconds),
        "messages_lost": sum(topics.lost),
        "lag_at_least": reading.least_lag,
        "partitions_read": reading.partitions,
        "known_partitions": reading.known,
        **_uncommitted(reading.uncommitted),
        "orphaned_commits": reading.orphans,
        "read_at": None if reading.read_at is None else iso_time_seconds(reading.read_at),
        "topics": [
            _topic(part, topics, i, is_old=age_seconds is not None) for i, part in enumerate(reading.slices)
        ],
    }


def _topic(part: TopicSlice, sums: TopicSums, i: int, *, is_old: bool) -> dict[str, Any]:
    return {
        "topic": part.topic,
        "partitions": sums.partitions[i],
        "known_partitions": sums.known[i],
        "status": _status(sums.statuses[i]),
        "lag": sums.sum_lags[i],
        "lag_at_least": sums.least_lags[i],
        "lag_seconds": _rounded(sums.max_seconds[i]),
        "catch_up_seconds": None if is_old else _finite(sums.catch_up_seconds[i]),
        "catching_up": None if is_old else _catching_up([sums.catch_up_seconds[i]]),
        "consumed_per_second": _rounded(sums.consumed_per_second[i]),
        "produced_per_second": _rounded(sums.produced_per_second[i]),
        "retention_margin": sums.margins[i],
        "messages_lost": sums.lost[i],
    }


def _partitions(reading: GroupReading) -> list[dict[str, Any]]:
    columns = zip(
        reading.pairs,
        reading.commits,
        reading.ends,
        reading.lags,
        reading.seconds,
        reading.statuses,
        strict=True,
    )
    return [
        {
            "topic": topic,
            "partition": partition,
            "offset": commit,
            "end": end,
            "lag": lag,
            "lag_seconds": _rounded(waited),
            "status": _status(status_of(status)),
        }
        for (topic, partition), commit, end, lag, waited, status in columns
    ] + [_uncommitted_partition(each) for each in (reading.uncommitted or NOTHING_UNCOMMITTED).partitions]


def _uncommitted_partition(each: UncommittedPartition) -> dict[str, Any]:
    nothing = each.from_earliest == 0
    return {
        "topic": each.topic,
        "partition": each.partition,
        "offset": None,
        "end": each.end,
        "lag": 0 if nothing else None,
        "lag_seconds": 0.0 if nothing else None,
        "status": _status(each.status),
    }


def _uncommitted(held: Uncommitted | None) -> dict[str, Any]:
    """How many partitions are held without a commit, and how much is unread there from either end."""
    some = held is not None and len(held.partitions) > 0
    return {
        "uncommitted_partitions": None if held is None else len(held.partitions),
        "uncommitted_lag": {"earliest": held.from_earliest, "latest": held.from_latest}
        if held and some
        else None,
    }


def _slowest(times: Sequence[float | None]) -> float | None:
    if not times or any(seconds is None for seconds in times):
        return None
    return _finite(max(seconds for seconds in times if seconds is not None))


def _catching_up(times: Sequence[float | None]) -> bool | None:
    """Whether all lag will be worked off at present rates; None if that isn't known yet."""
    if any(seconds == math.inf for seconds in times):
        return False
    return None if None in times or not times else True


def _status(status: Status | None) -> str | None:
    return None if status is None else status.name.lower()


def _finite(seconds: float | None) -> float | None:
    return None if seconds is None or math.isinf(seconds) else round(seconds, 1)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
