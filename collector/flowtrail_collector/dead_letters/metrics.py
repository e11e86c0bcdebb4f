"""`flowtrail_dlq_*`: what died on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from flowtrail_collector.dead_letters.arrival_labels import OTHER
from flowtrail_collector.dead_letters.ports import DeadLetterFigures
from flowtrail_collector.metrics.exposition import Families

__all__ = ["DeadLetterMetrics"]

_PENDING_LABELS = ["topic", "source_topic", "group"]


_MAX_PENDING_SERIES = 1_000
Pending = tuple[str, str, str, int, int | None]


class DeadLetterMetrics(Families):
    """A `MetricSource` over the store.

    Args:
        store: Where counters and dead letters are.
        depths: Records retained by dead letter topic, as the tail last saw it.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        store: DeadLetterFigures,
        depths: Callable[[], Mapping[str, int]] | None = None,
        *,
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._depths = depths or dict
        self._time_seconds = time_seconds

    def families(self) -> Iterable[Metric]:
        """All families."""
        messages = GaugeMetricFamily(
            "flowtrail_dlq_messages", "Records retained in a dead letter topic.", labels=["topic"]
        )
        for topic, depth in sorted(self._depths().items()):
            messages.add_metric([topic], depth)
        pending = GaugeMetricFamily(
            "flowtrail_dlq_pending", "Dead letters neither redriven nor dismissed.", labels=_PENDING_LABELS
        )
        oldest = GaugeMetricFamily(
            "flowtrail_dlq_oldest_seconds", "Age of the oldest pending dead letter.", labels=_PENDING_LABELS
        )
        now_ms = self._time_seconds() * 1000
        for topic, source, group, count, since in _bounded(self._store.pending_dead_letters()):
            pending.add_metric([topic, source, group], count)
            if since is not None:
                oldest.add_metric([topic, source, group], max(now_ms - since, 0) / 1000)
        arrivals = CounterMetricFamily(
            "flowtrail_dlq_arrivals", "Dead letters that arrived.", labels=[*_PENDING_LABELS, "error_type"]
        )
        for (_, labels), value in self._store.counters("dlq_arrivals").items():
            arrivals.add_metric(labels, value)
        return messages, pending, oldest, arrivals


def _bounded(rows: Sequence[Pending]) -> list[Pending]:
    """The most frequent combinations; what strangers' headers make of the rest is summed up per topic."""
    rows = sorted(rows, key=lambda row: row[3], reverse=True)
    kept, others = rows[:_MAX_PENDING_SERIES], rows[_MAX_PENDING_SERIES:]
    summed: dict[str, Pending] = {}
    for topic, _, _, count, since in others:
        _, _, _, known, oldest = summed.get(topic, (topic, OTHER, OTHER, 0, None))
        moments = [moment for moment in (oldest, since) if moment is not None]
        summed[topic] = (topic, OTHER, OTHER, known + count, min(moments, default=None))
    return [*kept, *summed.values()]
