"""Puts together what Kafka gives the collector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flowtrail_collector.brokers.kafka.connection import KafkaConnection, check_reachable, read_connection
from flowtrail_collector.brokers.kafka.lag import KafkaLagSource, KafkaRecordProber
from flowtrail_collector.brokers.kafka.mover import KafkaRecordMover
from flowtrail_collector.brokers.kafka.tail import KafkaTail
from flowtrail_collector.brokers.kafka.tail.records import records_reader
from flowtrail_collector.brokers.ports import ToRead
from flowtrail_collector.lag.ports import RecordTimestamps
from flowtrail_collector.metrics.exposition import MetricSource
from flowtrail_collector.settings import KafkaConfig
from flowtrail_collector.units import parse_duration

__all__ = ["Kafka", "wire"]


@dataclass(frozen=True, slots=True)
class Kafka:
    """A `Broker`: one Kafka cluster, and what is read there.

    Attributes:
        config: What is read.
        connection: How the cluster is reached.
    """

    config: KafkaConfig
    connection: KafkaConnection

    def check(self, timeout_seconds: float = 5.0) -> str | None:
        """See `Broker.check`."""
        return check_reachable(self.connection, timeout_seconds=timeout_seconds)

    def tails(self, reading: ToRead) -> Sequence[KafkaTail]:
        """See `Broker.tails`; `group` is a consumer group."""
        start: Any = self.config.start
        tail = KafkaTail(
            self.connection,
            reading.ingest,
            reading.store,
            topics=self.config.topics,
            dead_letter_topics=self.config.dead_letter_topics,
            start=start if start in ("earliest", "latest") else parse_duration(start),
            timestamps=reading.timestamps,
            group=reading.group,
            records_of=records_reader(reading.speedups),
        )
        return [tail]

    def holds_dead_letters(self, topic: str) -> bool:
        """See `Broker.holds_dead_letters`."""
        return self.config.holds_dead_letters(topic)

    def lag_source(self, timestamps: RecordTimestamps) -> KafkaLagSource:
        """See `Broker.lag_source`: the tail tells when records were written."""
        return KafkaLagSource(self.connection)

    def prober(self) -> KafkaRecordProber:
        """See `Broker.prober`."""
        return KafkaRecordProber(self.connection)

    def routing(self) -> None:
        """See `Broker.routing`."""

    def sources(self) -> Sequence[MetricSource]:
        """See `Broker.sources`: all of Kafka's figures are told elsewhere."""
        return []

    def mover(self, of_cluster: Callable[[str | None], None]) -> KafkaRecordMover:
        """See `Broker.mover`."""
        return KafkaRecordMover(self.connection, of_cluster)


def wire(config: KafkaConfig) -> Kafka:
    """What Kafka does for the collector; asks no broker yet.

    Raises:
        ConfigurationError: The client's settings can't be used.
    """
    return Kafka(config, read_connection(config.bootstrap_servers, properties_file=config.consumer_config))
