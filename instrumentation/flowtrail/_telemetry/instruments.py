"""Counters and histograms cheap enough for every message.

A series costs one lock and one bisection per observation, less than prometheus_client's own. Prometheus
reads them through a custom collector; OpenTelemetry through observable counters and its own histograms.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from weakref import WeakKeyDictionary

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.metrics import Histogram as OtelHistogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as PrometheusMetric
from prometheus_client.registry import Collector, CollectorRegistry

from flowtrail._telemetry.definitions import METRICS, Metric

_MANY = 256

MAX_SERIES = 2000
"""Series per metric; what comes after that is gathered under `other`: no label can grow without bound."""


class Series:
    """One time series: a counter, or a histogram if it has bounds.

    Whoever updates several series of the same families at once may take `lock` once and change `counts` and
    `total` directly, provided `otel` is None.

    Attributes:
        lock: Guards counts and total; shared by all series of the same `Families`.
        bounds: Upper bounds of the buckets, without the last, infinite one.
        counts: Observations per bucket, not cumulated.
        total: A counter's value, or a histogram's sum.
        attributes: For OpenTelemetry.
        otel: OpenTelemetry's instrument, where a histogram reports to that instead.
    """

    __slots__ = ("attributes", "bounds", "counts", "lock", "otel", "total")

    def __init__(
        self,
        lock: threading.Lock,
        bounds: tuple[float, ...],
        attributes: dict[str, str],
        otel: OtelHistogram | None = None,
    ) -> None:
        self.lock = lock
        self.bounds = bounds
        self.attributes = attributes
        self.otel = otel
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, amount: float = 1) -> None:
        """Count."""
        with self.lock:
            self.total += amount

    def observe(self, value: float) -> None:
        """Observe a value of a histogram."""
        if self.otel is not None:
            self.otel.record(value, self.attributes)
            return
        with self.lock:
            self.counts[bisect_left(self.bounds, value)] += 1
            self.total += value

    def read(self) -> tuple[list[int], float]:
        """Counts per bucket and the total, of one moment."""
        with self.lock:
            return self.counts.copy(), self.total


class Pending:
    """Observations of one histogram, kept until there are enough to be counted together.

    Appending to a deque needs no lock and costs a tenth of an update. They are counted in when there are
    many, and before anybody reads.

    Args:
        families: Where the series belong.
        histogram: What they are observations of.
        counter: A counter that goes up by one with each, if any.
    """

    __slots__ = ("_counter", "_histogram", "_values", "add")

    def __init__(self, families: Families, histogram: Series, counter: Series | None = None) -> None:
        self._histogram = histogram
        self._counter = counter
        self._values: deque[float] = deque()
        self.add = self._add if not families.through_otel else self._hand_on

    def _add(self, value: float) -> None:
        values = self._values
        values.append(value)
        if len(values) >= _MANY:
            self.settle()

    def _hand_on(self, value: float) -> None:
        self._histogram.observe(value)
        if self._counter is not None:
            self._counter.add()

    def settle(self) -> None:
        """Count in what has come together; from any thread."""
        values = self._values
        taken = []
        with suppress(IndexError):  # another thread may be settling too
            for _ in range(len(values)):
                taken.append(values.popleft())
        if not taken:
            return
        taken.sort()
        places = [bisect_right(taken, bound) for bound in self._histogram.bounds]
        places.append(len(taken))
        histogram, counter = self._histogram, self._counter
        with histogram.lock:
            below = 0
            for bucket, place in enumerate(places):
                histogram.counts[bucket] += place - below
                below = place
            histogram.total += sum(taken)
            if counter is not None:
                counter.total += len(taken)


class Family:
    """All series of one metric."""

    def __init__(
        self, metric: Metric, series_lock: threading.Lock, otel: OtelHistogram | None = None
    ) -> None:
        self.metric = metric
        self._otel = otel
        self._series: dict[tuple[str, ...], Series] = {}
        self._series_lock = series_lock
        self._lock = threading.Lock()

    def series(self, *labels: str) -> Series:
        """The series of these label values, in the order of the metric's labels."""
        found = self._series.get(labels)
        return found if found is not None else self._create(labels)

    def _create(self, labels: tuple[str, ...]) -> Series:
        with self._lock:
            if labels not in self._series and len(self._series) >= MAX_SERIES:
                labels = ("other",) * len(labels)
            if labels not in self._series:
                attributes = {
                    name: value for name, value in zip(self.metric.labels, labels, strict=True) if value
                }
                self._series[labels] = Series(self._series_lock, self.metric.buckets, attributes, self._otel)
            return self._series[labels]

    def items(self) -> list[tuple[tuple[str, ...], Series]]:
        """Label values and series, a copy."""
        with self._lock:
            return list(self._series.items())

    def prometheus(self) -> PrometheusMetric:
        """The family as Prometheus sees it."""
        metric = self.metric
        if metric.kind == "counter":
            counter = CounterMetricFamily(
                metric.prometheus_name, metric.help, labels=metric.prometheus_labels
            )
            for labels, series in self.items():
                counter.add_metric(labels, series.read()[1])
            return counter
        histogram = HistogramMetricFamily(
            metric.prometheus_name, metric.help, labels=metric.prometheus_labels
        )
        bounds = [*(str(bound) for bound in metric.buckets), "+Inf"]
        for labels, series in self.items():
            counts, total = series.read()
            cumulated = 0
            buckets = []
            for bound, count in zip(bounds, counts, strict=True):
                cumulated += count
                buckets.append((bound, cumulated))
            histogram.add_metric(labels, buckets, total)
        return histogram

    def observations(self, _options: CallbackOptions) -> Iterable[Observation]:
        """The counter's values for OpenTelemetry."""
        return [Observation(series.read()[1], series.attributes) for _, series in self.items()]


