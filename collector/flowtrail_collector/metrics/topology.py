"""`flowtrail_edge_*`: who feeds whom, how much, how fast."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from flowtrail_collector.domain.topology import LATENCY_BUCKETS_SECONDS, Edge, EdgeKey

_LABELS = ["source", "topic", "target"]


class TopologyMetrics:
    """A `MetricSource` over the edges.

    Args:
        edges: Reads all edges.
    """

    def __init__(self, edges: Callable[[], Mapping[EdgeKey, Edge]]) -> None:
        self._edges = edges

    def families(self) -> Iterable[Metric]:
        """See `MetricSource.families`."""
        events = CounterMetricFamily(
            "flowtrail_edge_events", "Events with which a service reacted to another's.", labels=_LABELS
        )
        latency = HistogramMetricFamily(
            "flowtrail_edge_latency_seconds",
            "From an event's record to the reaction's.",
            labels=_LABELS,
        )
        bounds = [*map(floatToGoString, LATENCY_BUCKETS_SECONDS), "+Inf"]
        for key, edge in sorted(self._edges().items()):
            labels = [key.source, key.topic, key.target]
            events.add_metric(labels, edge.events)
            counts = zip(bounds, accumulate(edge.buckets), strict=True)
            latency.add_metric(labels, [(bound, count) for bound, count in counts], edge.latency_seconds)
        yield events
        yield latency
