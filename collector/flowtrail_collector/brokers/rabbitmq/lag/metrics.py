"""`flowtrail_queue_*`: what RabbitMQ's queues have beside the lag that groups of all brokers have."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from flowtrail_collector.brokers.rabbitmq.lag.source import QueueLagSource
from flowtrail_collector.metrics.exposition import Families

__all__ = ["QueueMetrics"]


class QueueMetrics(Families):
    """A `MetricSource` on what was last seen of the queues.

    Args:
        source: Looks at them.
    """

    def __init__(self, source: QueueLagSource) -> None:
        self._source = source

    def families(self) -> Iterable[Metric]:
        """All families."""
        ready = GaugeMetricFamily(
            "flowtrail_queue_ready_messages", "Messages waiting to be delivered.", labels=["queue"]
        )
        unacknowledged = GaugeMetricFamily(
            "flowtrail_queue_unacknowledged_messages",
            "Messages delivered, not acknowledged yet.",
            labels=["queue"],
        )
        consumers = GaugeMetricFamily(
            "flowtrail_queue_consumers", "Consumers of the queue.", labels=["queue", "type"]
        )
        published = CounterMetricFamily(
            "flowtrail_queue_published",
            "Messages published to the queue since the server started counting.",
            labels=["queue"],
        )
        for queue in self._source.queues:
            ready.add_metric([queue.name], queue.ready)
            unacknowledged.add_metric([queue.name], queue.unacknowledged)
            consumers.add_metric([queue.name, queue.type], queue.consumers)
            if queue.published is not None:
                published.add_metric([queue.name], queue.published)
        alarms = GaugeMetricFamily(
            "flowtrail_rabbitmq_alarms",
            "Nodes that are low on memory or disk: nobody can publish.",
            labels=["kind"],
        )
        for kind, nodes in self._source.alarms.items():
            alarms.add_metric([kind], nodes)
        return ready, unacknowledged, consumers, published, *self._limits(), alarms

    def _limits(self) -> Iterable[Metric]:
        limit = GaugeMetricFamily(
            "flowtrail_queue_limit_messages", "Messages that may wait (max-length).", labels=["queue"]
        )
        dropped = CounterMetricFamily(
            "flowtrail_queue_dropped_messages",
            "Messages lost since the collector started because a full queue dropped its oldest.",
            labels=["queue"],
        )
        lost = self._source.dropped
        for queue in self._source.queues:
            if queue.limit is not None:
                limit.add_metric([queue.name], queue.limit)
            if queue.name in lost:
                dropped.add_metric([queue.name], lost[queue.name])
        return limit, dropped
