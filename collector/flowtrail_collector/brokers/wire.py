"""Puts the brokers together: Kafka, RabbitMQ, or both as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowtrail_collector.broker_names import RABBITMQ
from flowtrail_collector.brokers.kafka.wire import Kafka
from flowtrail_collector.brokers.kafka.wire import wire as wire_kafka
from flowtrail_collector.brokers.ports import Broker, ToRead
from flowtrail_collector.brokers.rabbitmq.wire import RabbitMQ
from flowtrail_collector.brokers.rabbitmq.wire import wire as wire_rabbitmq
from flowtrail_collector.brokers.together import KafkaProber, LagSources, RecordMovers
from flowtrail_collector.catalog.ports import Routing
from flowtrail_collector.dead_letters.ports import RecordMover
from flowtrail_collector.ingest.ports import Tail
from flowtrail_collector.lag.ports import LagSource, RecordProber, RecordTimestamps
from flowtrail_collector.metrics.exposition import MetricSource
from flowtrail_collector.settings import CollectorConfig

__all__ = ["wire"]


class _Both:
    """A `Broker` of two kinds."""

    def __init__(self, kafka: Kafka, rabbitmq: RabbitMQ) -> None:
        self._kafka = kafka
        self._rabbitmq = rabbitmq

    def check(self, timeout_seconds: float = 5.0) -> str | None:
        """See `Broker.check`: Kafka's, whose id says whose the store is."""
        return self._kafka.check(timeout_seconds)

    def tails(self, reading: ToRead) -> Sequence[Tail]:
        """See `Broker.tails`."""
        return [each for broker in self._brokers for each in broker.tails(reading)]

    def holds_dead_letters(self, topic: str) -> bool:
        """See `Broker.holds_dead_letters`."""
        broker = self._rabbitmq if topic.startswith(RABBITMQ) else self._kafka
        return broker.holds_dead_letters(topic)

    def lag_source(self, timestamps: RecordTimestamps) -> LagSource:
        """See `Broker.lag_source`."""
        return LagSources(self._rabbitmq.lag_source(timestamps), self._kafka.lag_source(timestamps))

    def prober(self) -> RecordProber:
        """See `Broker.prober`."""
        return KafkaProber(self._kafka.prober())

    def sources(self) -> Sequence[MetricSource]:
        """See `Broker.sources`."""
        return [each for broker in self._brokers for each in broker.sources()]

    def routing(self) -> Routing:
        """See `Broker.routing`."""
        return self._rabbitmq.routing()

    def mover(self, of_cluster: Callable[[str | None], None]) -> RecordMover:
        """See `Broker.mover`."""
        return RecordMovers(self._rabbitmq.mover(of_cluster), self._kafka.mover(of_cluster))

    @property
    def _brokers(self) -> tuple[Broker, Broker]:
        return self._kafka, self._rabbitmq


def wire(config: CollectorConfig) -> Broker:
    """What the brokers do for the collector; asks none yet.

    Raises:
        ConfigurationError: A client's settings can't be used, or it isn't installed.
    """
    if not config.rabbitmq.url:
        return wire_kafka(config.kafka)
    rabbitmq = wire_rabbitmq(config.rabbitmq, config.kafka)
    if not config.kafka.bootstrap_servers.strip():
        return rabbitmq
    return _Both(wire_kafka(config.kafka), rabbitmq)
