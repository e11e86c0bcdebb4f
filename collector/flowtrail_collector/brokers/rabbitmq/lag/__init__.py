"""Lag: queues as groups, each of which reads what was routed to it."""

from __future__ import annotations

from flowtrail_collector.brokers.rabbitmq.lag.metrics import QueueMetrics
from flowtrail_collector.brokers.rabbitmq.lag.source import QueueLagSource

__all__ = ["QueueLagSource", "QueueMetrics"]
