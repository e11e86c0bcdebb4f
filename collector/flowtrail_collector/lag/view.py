"""The read side of lag, for the API: plain data of the last collection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from flowtrail_collector.lag.model import GroupReading, Status, TopicSlice, TopicSums, status_of
from flowtrail_collector.lag.model.progress import GroupProgress
from flowtrail_collector.lag.ports import Failure
from flowtrail_collector.units import iso_time_seconds

__all__ = ["LagView"]


class LagView:
    """The last collection's readings; replaced as a whole, so any thread may read."""

    def __init__(self) -> None:
        self._state: tuple[dict[str, GroupReading], float, Sequence[Failure]] = ({}, 0.0, ())

    def publish(self, readings: Sequence[GroupReading], at: float, failures: Sequence[Failure]) -> None:
        """Take over a collection."""
        self._state = ({reading.group: reading for reading in readings}, at, tuple(failures))

    @property
    def collected_at(self) -> float | None:
        """When the figures were collected, seconds since the epoch; None before the first time."""
        return self._state[1] or None

    @property
    def readings(self) -> list[GroupReading]:
        """All groups' readings."""
        return list(self._state[0].values())

    def reading(self, group: str) -> GroupReading | None:
        """One group's reading, None if it isn't known."""
        return self._state[0].get(group)

    def progress(self, group: str) -> GroupProgress | None:
        """How a group is, for whoever waits for it; None if it isn't known."""
        reading = self.reading(group)
        if reading is None:
            return None
        status = None if reading.status is None else reading.status.name.lower()
        return GroupProgress(reading.sum_lag, reading.max_seconds, reading.members, status)

    def overview(self) -> dict[str, Any]:
        """All groups, those that need attention first."""
        readings, at, failures = self._state
        worst_first = sorted(readings.values(), key=_urgency)
        return {
            "collected_at": iso_time_seconds(at) if at else None,
            "groups": [_group(reading) for reading in worst_first],
            "failures": [{"scope": f.scope, "name": f.name, "reason": f.reason} for f in failures],
        }

    def detail(self, group: str) -> dict[str, Any] | None:
        """One group with its topics and partitions; None if it isn't known."""
        readings, at, failures = self._state
        reading = readings.get(group)
        if reading is None:
            return None
        return {
            "collected_at": iso_time_seconds(at),
            "groups": [{**_group(reading), "partitions": _partitions(reading)}],
            "failures": [
                {"scope": f.scope, "name": f.name, "reason": f.reason}
                for f in failures
                if f.scope != "group" or f.name == group
            ],
        }


def _urgency(reading: GroupReading) -> tuple[int, float, int, str]:
    return (-(reading.status or 0), -(reading.max_seconds or 0.0), -(reading.sum_lag or 0), reading.group)


def _group(reading: GroupReading) -> dict[str, Any]:
    topics = reading.topics
    return {
        "group": reading.group,
        "type": reading.type,
        "state": reading.state,
        "status": _status(reading.status),
        "members": reading.members,
        "lag": reading.sum_lag,
        "max_lag": reading.max_lag,
        "lag_seconds": _rounded(reading.max_seconds),
        "catch_up_seconds": _slowest(topics.catch_up_seconds),
        "catching_up": _catching_up(topics.catch_up_seconds),
        "messages_lost": sum(topics.lost),
        "uncommitted_partitions": reading.uncommitted,
        "orphaned_commits": reading.orphans,
        "read_at": iso_time_seconds(reading.read_at),
        "topics": [_topic(part, topics, i) for i, part in enumerate(reading.slices)],
    }


def _topic(part: TopicSlice, sums: TopicSums, i: int) -> dict[str, Any]:
    return {
        "topic": part.topic,
        "partitions": part.stop - part.start,
        "status": _status(sums.statuses[i]),
        "lag": sums.sum_lags[i],
        "lag_seconds": _rounded(sums.max_seconds[i]),
        "catch_up_seconds": _finite(sums.catch_up_seconds[i]),
        "consumed_per_second": _rounded(sums.consumed_per_second[i]),
        "produced_per_second": _rounded(sums.produced_per_second[i]),
        "retention_margin": sums.margins[i],
        "messages_lost": sums.lost[i],
    }


def _partitions(reading: GroupReading) -> list[dict[str, Any]]:
    columns = zip(
        reading.pairs, reading.commits, reading.lags, reading.seconds, reading.statuses, strict=True
    )
    return [
        {
            "topic": topic,
            "partition": partition,
            "offset": commit,
            "end": None if lag is None else commit + lag,
            "lag": lag,
            "lag_seconds": _rounded(waited),
            "status": _status(status_of(status)),
        }
        for (topic, partition), commit, lag, waited, status in columns
    ]


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
