"""Which partitions a tail reads: all of them, or those its group gives it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from flowtrail_collector.brokers.kafka.closing import close
from flowtrail_collector.brokers.kafka.tail.positions import Place, Positions

__all__ = ["AllPartitions", "GroupPartitions"]

logger = logging.getLogger("flowtrail_collector")


class AllPartitions:
    """One process reads every partition; Kafka isn't asked who reads what.

    Args:
        positions: Where to begin.

    Attributes:
        consumer: The client, once it is open.
        reading: The partitions being read.
        held: Those of them that wait for others.
    """

    # What the client is set to unless its user says otherwise, and what it has to be set to.
    # librdkafka counts keys and values only; headers, and what it knows of a message, take many times as much.
    # An answer of a broker is unpacked at once, however many messages wait already: so it holds little of a partition, and
    # some of each as long as there are few; see `Pacing` for where it doesn't. While enough messages
    # wait, librdkafka would look only once a second whether it should ask for more; a batch of them should wait.
    defaults: Mapping[str, Any] = {
        "queued.max.messages.kbytes": 8_192,
        "queued.min.messages": 10_000,
        "fetch.message.max.bytes": 250_000,
        "fetch.queue.backoff.ms": 20,
    }
    settings: Mapping[str, Any] = {"group.id": "flowtrail-collector"}  # required; never joined

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        self.consumer: Any = None
        self.reading: set[Place] = set()
        self.held: set[Place] = set()

    def open(self, settings: Mapping[str, Any]) -> None:
        """Make the client, with these settings besides its own."""
        self.abandon()
        self.held = set()
        self.consumer = Consumer({**self.defaults, **settings, **self.settings})

    def close(self) -> None:
        """Close the client."""
        close(self.consumer)
        self.reading = set()

    def follow(self, topics: Collection[str]) -> None:
        """Say which topics there are."""

    def mine(self, there: Collection[Place]) -> set[Place]:
        """The partitions to read, of those that are there."""
        return set(there)

    def start(self, places: Collection[Place]) -> None:
        """Begin to read partitions at their positions."""
        self.hold(())
        self._assign(places)
        self.reading.update(places)

    def stop(self, places: Collection[Place]) -> None:
        """Read some partitions no longer."""
        self.hold(self.held.difference(places))
        self.reading.difference_update(places)
        self._unassign(places)

    def hold(self, places: Collection[Place]) -> None:
        """Let these wait for others, and none else; they go on where they are."""
        before, self.held = self.held, set(places)
        if begun := self.held - before:
            self.consumer.pause([TopicPartition(*place) for place in begun])
        if ended := before - self.held:
            self.consumer.resume([TopicPartition(*place) for place in ended])

    def ends(self) -> dict[Place, int]:
        """Where partitions that are being read end, as the brokers' latest answers say."""
        found: dict[Place, int] = {}
        for place in self.reading:
            with suppress(KafkaException):  # nothing is known of it yet
                found[place] = self.consumer.get_watermark_offsets(TopicPartition(*place), cached=True)[1]
        return found

    def drop(self, topics: Collection[str]) -> None:
        """Read these topics no longer, and forget their positions."""
        places = [place for place in self.reading if place[0] in topics]
        if places:
            self.stop(places)
        self._positions.drop(topics)

    def halt(self) -> None:
        """Read nothing until positions have been loaded again."""
        self.stop(tuple(self.reading))
        self.abandon()

    def abandon(self) -> None:
        """Trust nothing that was known about positions. Nothing is being read."""
        self.reading = set()
        self._positions.up_to_date = False

    def _assign(self, places: Collection[Place]) -> None:
        self.consumer.incremental_assign(self._partitions(places))

    def _unassign(self, places: Collection[Place]) -> None:
        if places:
            self.consumer.incremental_unassign([TopicPartition(*place) for place in places])

    def _partitions(self, places: Iterable[Place]) -> list[TopicPartition]:
        offsets = self._positions.next_offsets(places)
        return [TopicPartition(*place, offset) for place, offset in sorted(offsets.items())]


class GroupPartitions(AllPartitions):
    """This process reads what a consumer group gives it.

    The range assignor gives partitions of one number, of topics alike, to one worker: events of one instance
    mostly meet in one process, and workers seldom wait for each other in the store. Nothing is committed to
    Kafka: the store says where to begin, and its positions fence whoever lost a partition without noticing.

    Args:
        positions: Where to begin. They are out of date whenever, within a poll, partitions come or go.
        group: The group's name, the same for every worker on one store.
    """

    # A worker that was killed is missed after so long.
    defaults: Mapping[str, Any] = {
        **AllPartitions.defaults, "session.timeout.ms": 10_000, "heartbeat.interval.ms": 2_000
    }  # fmt: skip

    def __init__(self, positions: Positions, group: str) -> None:
        super().__init__(positions)
        self.settings = {"group.id": group, "partition.assignment.strategy": "range"}
        self._subscribed: set[str] = set()
        self._owned: set[Place] = set()

    def follow(self, topics: Collection[str]) -> None:
        """See `AllPartitions.follow`."""
        if set(topics) == self._subscribed:
            return
        if topics:
            self.consumer.subscribe(
                sorted(topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
            )
        else:
            self.consumer.unsubscribe()
        self._subscribed = set(topics)

    def mine(self, there: Collection[Place]) -> set[Place]:
        """See `AllPartitions.mine`."""
        return self._owned.intersection(there)

    def _assign(self, places: Collection[Place]) -> None:
        # The eager protocol knows whole assignments only.
        self.consumer.assign(self._partitions(self.reading.union(places)))

    def _unassign(self, places: Collection[Place]) -> None:
        self.consumer.assign(self._partitions(self.reading))

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._owned = {(part.topic, part.partition) for part in partitions}
        consumer.assign([])  # nothing yet: where to begin stands in the store
        self.abandon()
        logger.info("the group gave %d partitions to this worker", len(self._owned))

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._owned = set()
        consumer.unassign()
        self.abandon()
