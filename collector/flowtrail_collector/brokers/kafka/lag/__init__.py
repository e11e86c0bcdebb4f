"""Lag: groups, topics and offsets as the brokers tell them, and looks at single records."""

from __future__ import annotations

from flowtrail_collector.brokers.kafka.lag.prober import KafkaRecordProber
from flowtrail_collector.brokers.kafka.lag.source import KafkaLagSource

__all__ = ["KafkaLagSource", "KafkaRecordProber"]
