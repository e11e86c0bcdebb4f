"""Which partitions a tail reads: all of them, or those its group gives it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from confluent_kafka import Consumer, TopicPartition

__all__ = ["Assignment", "Everything", "Membership"]

logger = logging.getLogger("flowtrail_collector")
Place = tuple[str, int]
Offsets = Mapping[Place, int]


class Assignment(Protocol):
    """Decides what is read, and tells the client."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the client has to be set to."""
        ...

    @property
    def defaults(self) -> Mapping[str, Any]:
        """What the client is set to unless its user says otherwise."""
        ...

    def follow(self, consumer: Consumer, topics: Collection[str]) -> None:
        """Say which topics there are."""
        ...

    def mine(self, there: Collection[Place]) -> set[Place]:
        """The partitions to read, of those that are there."""
        ...

    def start(self, consumer: Consumer, offsets: Offsets, going_on: Offsets) -> None:
        """Begin to read partitions at these offsets; `going_on` is what is being read besides."""
        ...

    def stop(self, consumer: Consumer, places: Collection[Place], going_on: Offsets) -> None:
        """Read some partitions no longer; `going_on` is what is read on."""
        ...


class Everything:
    """One process reads every partition; Kafka isn't asked who reads what."""

    def __init__(self) -> None:
        self.settings: Mapping[str, Any] = {"group.id": "flowtrail-collector"}  # required; never joined
        self.defaults: Mapping[str, Any] = {}

    def follow(self, consumer: Consumer, topics: Collection[str]) -> None:
        """See `Assignment.follow`."""

    def mine(self, there: Collection[Place]) -> set[Place]:
        """See `Assignment.mine`."""
        return set(there)

    def start(self, consumer: Consumer, offsets: Offsets, going_on: Offsets) -> None:
        """See `Assignment.start`."""
        consumer.incremental_assign(_partitions(offsets))

    def stop(self, consumer: Consumer, places: Collection[Place], going_on: Offsets) -> None:
        """See `Assignment.stop`."""
        if places:
            consumer.incremental_unassign([TopicPartition(*place) for place in places])


class Membership:
    """This process reads what a consumer group gives it.

    The range assignor gives partitions of one number, of topics alike, to one worker: events of one instance
    mostly meet in one process, and workers seldom wait for each other in the store. Nothing is committed to
    Kafka: the store says where to begin, and its positions fence whoever lost a partition without noticing.

    Args:
        group: The group's name, the same for every worker on one store.
        on_change: Called from within a poll when partitions came or went: whatever was known about positions
            is out of date, and nothing is being read.
    """

    def __init__(self, group: str, on_change: Callable[[], None]) -> None:
        self.settings: Mapping[str, Any] = {
            "group.id": group,
            "partition.assignment.strategy": "range",
        }
        # A worker that was killed is missed after so long.
        self.defaults: Mapping[str, Any] = {"session.timeout.ms": 10_000, "heartbeat.interval.ms": 2_000}
        self._on_change = on_change
        self._subscribed: set[str] = set()
        self._owned: set[Place] = set()

    @property
    def owned(self) -> int:
        """How many partitions the group gave to this worker."""
        return len(self._owned)

    def follow(self, consumer: Consumer, topics: Collection[str]) -> None:
        """See `Assignment.follow`."""
        if set(topics) == self._subscribed:
            return
        if topics:
            consumer.subscribe(
                sorted(topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
            )
        else:
            consumer.unsubscribe()
        self._subscribed = set(topics)

    def mine(self, there: Collection[Place]) -> set[Place]:
        """See `Assignment.mine`."""
        return self._owned.intersection(there)

    def start(self, consumer: Consumer, offsets: Offsets, going_on: Offsets) -> None:
        """See `Assignment.start`."""
        # The eager protocol knows whole assignments only.
        consumer.assign(_partitions({**going_on, **offsets}))

    def stop(self, consumer: Consumer, places: Collection[Place], going_on: Offsets) -> None:
        """See `Assignment.stop`."""
        consumer.assign(_partitions(going_on))

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._owned = {(part.topic, part.partition) for part in partitions}
        consumer.assign([])  # nothing yet: where to begin stands in the store
        self._on_change()
        logger.info("the group gave %d partitions to this worker", len(self._owned))

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._owned = set()
        consumer.unassign()
        self._on_change()


def _partitions(offsets: Offsets) -> list[TopicPartition]:
    return [TopicPartition(*place, offset) for place, offset in sorted(offsets.items())]
