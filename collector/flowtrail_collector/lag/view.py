"""The read side of lag, for the API: plain data of the last collection."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from flowtrail_collector.broker_names import RABBITMQ, broker_of, without_broker
from flowtrail_collector.lag.json import group_json, partitions_json
from flowtrail_collector.lag.model import GroupReading
from flowtrail_collector.lag.model.progress import GroupProgress
from flowtrail_collector.lag.ports import Failure
from flowtrail_collector.units import iso_time_ms, iso_time_seconds

__all__ = ["LagView", "Unread", "is_queue_of"]

_INTERVAL_SECONDS = 5.0
_PATIENCE_SECONDS = 30.0


class _State(NamedTuple):
    """Of one moment, and replaced as a whole."""

    readings: Mapping[str, GroupReading]
    at: float
    failures: Sequence[Failure]
    failing: frozenset[str]
    whole: bool
    since_ms: Mapping[tuple[str, str], int] = MappingProxyType({})


class Unread(NamedTuple):
    """The groups of a broker that can't be read.

    Attributes:
        groups: How many.
        since: When the first of them was read last, seconds since the epoch; None if none ever was.
    """

    groups: int
    since: float | None


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
        known = {each.group: each for each in readings}
        self._state = _State(known, at, tuple(failures), _groups(failures), True, self._since(failures))

    def fail(self, failures: Sequence[Failure]) -> None:
        """Take over what failed in a collection that came to nothing: the figures stay those of the one before."""
        self._state = self._state._replace(
            failures=tuple(failures), failing=_groups(failures), whole=False, since_ms=self._since(failures)
        )

    def _since(self, failures: Sequence[Failure]) -> Mapping[tuple[str, str], int]:
        before, now_ms = self._state.since_ms, int(self._clock() * 1000)
        return {(each.scope, each.name): before.get((each.scope, each.name), now_ms) for each in failures}

    def unread(self) -> dict[str, Unread]:
        """How many groups can't be read at present, by broker; empty when all can."""
        state = self._state
        old = [name for name, each in state.readings.items() if self.age_seconds(each) is not None]
        found: dict[str, list[float | None]] = {}
        for name in {*old, *state.failing}:
            reading = state.readings.get(name)
            found.setdefault(broker_of(name), []).append(None if reading is None else reading.read_at)
        return {
            broker: Unread(len(times), min((time for time in times if time is not None), default=None))
            for broker, times in found.items()
        }

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
        readings, at = self._state[:2]
        found = [reading for reading in readings.values() if name is None or name in reading.group]
        worst_first = sorted(found, key=_urgency)[:limit]
        return {
            "collected_at": iso_time_seconds(at) if at else None,
            "groups": [group_json(reading, self.age_seconds(reading)) for reading in worst_first],
            "left_out": len(readings) - len(worst_first),
            "failures": _failures(self._state),
            "unread": {
                broker: {"groups": each.groups, "since": each.since and iso_time_seconds(each.since)}
                for broker, each in self.unread().items()
            },
        }

    def names(self) -> list[str]:
        """All groups, by name."""
        return sorted(self._state[0])

    def detail(self, group: str) -> dict[str, Any] | None:
        """One group with its topics and partitions; None if it isn't known."""
        readings, at = self._state[:2]
        reading = readings.get(group)
        if reading is None:
            return None
        return {
            "collected_at": iso_time_seconds(at),
            "groups": [
                {**group_json(reading, self.age_seconds(reading)), "partitions": partitions_json(reading)}
            ],
            "failures": [
                each for each in _failures(self._state) if each["scope"] != "group" or each["name"] == group
            ],
            "unread": {},
        }


def is_queue_of(name: str, group: str) -> bool:
    """Whether this is RabbitMQ's queue from which a group reads a topic: `rabbitmq:orders.billing` of `billing`."""
    return name.startswith(RABBITMQ) and (name == RABBITMQ + group or name.endswith("." + group))


def _urgency(reading: GroupReading) -> tuple[int, float, int, str]:
    return (-(reading.status or 0), -(reading.max_seconds or 0.0), -(reading.sum_lag or 0), reading.group)


def _failures(state: _State) -> list[dict[str, Any]]:
    return [
        {
            "scope": each.scope,
            "name": each.name,
            "reason": each.reason,
            "since": iso_time_ms(state.since_ms.get((each.scope, each.name))),
        }
        for each in state.failures
    ]


def _groups(failures: Sequence[Failure]) -> frozenset[str]:
    return frozenset(failure.name for failure in failures if failure.scope == "group")
