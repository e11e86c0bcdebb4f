"""Which topics and partitions there are: those that appear, those that go, those that were recreated."""

from __future__ import annotations

import logging
from collections.abc import Collection

from confluent_kafka import KafkaException

from flowtrail_collector.brokers.kafka.errors import unreachable
from flowtrail_collector.brokers.kafka.tail.offsets import OffsetReader
from flowtrail_collector.brokers.kafka.tail.partitions import AllPartitions
from flowtrail_collector.brokers.kafka.tail.positions import Place, Positions
from flowtrail_collector.brokers.kafka.tail.topics import TopicFilter

__all__ = ["Discovery"]

logger = logging.getLogger("flowtrail_collector")

_METADATA_TIMEOUT_SECONDS = 3.0  # a stop has to wait for it


class Discovery:
    """Looks at the cluster's topics, and has their partitions read.

    Args:
        filter_: Which topics are read.
        offsets: Tells where partitions begin and end.
        positions: Where to begin.
        partitions: What is being read.

    Attributes:
        letters: The partitions of dead letter topics.
        is_idle: Whether no topic of events fits.
    """

    def __init__(
        self,
        filter_: TopicFilter,
        offsets: OffsetReader,
        positions: Positions,
        partitions: AllPartitions,
    ) -> None:
        self._filter = filter_
        self._offsets = offsets
        self._positions = positions
        self._partitions = partitions
        self._missing: set[str] = set()
        self.letters: set[Place] = set()
        self.is_idle = False

    def look(self, now_seconds: float) -> bool:
        """Look once.

        Args:
            now_seconds: Wall clock, seconds since the epoch.

        Returns:
            Whether everything that is there for this process is being read.

        Raises:
            ServiceUnreachableError: No broker answers. What is being read is read on.
            OtherClusterError: The store belongs to another cluster.
        """
        try:
            metadata = self._partitions.consumer.list_topics(timeout=_METADATA_TIMEOUT_SECONDS)
        except KafkaException as error:
            raise unreachable(self._offsets.servers, error) from None
        self._positions.of_cluster(metadata.cluster_id)
        wanted = {name: topic for name, topic in metadata.topics.items() if self._filter.wants(name)}
        there = {
            (name, partition)
            for name, topic in wanted.items()
            if topic.error is None
            for partition in topic.partitions
        }
        self.is_idle = all(self._filter.kind(name)[0] for name in wanted)
        self._forget(wanted.keys())
        self.check_ids(wanted.keys())
        unknown, start = self._positions.unknown(there), self._positions.start
        self._positions.begin(self._offsets.starting(unknown, start, now_seconds))
        self.letters = {place for place in there if self._filter.kind(place[0])[0]}
        self._partitions.follow(wanted.keys())
        new = self._partitions.mine(there) - self._partitions.reading
        ready = {place for place in new if place in self._positions}
        if ready:
            self._partitions.start(ready)
        return ready == new

    def check_ids(self, topics: Collection[str]) -> None:
        """Begin anew in topics that were deleted and recreated, even if their offsets look familiar."""
        anew = self._positions.note_ids(self._offsets.topic_ids(topics))
        if anew:
            self._partitions.drop(anew)
            logger.warning("recreated, reading from the beginning: %s", ", ".join(sorted(anew)))

    def _forget(self, listed: Collection[str]) -> None:
        """Forget deleted topics: their silence must not hold the watermark back."""
        missing = self._positions.topics.difference(listed)
        # Twice in a row: a broker that has just started may not know all of them yet.
        gone, self._missing = missing & self._missing, missing
        if gone:
            self._positions.forget_deleted(gone)
            self._partitions.drop(gone)
            logger.info("no longer there: %s", ", ".join(sorted(gone)))
