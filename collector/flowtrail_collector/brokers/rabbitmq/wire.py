"""Puts together what RabbitMQ gives the collector."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from flowtrail_collector.broker_names import without_broker
from flowtrail_collector.brokers.ports import ToRead
from flowtrail_collector.brokers.rabbitmq.connection import connect, disconnect, pika_module
from flowtrail_collector.brokers.rabbitmq.lag import QueueLagSource, QueueMetrics
from flowtrail_collector.brokers.rabbitmq.letters import LetterFinder
from flowtrail_collector.brokers.rabbitmq.management import Management
from flowtrail_collector.brokers.rabbitmq.mover import QueueMover
from flowtrail_collector.brokers.rabbitmq.routing import routing_of
from flowtrail_collector.brokers.rabbitmq.tail import RabbitTail
from flowtrail_collector.catalog.ports import Routing
from flowtrail_collector.ingest.ports import Tail
from flowtrail_collector.lag.ports import RecordTimestamps
from flowtrail_collector.metrics.exposition import MetricSource
from flowtrail_collector.settings import KafkaConfig, RabbitConfig
from flowtrail_collector.units import parse_duration

__all__ = ["RabbitMQ", "wire"]


class RabbitMQ:
    """A `Broker`: one virtual host, and what is read there.

    Args:
        config: Which one.
        names: What dead letters' queues are called, and where to begin.
    """

    def __init__(self, config: RabbitConfig, names: KafkaConfig) -> None:
        self._config = config
        self._names = names
        self._lag: QueueLagSource | None = None
        self._looking = threading.Lock()

    def check(self, timeout_seconds: float = 5.0) -> None:
        """See `Broker.check`: both servers' doors, the one for messages and the one for management."""
        disconnect(self._config, connect(self._config, "check"))
        management = Management(self._config)
        try:
            management.queue(self._config.queue)
        finally:
            management.close()

    def tails(self, reading: ToRead) -> Sequence[Tail]:
        """See `Broker.tails`."""
        start: Any = self._names.start
        begin = start if start in ("earliest", "latest") else parse_duration(start)
        return [
            RabbitTail(self._config, reading.ingest, reading.store, start=begin),
            LetterFinder(
                self._config, self.holds_dead_letters, reading.ingest, reading.letters, self._looking
            ),
        ]

    def holds_dead_letters(self, topic: str) -> bool:
        """See `Broker.holds_dead_letters`."""
        return self._names.holds_dead_letters(without_broker(topic))

    def lag_source(self, timestamps: RecordTimestamps) -> QueueLagSource:
        """See `Broker.lag_source`."""
        return self._source(timestamps)

    def prober(self) -> None:
        """See `Broker.prober`: a look at a message takes it from its queue for a moment."""

    def sources(self) -> Sequence[MetricSource]:
        """See `Broker.sources`."""
        return [QueueMetrics(self._source(None))]

    def mover(self, of_cluster: Callable[[str | None], None]) -> QueueMover:
        """See `Broker.mover`: a server's name says nothing about its messages."""
        return QueueMover(self._config, self._looking)

    def routing(self) -> Routing:
        """See `Broker.routing`."""
        return routing_of(self._config, self.holds_dead_letters)

    def _source(self, timestamps: RecordTimestamps | None) -> QueueLagSource:
        if self._lag is None:
            self._lag = QueueLagSource(
                self._config, self.holds_dead_letters, timestamps, in_time=bool(self._names.bootstrap_servers)
            )
        return self._lag


def wire(config: RabbitConfig, names: KafkaConfig) -> RabbitMQ:
    """What RabbitMQ does for the collector; asks no server yet.

    Args:
        config: Which one.
        names: What dead letters' queues are called, and where to begin: the same for all brokers.

    Raises:
        ConfigurationError: Its client isn't installed.
    """
    pika_module()
    return RabbitMQ(config, names)
