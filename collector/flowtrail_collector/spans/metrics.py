"""Figures of the OTLP receiver."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from flowtrail_collector.metrics.exposition import Families
from flowtrail_collector.spans.queue import SpanQueue


class SpanMetrics(Families):
    """A `MetricSource`: how many spans came, waited, were turned away.

    Args:
        queue: The receiver's queue.
    """

    def __init__(self, queue: SpanQueue) -> None:
        self._queue = queue

    def families(self) -> Iterable[Metric]:
        """See `Families.families`."""
        queue = self._queue
        counters = (
            ("received", "Spans stored.", queue.received_spans),
            ("rejected", "Spans rejected as invalid.", queue.rejected_spans),
            ("refused", "Spans refused because the queue was full; exporters send them again.",
             queue.refused_spans),
        )  # fmt: skip
        for name, text, value in counters:
            yield CounterMetricFamily(f"flowtrail_collector_spans_{name}", text, value=value)
        yield GaugeMetricFamily(
            "flowtrail_collector_spans_waiting", "Spans waiting for the store.", value=queue.pending_spans
        )
