"""Environment variables that the library reads, declared once for the reference in the docs."""

from __future__ import annotations

from typing import NamedTuple


class Setting(NamedTuple):
    """One environment variable.

    Attributes:
        name: Its name.
        default: What holds without it.
        meaning: One sentence.
    """

    name: str
    default: str
    meaning: str


SETTINGS = (
    Setting(
        "FLOWTRAIL_BOOTSTRAP_SERVERS", "`KAFKA_BOOTSTRAP_SERVERS`", "brokers of a `Trail` that names none"
    ),
    Setting("KAFKA_BOOTSTRAP_SERVERS", "`localhost:9092`", "the same, where that is set already"),
    Setting("FLOWTRAIL_CLIENT", "`kafka-python`", "client of a `Trail` that names none"),
    Setting("FLOWTRAIL_SERVICE", "`OTEL_SERVICE_NAME`, else the program's name", "name of the service"),
    Setting(
        "FLOWTRAIL_OTLP_ENDPOINTS",
        "none",
        "base URLs, separated by commas, that get the spans over OTLP/HTTP where no SDK is configured",
    ),
    Setting(
        "FLOWTRAIL_RAISE_INTERNAL_ERRORS",
        "off",
        "failures of the instrumentation itself are raised instead of counted; for tests",
    ),
    Setting("OTEL_SERVICE_NAME", "none", "name of the service, as everywhere in OpenTelemetry"),
    Setting("OTEL_EXPORTER_OTLP_ENDPOINT", "none", "one more base URL for spans"),
    Setting("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "none", "one more full URL for spans, in place of that"),
    Setting("OTEL_SDK_DISABLED", "`false`", "`true`: no spans; correlation, metrics and logs stay"),
    Setting("OTEL_TRACES_SAMPLER", "`parentbased_always_on`", "which traces are recorded"),
    Setting("OTEL_TRACES_SAMPLER_ARG", "none", "argument of the sampler, e.g. the ratio"),
)
