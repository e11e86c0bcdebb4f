"""OpenTelemetry providers: the ones that are there, or our own."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import TracerProvider

from flowtrail.errors import ConfigurationError

ENDPOINTS_VARIABLE = "FLOWTRAIL_OTLP_ENDPOINTS"


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


def choose_tracer_provider(service: str, given: TracerProvider | None) -> tuple[TracerProvider, bool]:
    """The tracer provider to use, and whether it is ours to shut down.

    A given one wins, then the globally configured one; else one is built for the environment's endpoints.
    With the SDK disabled the API's no-op provider is used.
    """
    if given is not None:
        return given, False
    current = trace.get_tracer_provider()
    if not isinstance(current, trace.ProxyTracerProvider) or sdk_disabled():
        return current, False
    endpoints = trace_endpoints()
    provider = SdkTracerProvider(resource=Resource.create({"service.name": service}))
    if endpoints:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        for url in endpoints:
            provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    return provider, True


def choose_meter_provider(given: MeterProvider | None) -> MeterProvider | None:
    """The meter provider to use: a given or a globally configured one, else None (Prometheus then)."""
    if given is not None:
        return given
    current = metrics.get_meter_provider()
    return None if type(current).__module__.startswith("opentelemetry.metrics") else current
