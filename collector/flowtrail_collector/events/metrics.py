"""`flowtrail_mapping_problems_total` and `flowtrail_topic_*`: what was read, and what of it can't be seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from flowtrail_collector.events.mapping import TopicMappings
from flowtrail_collector.events.schemas import Problem
from flowtrail_collector.events.topics import TopicRead
from flowtrail_collector.metrics.counts import Counters
from flowtrail_collector.metrics.exposition import Families

__all__ = ["MappingMetrics", "TopicMetrics"]


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


class TopicMetrics(Families):
    """A `MetricSource` about what was read of each topic.

    The counts are committed together with the positions they belong to: no restart loses or repeats any, and they
    start again with a topic that was deleted and recreated, as the positions do.

    Args:
        reads: Reads them from the store.
    """

    def __init__(self, reads: Callable[[], Sequence[TopicRead]]) -> None:
        self._reads = reads

    def families(self) -> Iterable[Metric]:
        """All families."""
        counted = {
            "records": "Records read.",
            "without_type": "Records read without an event type; they appear in no trail and move no saga.",
            "without_id": "Records read without an event id; one published twice counts twice.",
            "mapping_problems": "Records read in which the topic's mapping found nothing usable.",
        }
        reads = self._reads()
        for name, text in counted.items():
            counter = CounterMetricFamily(f"flowtrail_topic_{name}", text, labels=["topic"])
            for read in reads:
                counter.add_metric([read.topic], getattr(read, name))
            yield counter
        offsets = GaugeMetricFamily(
            "flowtrail_topic_last_offset",
            "The highest offset read in any partition.",
            labels=["topic"],
        )
        times = GaugeMetricFamily(
            "flowtrail_topic_last_record_timestamp_seconds",
            "Timestamp of the latest record read, in seconds since the epoch.",
            labels=["topic"],
        )
        for read in reads:
            if read.last_offset is not None:
                offsets.add_metric([read.topic], read.last_offset)
            if read.last_ms is not None:
                times.add_metric([read.topic], read.last_ms / 1000)
        yield offsets
        yield times
