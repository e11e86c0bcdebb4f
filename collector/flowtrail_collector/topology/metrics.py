"""`flowtrail_edge_*`: which service reacts to which, how much, how fast."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from flowtrail_collector.metrics.exemplars import ExemplarOf, no_exemplar
from flowtrail_collector.metrics.exposition import Families
from flowtrail_collector.topology.model import LATENCY_BUCKETS_SECONDS, Edge, EdgeKey

_LABELS = ["source", "topic", "target"]


class TopologyMetrics(Families):
    """A `MetricSource` over the edges.

    Args:
        edges: Reads all edges.
        exemplar_of: A trace for each bucket of their latencies (in OpenMetrics).
    """

    def __init__(
        self, edges: Callable[[], Mapping[EdgeKey, Edge]], *, exemplar_of: ExemplarOf = no_exemplar
    ) -> None:
        self._edges = edges
        self._exemplar_of = exemplar_of

    def families(self) -> Iterable[Metric]:
        """See `Families.families`."""
        events = CounterMetricFamily(
            "flowtrail_edge_events",
            "Events that a service published in reaction to another service's.",
            labels=_LABELS,
        )
        latency = HistogramMetricFamily(
            "flowtrail_edge_latency_seconds",
            "Time from an event's record to the reaction's.",
            labels=_LABELS,
        )
        bounds = [*map(floatToGoString, LATENCY_BUCKETS_SECONDS), "+Inf"]
        for key, edge in sorted(self._edges().items()):
            labels = (key.source, key.topic, key.target)
            events.add_metric(labels, edge.events)
            buckets: list[Any] = []
            for bound, count in zip(bounds, accumulate(edge.buckets), strict=True):
                exemplar = self._exemplar_of(labels, bound)
                buckets.append((bound, count) if exemplar is None else (bound, count, exemplar))
            latency.add_metric(labels, buckets, edge.latency_seconds)
        yield events
        yield latency
