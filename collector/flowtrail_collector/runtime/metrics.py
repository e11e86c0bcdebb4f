"""`flowtrail_collector_*`: how the collector itself is."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from flowtrail import __version__
from flowtrail_collector.metrics.counts import Counters
from flowtrail_collector.metrics.exposition import Families

__all__ = ["CollectorMetrics"]

_RECORD_KINDS = ("event", "dead_letter", "unknown")


class StoreFigures(Counters, Protocol):
    """What the store tells about itself."""

    def watermark_ms(self) -> int | None:
        """The time up to which every partition has been read, in ms since the epoch; None if there are none."""
        ...

    def size_bytes(self) -> int:
        """Size of the store on disk."""
        ...


class CollectorMetrics(Families):
    """A `MetricSource` about the collector.

    Args:
        store: Where counters and positions are.
        taken: Records this process took in, by kind; where there are several workers, each shows its own.
        partitions: How many partitions this worker reads; None where there is only one worker.
        leading: Whether this worker shows what concerns them all.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        store: StoreFigures,
        *,
        taken: Callable[[], Mapping[str, int]] | None = None,
        partitions: Callable[[], int] | None = None,
        leading: Callable[[], bool] = lambda: True,
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._taken = taken
        self._partitions = partitions
        self._leading = leading
        self._time_seconds = time_seconds
        self._errors: Counter[str] = Counter()
        self._lock = threading.Lock()

    def failed(self, part: str, error: Exception) -> None:
        """Count a failure of a background part, or of a source of metrics."""
        with self._lock:
            self._errors[part] += 1

    def families(self) -> Iterable[Metric]:
        """All families."""
        yield InfoMetricFamily("flowtrail_collector", "Version of this collector.", {"version": __version__})
        errors = CounterMetricFamily(
            "flowtrail_collector_errors",
            "Failures of a part of the collector, each of which was retried.",
            labels=["part"],
        )
        with self._lock:
            for part, count in sorted(self._errors.items()):
                errors.add_metric([part], count)
        yield errors
        records = CounterMetricFamily(
            "flowtrail_collector_records",
            "Records read: events, dead letters, and without a type.",
            labels=["kind"],
        )
        counts = self._taken() if self._taken else self._stored()
        for kind in _RECORD_KINDS:
            records.add_metric([kind], counts.get(kind, 0))
        yield records
        if self._partitions is not None:
            yield GaugeMetricFamily(
                "flowtrail_collector_partitions", "Partitions this worker reads.", self._partitions()
            )
            yield GaugeMetricFamily(
                "flowtrail_collector_leader",
                "Whether this worker is the leader: 1 or 0.",
                int(self._leading()),
            )
        if self._leading():
            yield from self._of_all()

    def _stored(self) -> dict[str, float]:
        return {labels[0]: count for (_, labels), count in self._store.counters("collector_records").items()}

    def _of_all(self) -> Iterable[Metric]:
        watermark = self._store.watermark_ms()
        behind = GaugeMetricFamily(
            "flowtrail_collector_watermark_age_seconds", "Everything older than this has been read."
        )
        if watermark:
            behind.add_metric([], max(self._time_seconds() - watermark / 1000, 0))
        yield behind
        yield GaugeMetricFamily(
            "flowtrail_collector_store_bytes", "Size of the store on disk.", self._store.size_bytes()
        )
