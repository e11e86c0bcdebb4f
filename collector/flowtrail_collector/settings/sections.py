"""The sections of the collector's settings, each of which checks itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.settings.checks import Section, check_pattern, is_http
from flowtrail_collector.settings.keep import parse_keep
from flowtrail_collector.settings.lag import LagSettings
from flowtrail_collector.settings.rabbitmq import RabbitConfig
from flowtrail_collector.settings.web import WebConfig
from flowtrail_collector.speedups import Use
from flowtrail_collector.units import parse_duration


def parse_store(text: str) -> Path | str:
    """A SQLite file's path, or a PostgreSQL URL as it is."""
    return text if text.startswith(("postgresql://", "postgres://")) else Path(text)


@dataclass(frozen=True, slots=True)
class KafkaConfig(Section):
    """How Kafka is reached and what is read there.

    Attributes:
        bootstrap_servers: `host:port`, several joined by commas; empty for no Kafka.
        consumer_config: A `.properties` file with further client settings (SASL, TLS), or None.
        topics: Pattern of the topics whose events are followed; it has to fit the whole name.
        dead_letter_topics: The same for topics that hold dead letters, looked at first.
        start: Where to begin in a partition never read before: `earliest`, `latest`, or a time span back (`2h`).
    """

    bootstrap_servers: str
    consumer_config: Path | None = None
    topics: str = r"[^_].*"  # one that begins with an underscore is Kafka's own or a tool's
    dead_letter_topics: str = r"(?i)(.*[._-])?(dlq|dlt|dead[._-]?letters?)"
    start: str = "earliest"

    def holds_dead_letters(self, topic: str) -> bool:
        """Whether a topic, or a queue of RabbitMQ, holds dead letters, going by its name there."""
        return re.fullmatch(self.dead_letter_topics, topic) is not None

    def validate(self) -> None:
        for server in self.bootstrap_servers.split(",") if self.bootstrap_servers.strip() else ():
            port = server.strip().rpartition(":")[2]
            if ":" not in server or not port.isdecimal() or not 0 < int(port) <= 65535:
                raise ConfigurationError(
                    f"--bootstrap-servers takes host:port[,host:port...], not {server.strip()!r}"
                )
        check_pattern(self.topics, "--topics")
        check_pattern(self.dead_letter_topics, "--dead-letter-topics")
        if self.start not in ("earliest", "latest"):
            try:
                parse_duration(self.start)
            except ConfigurationError:
                raise ConfigurationError(
                    f"--start takes earliest, latest or a time span such as 2h, not {self.start!r}"
                ) from None
        if self.consumer_config is not None and not self.consumer_config.is_file():
            raise ConfigurationError(f"--consumer-config {self.consumer_config}: no such file")


@dataclass(frozen=True, slots=True)
class SpanConfig(Section):
    """Limits of the OTLP receiver.

    Attributes:
        max_body_bytes: Largest request accepted, before and after decompression.
        queue_spans: Spans that may wait for the store; beyond them requests are told to come back (429).
        retention_seconds: How long spans are kept.
        max_spans: How many spans are kept; the oldest go first.
        saga_traces_endpoint: OTLP/HTTP receiver that every ended saga is sent to as a trace; empty for none.
    """

    max_body_bytes: int = 16 * 1024 * 1024
    queue_spans: int = 50_000
    retention_seconds: float = 7 * 86400.0
    max_spans: int = 20_000_000
    saga_traces_endpoint: str = ""

    def validate(self) -> None:
        self.check_positive("max_body_bytes", "queue_spans", "retention_seconds", "max_spans")


@dataclass(frozen=True, slots=True)
class RetentionConfig(Section):
    """How long what is kept.

    Attributes:
        events_seconds: Events, by their records' timestamps.
        sagas_seconds: Instances that have ended, by their newest event.
        max_bytes: Space beyond which the oldest go; None for no bound.
        keep: What of ended instances is kept otherwise, by how they ended; see `parse_keep`.
        forget_after_seconds: How long an instance rests before `keep` may forget it.
    """

    events_seconds: float = 7 * 86400.0
    sagas_seconds: float = 30 * 86400.0
    max_bytes: int | None = None
    keep: tuple[str, ...] = ()
    forget_after_seconds: float = 3600.0

    def validate(self) -> None:
        self.check_positive("events_seconds", "sagas_seconds")
        parse_keep(self.keep)
        if self.forget_after_seconds < 60:
            raise ConfigurationError("--forget-after must be at least a minute")
        if self.max_bytes is not None and self.max_bytes < 1_000_000:
            raise ConfigurationError("--store-max-size: a store needs at least a megabyte, such as 20GB")


@dataclass(frozen=True, slots=True)
class PushConfig(Section):
    """Metrics that are pushed.

    Attributes:
        endpoint: OTLP/HTTP receiver that all metrics are pushed to; empty for none.
        interval_seconds: Pause between pushes.
    """

    endpoint: str = ""
    interval_seconds: float = 30.0

    def validate(self) -> None:
        if self.interval_seconds <= 0:
            raise ConfigurationError("--otlp-metrics-interval must be greater than 0")
        if self.endpoint and not is_http(self.endpoint):
            raise ConfigurationError(
                "--otlp-metrics-endpoint takes an address such as http://localhost:4318,"
                f" not {self.endpoint!r}"
            )


@dataclass(frozen=True, slots=True)
class CollectorConfig(Section):
    """Everything `flowtrail collector run` needs.

    Attributes:
        kafka: How Kafka is reached and what is read there.
        rabbitmq: The same for RabbitMQ; beside Kafka or instead of it.
        flows: The flow file, None to collect without sagas.
        store: SQLite file, whose folder must exist; or the URL of a PostgreSQL database.
        web: The one web address.
        spans: Limits of the OTLP receiver.
        sweep_interval_seconds: How often to look for steps past their deadline.
        retention: How long what is kept.
        lag: What of lag is watched, and how it is told.
        push: Metrics that are pushed.
        schema_registry: Base URL of the registry that mappings by schema ask; empty for none.
        speedups: Whether `flowtrail-speedups` is used.
    """

    kafka: KafkaConfig
    rabbitmq: RabbitConfig = field(default_factory=RabbitConfig)
    flows: Path | None = None
    store: Path | str = Path("flowtrail.sqlite")
    web: WebConfig = field(default_factory=WebConfig)
    spans: SpanConfig = field(default_factory=SpanConfig)
    sweep_interval_seconds: float = 1.0
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    lag: LagSettings = field(default_factory=LagSettings)
    push: PushConfig = field(default_factory=PushConfig)
    schema_registry: str = ""
    speedups: Use = "auto"

    def validate(self) -> None:
        if not self.kafka.bootstrap_servers.strip() and not self.rabbitmq.url:
            raise ConfigurationError(
                "no broker given: use --bootstrap-servers host:port or set FLOWTRAIL_BOOTSTRAP_SERVERS for Kafka,"
                " --rabbitmq amqp://user@host/vhost or FLOWTRAIL_RABBITMQ for RabbitMQ"
            )
        for section in (self.kafka, self.rabbitmq, self.web, self.spans, self.retention, self.lag, self.push):
            section.validate()
        if self.flows is not None and not self.flows.is_file():
            raise ConfigurationError(f"--flows {self.flows}: no such file")
        if self.sweep_interval_seconds <= 0:
            raise ConfigurationError("sweep_interval_seconds must be greater than 0")
