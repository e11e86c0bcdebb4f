"""Counters and histograms cheap enough for every message.

A series costs one lock and one bisection per observation, less than prometheus_client's own. Prometheus
reads them through a custom collector; OpenTelemetry through observable counters and its own histograms. In
prometheus_client's multiprocess mode every observation goes on to its metrics, whose files other processes read.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import repeat, starmap
from typing import Any, TypeVar
from weakref import WeakSet

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.metrics import Histogram as OtelHistogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as PrometheusMetric
from prometheus_client.registry import Collector

from flowtrail import _fork
from flowtrail._telemetry.definitions import METRICS, Metric

T = TypeVar("T")

MANY = 256
"""Observations that a route keeps back before it counts them in."""

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
        shared: prometheus_client's series, where several processes count together.
    """

    __slots__ = ("attributes", "bounds", "counts", "lock", "otel", "shared", "total")

    def __init__(
        self,
        lock: threading.Lock,
        bounds: tuple[float, ...],
        attributes: dict[str, str],
        otel: OtelHistogram | None = None,
        shared: Any = None,
    ) -> None:
        self.lock = lock
        self.bounds = bounds
        self.attributes = attributes
        self.otel = otel
        self.shared = shared
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, amount: float = 1) -> None:
        """Count."""
        if self.shared is not None:
            self.shared.inc(amount)
            return
        with self.lock:
            self.total += amount

    def observe(self, value: float) -> None:
        """Observe a value of a histogram."""
        if self.otel is not None:
            self.otel.record(value, self.attributes)
            return
        if self.shared is not None:
            self.shared.observe(value)
            return
        with self.lock:
            self.counts[bisect_left(self.bounds, value)] += 1
            self.total += value

    def read(self) -> tuple[list[int], float]:
        """Counts per bucket and the total, of one moment."""
        with self.lock:
            return self.counts.copy(), self.total


def add_many(values: list[float], histogram: Series, counter: Series | None = None) -> None:
    """Count many observations of a histogram at once, and as many steps of a counter."""
    if histogram.otel is not None or histogram.shared is not None:
        for value in values:
            histogram.observe(value)
        if counter is not None:
            counter.add(len(values))
        return
    values.sort()
    places = [bisect_right(values, bound) for bound in histogram.bounds]
    places.append(len(values))
    with histogram.lock:
        if counter is not None:
            counter.total += len(values)
        below = 0
        for bucket, place in enumerate(places):
            histogram.counts[bucket] += place - below
            below = place
        histogram.total += sum(values)


def take_all(pending: deque[T]) -> list[T]:
    """Everything that has come together; other threads may be adding and taking meanwhile."""
    taken: list[T] = []
    with suppress(IndexError):
        taken.extend(starmap(pending.popleft, repeat((), len(pending))))
    return taken


class Family:
    """All series of one metric.

    Args:
        metric: Its definition.
        series_lock: Guards the values of its series.
        otel: OpenTelemetry's histogram, where there is one to report to.
        shared: prometheus_client's metric, where several processes count together.
        before_reading: Called before OpenTelemetry reads a counter.
    """

    def __init__(
        self,
        metric: Metric,
        series_lock: threading.Lock,
        otel: OtelHistogram | None = None,
        before_reading: Callable[[], None] = lambda: None,
        shared: Any = None,
    ) -> None:
        self.metric = metric
        self.before_reading = before_reading
        self._otel = otel
        self._shared = shared
        self._series: dict[tuple[str, ...], Series] = {}
        self._series_lock = series_lock
        self._lock = threading.Lock()
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        _fork.free(self._lock)

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
                shared = None if self._shared is None else self._shared.labels(*labels)
                self._series[labels] = Series(
                    self._series_lock, self.metric.buckets, attributes, self._otel, shared
                )
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
        self.before_reading()
        return [Observation(series.read()[1], series.attributes) for _, series in self.items()]


class Families(Collector):
    """The families of all metrics, by definition.

    Args:
        meter: OpenTelemetry's, where metrics go through it.
        shared: prometheus_client's metrics, where several processes count together.

    Attributes:
        lock: Guards the values of all series.
        at_once: Whether observations have to be counted when they are made: nobody asks here first.
        hidden: Metrics that the registry doesn't get, because their names are taken there.
        routes: Topics whose routes may have kept observations back.
    """

    def __init__(self, meter: Meter | None = None, shared: Mapping[Metric, Any] | None = None) -> None:
        self.lock = threading.Lock()
        self.at_once = meter is not None or shared is not None
        self.hidden: frozenset[Metric] = frozenset()
        self.routes: WeakSet[Any] = WeakSet()
        theirs = shared or {}
        self._families = {
            metric: Family(metric, self.lock, _otel_histogram(meter, metric), self.settle, theirs.get(metric))
            for metric in METRICS
        }
        if meter is not None:
            for metric, family in self._families.items():
                if metric.kind == "counter":
                    meter.create_observable_counter(
                        metric.name, [family.observations], unit=metric.unit, description=metric.help
                    )
        _fork.in_child(self._forked)

    def _forked(self) -> None:
        """What routes have kept back is counted by the parent."""
        _fork.free(self.lock)
        for route in list(self.routes):
            route.pending.clear()

    def __getitem__(self, metric: Metric) -> Family:
        return self._families[metric]

    def settle(self) -> None:
        """Count in what routes have kept back."""
        for route in list(self.routes):
            route.settle()

    def describe(self) -> Iterable[PrometheusMetric]:
        """For a Prometheus registry: names that nobody else may have in it."""
        return [metric.described() for metric in METRICS if metric not in self.hidden]

    def collect(self) -> Iterable[PrometheusMetric]:
        """For a Prometheus registry."""
        self.settle()
        return [family.prometheus() for metric, family in self._families.items() if metric not in self.hidden]


def _otel_histogram(meter: Meter | None, metric: Metric) -> OtelHistogram | None:
    if meter is None or metric.kind != "histogram":
        return None
    return meter.create_histogram(
        metric.name,
        unit=metric.unit,
        description=metric.help,
        explicit_bucket_boundaries_advisory=list(metric.buckets),
    )
