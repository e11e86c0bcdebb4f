"""The flowtrail collector: lag, sagas, dead letters, topology and trails of event flows on Kafka and RabbitMQ."""

from __future__ import annotations

from flowtrail_collector.errors import (
    CollectorError,
    ConfigurationError,
    ListenError,
    ServiceUnreachableError,
    StoreError,
)

__all__ = ["CollectorError", "ConfigurationError", "ListenError", "ServiceUnreachableError", "StoreError"]
