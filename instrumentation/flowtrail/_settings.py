"""Settings: keyword arguments first, environment variables second."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import NamedTuple

DEFAULT_BOOTSTRAP_SERVERS = "localhost:9092"
DEFAULT_AMQP_URL = "amqp://guest:guest@localhost:5672/%2F"
DEFAULT_CLIENT = "kafka-python"


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things may take.

    Attributes:
        publish_timeout_seconds: How long a publication outside a handler waits for its acknowledgement.
        shutdown_timeout_seconds: How long a stopping trail waits for publications in flight.
        commit_interval_seconds: Offsets are committed at most this often while there is work.
        poll_interval_seconds: Longest wait for records before looking around.
        slice_seconds: Longest stretch of handling without a poll, whole handlers permitting.
    """

    publish_timeout_seconds: float = 30.0
    shutdown_timeout_seconds: float = 30.0
    commit_interval_seconds: float = 0.1
    poll_interval_seconds: float = 0.25
    slice_seconds: float = 1.0


def bootstrap_servers(given: str | list[str] | None) -> str:
    """Broker addresses, comma-separated: as given, else from the environment, else localhost."""
    return _servers(
        given, ("FLOWTRAIL_BOOTSTRAP_SERVERS", "KAFKA_BOOTSTRAP_SERVERS"), DEFAULT_BOOTSTRAP_SERVERS
    )


def amqp_url(given: str | list[str] | None) -> str:
    """AMQP URLs, comma-separated: as given, else from the environment, else a server on this machine."""
    return _servers(given, ("FLOWTRAIL_RABBITMQ_URL", "RABBITMQ_URL"), DEFAULT_AMQP_URL)


def _servers(given: str | list[str] | None, variables: tuple[str, ...], default: str) -> str:
    if given:
        return given if isinstance(given, str) else ",".join(given)
    return next((os.environ[name] for name in variables if os.environ.get(name)), default)


def client_name() -> str:
    """The client library to use unless one is given."""
    return os.environ.get("FLOWTRAIL_CLIENT") or DEFAULT_CLIENT


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
    Setting(
        "FLOWTRAIL_RABBITMQ_URL",
        "`RABBITMQ_URL`",
        "RabbitMQ servers of a `Trail` that names none and uses `pika` or `aio-pika`: `amqp://user:password@host:5672/vhost`",
    ),
    Setting("RABBITMQ_URL", "`amqp://guest:guest@localhost:5672/%2F`", "the same, where that is set already"),
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
