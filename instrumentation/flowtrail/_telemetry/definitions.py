"""Every metric of the library, declared once: instruments and the docs' reference come from this table."""

from __future__ import annotations

from typing import Literal, NamedTuple

from prometheus_client.core import Metric as PrometheusMetric

from flowtrail._telemetry.attributes import DESTINATION, ERROR_TYPE, GROUP, OPERATION_NAME, SYSTEM

DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds; the boundaries that OpenTelemetry's messaging conventions advise."""

QUEUE_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0)
"""Seconds; a queue can hold a message for a day."""


class Metric(NamedTuple):
    """One metric.

    Attributes:
        name: OpenTelemetry's name; `prometheus_name` is made from it.
        kind: Instrument.
        unit: UCUM unit, as OpenTelemetry writes it.
        labels: Attribute names, in the order in which a series is looked up.
        help: One sentence.
        buckets: Upper bounds in `unit`, histograms only.
    """

    name: str
    kind: Literal["counter", "histogram"]
    unit: str
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()

    @property
    def prometheus_name(self) -> str:
        """The name under which Prometheus sees it, without the `_total` that counters get."""
        name = self.name.replace(".", "_")
        return f"{name}_seconds" if self.unit == "s" else name

    def described(self) -> PrometheusMetric:
        """The metric as Prometheus sees it, without values."""
        return PrometheusMetric(self.prometheus_name, self.help, self.kind)

    @property
    def prometheus_labels(self) -> tuple[str, ...]:
        """The label names under which Prometheus sees the attributes."""
        return tuple(label.replace(".", "_") for label in self.labels)


SENT = Metric(
    "messaging.client.sent.messages", "counter", "{message}", (SYSTEM, OPERATION_NAME, DESTINATION, ERROR_TYPE),
    "Messages that a producer tried to send; error.type is empty where the broker took them.",
)  # fmt: skip
CONSUMED = Metric(
    "messaging.client.consumed.messages", "counter", "{message}",
    (SYSTEM, OPERATION_NAME, DESTINATION, GROUP),
    "Messages that were delivered to the application; a retried one counts once.",
)  # fmt: skip
OPERATION_DURATION = Metric(
    "messaging.client.operation.duration", "histogram", "s", (SYSTEM, OPERATION_NAME, DESTINATION, GROUP, ERROR_TYPE),
    "Duration of a send (until the broker acknowledged it), poll or commit.", DURATION_BUCKETS,
)  # fmt: skip
PROCESS_DURATION = Metric(
    "messaging.process.duration", "histogram", "s", (SYSTEM, OPERATION_NAME, DESTINATION, GROUP, ERROR_TYPE),
    "Duration of the handling of one message, or of one batch.", DURATION_BUCKETS,
)  # fmt: skip
QUEUE_DURATION = Metric(
    "flowtrail.queue.duration", "histogram", "s", (DESTINATION, GROUP),
    "Time from a record's timestamp to the start of its first handling; a negative one counts as 0.",
    QUEUE_BUCKETS,
)  # fmt: skip
CLOCK_SKEW = Metric(
    "flowtrail.clock_skew", "counter", "{message}", (DESTINATION, GROUP),
    "Messages whose record timestamp lay in the future when they were handled.",
)  # fmt: skip
RETRIES = Metric(
    "flowtrail.retries", "counter", "{retry}", (DESTINATION, GROUP, "mode"),
    "Further attempts that were scheduled for a message; mode is `blocking` or `topic`.",
)  # fmt: skip
TIMEOUTS = Metric(
    "flowtrail.timeouts", "counter", "{attempt}", (DESTINATION, GROUP, "how"),
    "Attempts that took longer than the handler's timeout; how is `cancelled`, or `left_behind` where the "
    "handler can't be cancelled and goes on.",
)  # fmt: skip
DEAD_LETTERS = Metric(
    "flowtrail.dead_letters", "counter", "{message}", (DESTINATION, GROUP, ERROR_TYPE),
    "Messages published to a dead letter topic.",
)  # fmt: skip
DUPLICATES = Metric(
    "flowtrail.duplicates", "counter", "{message}", (DESTINATION, GROUP),
    "Messages that deduplication recognised as already handled.",
)  # fmt: skip
CONTRACT_VIOLATIONS = Metric(
    "flowtrail.contract_violations", "counter", "{message}", (DESTINATION, "type", "side"),
    "Events whose data broke their contract; side is `publish` or `consume`.",
)  # fmt: skip
SCHEMA_VERSIONS = Metric(
    "flowtrail.schema_versions", "counter", "{message}", ("type", "version", "side"),
    "Events by contract version: which versions are still in use.",
)  # fmt: skip
DEPRECATIONS = Metric(
    "flowtrail.deprecations", "counter", "{message}", ("type", "version", "field", "side"),
    "Events that use what their contract calls deprecated; no field means the whole version.",
)  # fmt: skip
DROPPED_HEADERS = Metric(
    "flowtrail.dropped_headers", "counter", "{header}", ("reason",),
    "Headers of ours that were unusable or too long and therefore ignored.",
)  # fmt: skip
DROPPED_SPANS = Metric(
    "flowtrail.dropped_spans", "counter", "{span}", ("reason",),
    "Spans that never reached the collector; reason is `queue_full` or `export_failed`.",
)  # fmt: skip
INTERNAL_ERRORS = Metric(
    "flowtrail.internal_errors", "counter", "{error}", ("where",),
    "Failures of the instrumentation itself, hidden from the application.",
)  # fmt: skip

METRICS = (
    SENT, CONSUMED, OPERATION_DURATION, PROCESS_DURATION, QUEUE_DURATION, CLOCK_SKEW, RETRIES, TIMEOUTS, DEAD_LETTERS,
    DUPLICATES, CONTRACT_VIOLATIONS, SCHEMA_VERSIONS, DEPRECATIONS, DROPPED_HEADERS, DROPPED_SPANS,
    INTERNAL_ERRORS,
)  # fmt: skip