class Families(Collector):
    """The families of all metrics, by definition.

    Attributes:
        lock: Guards the values of all series.
        through_otel: Whether histograms report to OpenTelemetry rather than being read from here.
    """

    def __init__(self, meter: Meter | None = None) -> None:
        self.lock = threading.Lock()
        self.through_otel = meter is not None
        self._pending: dict[tuple[int, int], Pending] = {}
        self._families = {
            metric: Family(metric, self.lock, _otel_histogram(meter, metric)) for metric in METRICS
        }
        if meter is not None:
            for metric, family in self._families.items():
                if metric.kind == "counter":
                    meter.create_observable_counter(
                        metric.name, [family.observations], unit=metric.unit, description=metric.help
                    )

    def __getitem__(self, metric: Metric) -> Family:
        return self._families[metric]

    def pending(self, histogram: Series, counter: Series | None = None) -> Pending:
        """Where to put observations of a histogram that many messages make; the same one each time."""
        key = (id(histogram), id(counter))
        found = self._pending.get(key)
        return (
            found if found is not None else self._pending.setdefault(key, Pending(self, histogram, counter))
        )

    def collect(self) -> Iterable[PrometheusMetric]:
        """For a Prometheus registry."""
        for pending in list(self._pending.values()):
            pending.settle()
        return [family.prometheus() for family in self._families.values()]


def _otel_histogram(meter: Meter | None, metric: Metric) -> OtelHistogram | None:
    if meter is None or metric.kind != "histogram":
        return None
    return meter.create_histogram(
        metric.name,
        unit=metric.unit,
        description=metric.help,
        explicit_bucket_boundaries_advisory=list(metric.buckets),
    )


_BY_REGISTRY: WeakKeyDictionary[CollectorRegistry, Families] = WeakKeyDictionary()
_BY_REGISTRY_LOCK = threading.Lock()


def families_in(registry: CollectorRegistry) -> Families:
    """The families of a Prometheus registry: several trails in one process share them."""
    with _BY_REGISTRY_LOCK:
        families = _BY_REGISTRY.get(registry)
        if families is None:
            families = Families()
            registry.register(families)
            _BY_REGISTRY[registry] = families
        return families
