"""The tail: which topics and partitions there are, reading them, and how far everything was read."""

from __future__ import annotations

from flowtrail_collector.brokers.kafka.tail.tail import KafkaTail

__all__ = ["KafkaTail"]
