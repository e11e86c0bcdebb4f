"""`flowtrail_mapping_problems_total`: records whose mapping found nothing usable."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.metrics_core import CounterMetricFamily, Metric

from flowtrail_collector.events.mapping import TopicMappings
from flowtrail_collector.events.schemas import Problem
from flowtrail_collector.metrics.counts import Counters
from flowtrail_collector.metrics.exposition import Families

__all__ = ["MappingMetrics"]


class MappingMetrics(Families):
    """A `MetricSource` about the mappings of the flow file; every series is there from the beginning.

    Args:
        store: Where counters are.
        mappings: Of the flow file: what is no longer in there isn't shown.
    """

    def __init__(self, store: Counters, mappings: TopicMappings) -> None:
        self._store = store
        self._mappings = mappings

    def families(self) -> Iterable[Metric]:
        """All families."""
        problems = CounterMetricFamily(
            "flowtrail_mapping_problems",
            "Records in mapped topics whose mapping found nothing usable, by reason.",
            labels=["mapping", "reason"],
        )
        counts = self._store.counters("mapping_problems") if self._mappings else {}
        for mapping in self._mappings.all:
            for problem in Problem:
                labels = (mapping.name, problem.value)
                problems.add_metric(labels, counts.get(("mapping_problems", labels), 0))
        yield problems
