"""The client that the instrumentation is measured on, and what takes its spans and log records."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from kafka.consumer.fetcher import ConsumerRecord
from kafka.future import Future
from kafka.producer.future import RecordMetadata
from kafka.structs import TopicPartition
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult


class Discard(SpanExporter):
    """An exporter that costs nothing."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Drop them."""
        return SpanExportResult.SUCCESS


class Drop(logging.Handler):
    """A handler that takes records and drops them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Drop it."""


class _Place:
    topic_partition = TopicPartition("orders", 0)


class Answer(Future):  # type: ignore[misc]
    """What `send` returns."""

    __slots__ = ()
    _produce_future = _Place


ACKNOWLEDGED = RecordMetadata("orders", 0, _Place.topic_partition, 5, 1_700_000_000_000, None, 1, 1, 1)


def fake_clients() -> tuple[type[Any], type[Any]]:
    """A producer class and a consumer class of their own, to be patched."""
    return _producer_class(), _consumer_class()


def _producer_class() -> type[Any]:
    class FakeProducer:
        """Keeps the headers of its last message."""

        __module__ = "kafka.fake"

        def __init__(self) -> None:
            self.config = {
                "bootstrap_servers": ["localhost:9092"],
                "client_id": "bench",
                "api_version": (2, 6),
            }
            self.headers: Any = None

        def send(
            self,
            topic: str,
            value: Any = None,
            key: Any = None,
            headers: Any = None,
            partition: Any = None,
            timestamp_ms: Any = None,
        ) -> Future:
            """Like kafka-python's."""
            self.headers = headers
            return Answer()

    return FakeProducer


def _consumer_class() -> type[Any]:
    class FakeConsumer:
        """Hands over the same record for ever."""

        __module__ = "kafka.fake"

        def __init__(self, headers: Any) -> None:
            self.config = {"bootstrap_servers": ["localhost:9092"], "client_id": "bench", "group_id": "g"}
            self.record = ConsumerRecord(
                "orders", 0, 0, 5, 1_700_000_000_000, 0, b"key", b"value", headers or [], None, 3, 5, 0
            )

        def __next__(self) -> Any:
            return self.record

        def poll(self, timeout_ms: int = 0) -> dict[Any, list[Any]]:
            """Like kafka-python's."""
            return {_Place.topic_partition: [self.record]}

    return FakeConsumer
