"""Puts spans together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flowtrail_collector.runtime.slices import Wired
from flowtrail_collector.settings import SpanConfig
from flowtrail_collector.spans.conversion import SpanConversion
from flowtrail_collector.spans.jaeger import jaeger_routes
from flowtrail_collector.spans.metrics import SpanMetrics
from flowtrail_collector.spans.model import Span
from flowtrail_collector.spans.queue import SpanQueue
from flowtrail_collector.spans.receiver import otlp_routes
from flowtrail_collector.spans.sql.search import SqlSpanSearch
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.store.sql import Database

__all__ = ["Spans", "wire"]


@dataclass(frozen=True, slots=True)
class Spans:
    """Spans, put together.

    Attributes:
        store: Where they are kept.
        queue: Where they wait for the store.
        wired: Parts, metrics and routes.
    """

    store: SqlSpans
    queue: SpanQueue
    wired: Wired


def wire(config: SpanConfig, database: Database, note: Callable[[Sequence[Span]], None]) -> Spans:
    """Put them together.

    Args:
        config: Limits.
        database: The collector's database.
        note: Told of spans as they come in.
    """
    store = SqlSpans(database)
    queue = SpanQueue(
        store,
        max_spans=config.queue_spans,
        retention_seconds=config.retention_seconds,
        keep_at_most=config.max_spans,
        note=note,
    )
    receiver = otlp_routes(queue, max_body_bytes=config.max_body_bytes)
    wired = Wired(
        parts=[queue],
        parts_for_all=[SpanConversion(store)],
        sources=[SpanMetrics(queue)],
        routes=[*receiver, *jaeger_routes(store, SqlSpanSearch(database))],
    )
    return Spans(store, queue, wired)
