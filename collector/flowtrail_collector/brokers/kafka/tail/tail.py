"""Follows every matching topic and hands what it reads to the ingest, position by position.

The store, not Kafka, knows how far everything was read: the tail starts where the store says, and commits
nothing to Kafka. Whatever goes wrong (a broker, the store, a partition that another worker has moved), it begins
again from the stored positions.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import KafkaError

from flowtrail_collector.brokers.kafka.connection import KafkaConnection
from flowtrail_collector.brokers.kafka.tail.discovery import Discovery
from flowtrail_collector.brokers.kafka.tail.ends import look_at_ends
from flowtrail_collector.brokers.kafka.tail.offsets import OffsetReader
from flowtrail_collector.brokers.kafka.tail.partitions import AllPartitions, GroupPartitions
from flowtrail_collector.brokers.kafka.tail.positions import Place, Positions, Start
from flowtrail_collector.brokers.kafka.tail.reading import Reading
from flowtrail_collector.brokers.kafka.tail.records import RecordsOf, records_of
from flowtrail_collector.brokers.kafka.tail.topics import TopicFilter
from flowtrail_collector.brokers.trouble import Trouble
from flowtrail_collector.conditions import Remark, Starting
from flowtrail_collector.errors import FencedError, ServiceUnreachableError, StoreError
from flowtrail_collector.ingest.ports import Store
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.lag.ports import RecordTimestamps
from flowtrail_collector.wording import counted

__all__ = ["KafkaTail"]

logger = logging.getLogger("flowtrail_collector")

_POLL_SECONDS = 0.2
_DISCOVERY_SECONDS = 3.0
_ENDS_SECONDS = 1.0
_STORE_PAUSE_SECONDS = 1.0


class KafkaTail:
    """A `Part` that reads events and dead letters.

    Args:
        connection: Which cluster.
        ingest: Where records go.
        store: Where positions are.
        topics: Regular expression that a topic's whole name must match to be read.
        dead_letter_topics: The same for topics that hold dead letters; looked at first.
        start: Where to begin in topics that were there before this store: `earliest`, `latest`, or an age in
            seconds. Topics that appear later are read from their beginning.
        timestamps: Told about records that were read, so that lag in seconds is exact.
        group: Share the partitions with the other workers of this consumer group; None reads them all.
        time_seconds: Wall clock, seconds since the epoch.
    """

    name = "tail"
    is_shared = True

    def __init__(
        self,
        connection: KafkaConnection,
        ingest: Ingest,
        store: Store,
        *,
        topics: str,
        dead_letter_topics: str,
        start: Start = "earliest",
        timestamps: RecordTimestamps | None = None,
        group: str | None = None,
        time_seconds: Callable[[], float] = time.time,
        records_of: RecordsOf = records_of,
    ) -> None:
        self._records_of = records_of
        self._connection = connection
        self._filter = TopicFilter(topics, dead_letter_topics)
        self._idle = Remark(
            f"follows no topic of events: none fits --topics {topics}: correct it, or publish once"
        )
        self._is_idle = False
        self._positions = Positions(ingest, store, start)
        self._partitions = AllPartitions(self._positions)
        self._timestamps = timestamps
        self._group = group
        self._time_seconds = time_seconds
        self._trouble = Trouble(
            Starting("hasn't reached Kafka yet"), lambda: f"following {counted(self.partitions, 'partition')}"
        )
        self._depths: Mapping[Place, int] = {}

    @property
    def partitions(self) -> int:
        """How many partitions are being read."""
        return len(self._partitions.reading)

    @property
    def problem(self) -> str | None:
        """Why nothing is read at present, None when it is."""
        return self._trouble.problem

    def dead_letter_depths(self) -> Mapping[str, int]:
        """Records retained in each dead letter topic, as of a few seconds ago."""
        depths: Counter[str] = Counter()
        for (topic, _), depth in self._depths.items():
            depths[topic] += depth
        return depths

    def run(self, stop: threading.Event) -> None:
        """Read until told to stop."""
        filter_, positions = self._filter, self._positions
        partitions = (
            AllPartitions(positions) if self._group is None else GroupPartitions(positions, self._group)
        )
        self._partitions = partitions
        partitions.open(self._settings())
        offsets = OffsetReader(self._connection)
        discovery = Discovery(filter_, offsets, positions, partitions)
        reading = Reading(
            filter_,
            offsets,
            positions,
            partitions,
            discovery,
            timestamps=self._timestamps,
            report=self._note,
            time_seconds=self._time_seconds,
            records_of=self._records_of,
        )
        try:
            self._follow(discovery, reading, offsets, stop)
        finally:
            partitions.close()

    def _settings(self) -> dict[str, Any]:
        settings = self._connection.consumer_settings(
            client_id="flowtrail-collector",
            enable_auto_commit=False,
            enable_auto_offset_store=False,
            enable_partition_eof=True,
            auto_offset_reset="error",
            fetch_wait_max_ms=200,
        )
        # The client itself would write a line for every attempt to connect; the tail says it once.
        return {**settings, "error_cb": self._on_error, "log_level": 2}

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._trouble.note(f"no Kafka broker answers at {self._connection.bootstrap_servers}")

    def _follow(
        self, discovery: Discovery, reading: Reading, offsets: OffsetReader, stop: threading.Event
    ) -> None:
        partitions, positions = self._partitions, self._positions
        next_discovery = next_ends = 0.0
        while not stop.is_set():
            now = time.monotonic()
            try:
                if not positions.up_to_date:
                    positions.load()
                    next_discovery = now
                if now >= next_discovery:
                    self._discover(discovery)
                    next_discovery = time.monotonic() + _DISCOVERY_SECONDS
                reading.read(_POLL_SECONDS)
                if now >= next_ends and (partitions.reading or discovery.letters):
                    self._look_at_ends(offsets, discovery.letters)
                    next_ends = time.monotonic() + _ENDS_SECONDS
            except FencedError as error:
                logger.info("another worker has moved the position, continuing from the store: %s", error)
                partitions.halt()
            except StoreError as error:
                positions.store_fails = True
                self._trouble.note(str(error))
                partitions.halt()
                stop.wait(_STORE_PAUSE_SECONDS)
            except ServiceUnreachableError as error:
                self._trouble.note(str(error))
                partitions.halt()
            if not partitions.reading:
                partitions.consumer.poll(0)  # the group is heard all the same
                stop.wait(_POLL_SECONDS)

    def _discover(self, discovery: Discovery) -> None:
        try:
            complete = discovery.look(self._time_seconds())
        except ServiceUnreachableError as error:  # what is being read is read on
            self._trouble.note(str(error))
        else:
            self._is_idle = discovery.is_idle
            if complete and not self._positions.store_fails:
                self._note(None)

    def _note(self, problem: str | None) -> None:
        self._trouble.note(self._idle if problem is None and self._is_idle else problem)

    def _look_at_ends(self, offsets: OffsetReader, letters: set[Place]) -> None:
        now_ms = int(self._time_seconds() * 1000)
        try:
            self._depths = look_at_ends(offsets, self._positions, self._partitions.reading, letters, now_ms)
        except ServiceUnreachableError as error:
            self._trouble.note(str(error))
