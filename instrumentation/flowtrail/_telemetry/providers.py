"""OpenTelemetry providers: the ones that are there, or our own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import TracerProvider

from flowtrail.errors import ConfigurationError

ENDPOINTS_VARIABLE = "FLOWTRAIL_OTLP_ENDPOINTS"

Dropped = Callable[[str, int], None]


def service_name(given: str | None) -> str:
    """The service's name: as given, else `FLOWTRAIL_SERVICE`, `OTEL_SERVICE_NAME`, the program's name."""
    for name in (given, os.environ.get("FLOWTRAIL_SERVICE"), os.environ.get("OTEL_SERVICE_NAME")):
        if name:
            return name
    program = os.path.basename(sys.argv[0] or "") or "python"  # noqa: PTH119
    return program.removesuffix(".py")


def sdk_disabled() -> bool:
    """Whether `OTEL_SDK_DISABLED` says so."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def trace_endpoints() -> list[str]:
    """Where spans go: one traces URL per endpoint in the environment, without repetition.

    Raises:
        ConfigurationError: An entry of `FLOWTRAIL_OTLP_ENDPOINTS` is no http(s) URL.
    """
    urls = []
    for entry in os.environ.get(ENDPOINTS_VARIABLE, "").split(","):
        base = entry.strip().rstrip("/")
        if not base:
            continue
        if urlsplit(base).scheme not in ("http", "https"):
            raise ConfigurationError(f"{ENDPOINTS_VARIABLE}: {base!r} is not an http:// or https:// URL")
        urls.append(f"{base}/v1/traces")
    if os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        urls.append(os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
    elif os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        urls.append(os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"].rstrip("/") + "/v1/traces")
    return list(dict.fromkeys(urls))


class CountingExporter(SpanExporter):
    """Counts the spans that an exporter fails to deliver."""

    def __init__(self, exporter: SpanExporter, dropped: Dropped) -> None:
        self._exporter = exporter
        self._dropped = dropped

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export them; a failure is counted and handed on."""
        try:
            result = self._exporter.export(spans)
        except Exception:
            self._dropped("export_failed", len(spans))
            raise
        if result is not SpanExportResult.SUCCESS:
            self._dropped("export_failed", len(spans))
        return result

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the exporter."""
        return self._exporter.force_flush(timeout_millis)


class CountingProcessor(BatchSpanProcessor):
    """Counts the spans for which the queue has no room."""

    def __init__(self, exporter: SpanExporter, dropped: Dropped) -> None:
        super().__init__(CountingExporter(exporter, dropped))
        self._dropped = dropped
        # The SDK drops the oldest without telling; its queue is private, so do without where it isn't there.
        self._queue = getattr(getattr(self, "_batch_processor", None), "_queue", None)

    def on_end(self, span: ReadableSpan) -> None:
        """Queue it."""
        queue = self._queue
        if queue is not None and len(queue) == queue.maxlen:
            self._dropped("queue_full", 1)
        super().on_end(span)


def choose_tracer_provider(
    service: str, given: TracerProvider | None, dropped: Dropped
) -> tuple[TracerProvider, bool]:
    """The tracer provider to use, and whether it is ours to shut down.

    A given one wins, then the globally configured one; else one is built for the environment's endpoints.
    With the SDK disabled, or without any endpoint, there is none: an incoming trace goes through unchanged.

    Args:
        service: `service.name` of a provider that is built.
        given: What the program gave.
        dropped: Called with a reason and a number when spans of a provider that is built get lost.
    """
    if given is not None:
        return given, False
    current = trace.get_tracer_provider()
    if not isinstance(current, trace.ProxyTracerProvider):
        return current, False
    endpoints = [] if sdk_disabled() else trace_endpoints()
    if not endpoints:
        return trace.NoOpTracerProvider(), False
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    provider = SdkTracerProvider(resource=Resource.create({"service.name": service}))
    for url in endpoints:
        provider.add_span_processor(CountingProcessor(OTLPSpanExporter(endpoint=url), dropped))
    return provider, True


def choose_meter_provider(given: MeterProvider | None) -> MeterProvider | None:
    """The meter provider to use: a given or a globally configured one, else None (Prometheus then)."""
    if given is not None:
        return given
    current = metrics.get_meter_provider()
    return None if type(current).__module__.startswith("opentelemetry.metrics") else current
