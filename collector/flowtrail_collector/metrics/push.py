"""The collector's metrics pushed over OTLP/HTTP, for people without Prometheus.

What is pushed is what a scrape would show: the page is rendered as a scrape renders it, read back family by
family, and sent in parts, so that there is one set of names and figures and never a second one that differs.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

import httpx
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from prometheus_client import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from flowtrail_collector.metrics.otlp import SCOPE, OtlpSender, attributes_of

__all__ = ["OtlpMetricsPush"]

logger = logging.getLogger("flowtrail_collector.otlp_metrics")

_POINTS_PER_REQUEST = 10_000
_SERVICE = "flowtrail-collector"
_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE


class OtlpMetricsPush:
    """A part of the collector that pushes all metrics now and then.

    Args:
        endpoint: base URL of an OTLP/HTTP receiver, or the whole address ending in `/v1/metrics`.
        render: renders the Prometheus text page, in parts that end with a line.
        interval_seconds: pause between two pushes.
        headers: sent along (authorisation); never logged.
        transport: another httpx transport, for tests.
        clock: seconds since the epoch.
    """

    name = "otlp-metrics"
    # A receiver that is away must not make the collector unready.
    problem: str | None = None

    def __init__(
        self,
        endpoint: str,
        render: Callable[[], Iterable[bytes]],
        *,
        interval_seconds: float = 30.0,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sender = OtlpSender(
            endpoint, "metrics", what="metrics", logger=logger, headers=headers, transport=transport
        )
        self._render = render
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._started_at = clock()

    def run(self, stop: threading.Event) -> None:
        """Push until `stop` is set."""
        while not stop.wait(self._interval_seconds):
            self.push()

    def push(self) -> bool:
        """Push everything once; see `OtlpSender.send`."""
        return self._sender.send(self._requests())

    def _requests(self) -> Iterator[ExportMetricsServiceRequest]:
        """The page in requests of at most so many points: receivers cap the size of a request."""
        metrics = (metric for family in self._families() for metric in self._metrics(family))
        batch: list[Metric] = []
        points = 0
        for metric in metrics:
            size = (
                len(metric.gauge.data_points)
                + len(metric.sum.data_points)
                + len(metric.histogram.data_points)
            )
            if batch and points + size > _POINTS_PER_REQUEST:
                yield _request(batch)
                batch, points = [], 0
            batch.append(metric)
            points += size
        if batch:
            yield _request(batch)

    def _families(self) -> Iterator[Family]:
        # Family by family: the page of a big cluster is never parsed as a whole.
        lines: list[str] = []
        for chunk in self._render():
            for line in chunk.decode("utf-8", "replace").split("\n"):
                if line.startswith("# HELP ") and lines:
                    yield from text_string_to_metric_families("\n".join(lines) + "\n")
                    lines = []
                if line:
                    lines.append(line)
        if lines:
            yield from text_string_to_metric_families("\n".join(lines) + "\n")

    def _metrics(self, family: Family) -> Iterator[Metric]:
        now = round(self._clock() * 1e9)
        if family.type == "histogram":
            histogram = Histogram(
                aggregation_temporality=_CUMULATIVE, data_points=list(self._histograms(family, now))
            )
            yield Metric(name=family.name, description=family.documentation, histogram=histogram)
            return
        is_counter = family.type == "counter"
        start = round(self._started_at * 1e9) if is_counter else 0
        samples = iter(
            [s for s in family.samples if math.isfinite(s.value) and not s.name.endswith("_created")]
        )
        while part := list(islice(samples, _POINTS_PER_REQUEST)):
            points = [
                NumberDataPoint(
                    attributes=attributes_of(sample.labels),
                    time_unix_nano=now,
                    start_time_unix_nano=start,
                    as_double=sample.value,
                )
                for sample in part
            ]
            if is_counter:
                total = Sum(aggregation_temporality=_CUMULATIVE, is_monotonic=True, data_points=points)
                yield Metric(name=f"{family.name}_total", description=family.documentation, sum=total)
            else:
                gauge = Gauge(data_points=points)
                yield Metric(name=family.name, description=family.documentation, gauge=gauge)

    def _histograms(self, family: Family, now: int) -> Iterator[HistogramDataPoint]:
        series: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
        for sample in family.samples:
            labels = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
            key = sample.labels.get("le", sample.name.removeprefix(family.name))
            series.setdefault(labels, {})[key] = sample.value
        for labels, values in series.items():
            bounds = sorted(float(key) for key in values if key not in ("_sum", "_count", "_created", "+Inf"))
            up_to = [values[key] for key in sorted((k for k in values if not k.startswith("_")), key=float)]
            counts = [int(b - a) for a, b in zip([0.0, *up_to], up_to, strict=False)]
            yield HistogramDataPoint(
                attributes=attributes_of(dict(labels)),
                time_unix_nano=now,
                start_time_unix_nano=round(self._started_at * 1e9),
                count=int(values.get("_count", up_to[-1] if up_to else 0)),
                sum=values.get("_sum", 0.0),
                explicit_bounds=bounds,
                bucket_counts=counts,
            )


def _request(metrics: list[Metric]) -> ExportMetricsServiceRequest:
    resource = Resource(attributes=attributes_of({"service.name": _SERVICE}))
    scope = ScopeMetrics(scope=InstrumentationScope(name=SCOPE), metrics=metrics)
    return ExportMetricsServiceRequest(
        resource_metrics=[ResourceMetrics(resource=resource, scope_metrics=[scope])]
    )
