"""Puts together what Kafka gives the collector."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flowtrail_collector.brokers.kafka.connection import KafkaConnection, check_reachable, read_connection
from flowtrail_collector.brokers.kafka.lag import KafkaLagSource, KafkaRecordProber
from flowtrail_collector.brokers.kafka.mover import KafkaRecordMover
from flowtrail_collector.brokers.kafka.tail import KafkaTail
from flowtrail_collector.ingest.ports import Store
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.lag.ports import RecordTimestamps
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

    def tail(
        self, ingest: Ingest, store: Store, timestamps: RecordTimestamps, group: str | None
    ) -> KafkaTail:
        """See `Broker.tail`; `group` is a consumer group."""
        start: Any = self.config.start
        return KafkaTail(
            self.connection,
            ingest,
            store,
            topics=self.config.topics,
            dead_letter_topics=self.config.dead_letter_topics,
            start=start if start in ("earliest", "latest") else parse_duration(start),
            timestamps=timestamps,
            group=group,
        )

    def holds_dead_letters(self, topic: str) -> bool:
        """See `Broker.holds_dead_letters`."""
        return re.fullmatch(self.config.dead_letter_topics, topic) is not None

    def lag_source(self) -> KafkaLagSource:
        """See `Broker.lag_source`."""
        return KafkaLagSource(self.connection)

    def prober(self) -> KafkaRecordProber:
        """See `Broker.prober`."""
        return KafkaRecordProber(self.connection)

    def mover(self, of_cluster: Callable[[str | None], None]) -> KafkaRecordMover:
        """See `Broker.mover`."""
        return KafkaRecordMover(self.connection, of_cluster)


def wire(config: KafkaConfig) -> Kafka:
    """What Kafka does for the collector; asks no broker yet.

    Raises:
        ConfigurationError: The client's settings can't be used.
    """
    return Kafka(config, read_connection(config.bootstrap_servers, properties_file=config.consumer_config))
