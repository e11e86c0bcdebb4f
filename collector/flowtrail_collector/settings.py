"""Settings of `flowtrail collector run`: sections with defaults, each of which checks itself.

Command line first, then `FLOWTRAIL_*` variables, then these defaults; click merges them (`cli.collector`).
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.settings_lag import LagConfig

DEFAULT_LISTEN = "127.0.0.1:8090"
DEFAULT_COLLECTOR_URL = "http://127.0.0.1:8090"
# Topics that begin with an underscore are Kafka's own or a tool's.
DEFAULT_TOPICS = r"[^_].*"
DEFAULT_DEAD_LETTER_TOPICS = r"(?i)(.*[._-])?(dlq|dlt|dead[._-]?letters?)"

_SPAN_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_duration(text: str) -> float:
    """A time span such as `90s`, `5m`, `2h`, `1d`, `1h30m`, in seconds.

    Raises:
        ConfigurationError: Not a time span.
    """
    compact = text.strip().replace(" ", "")
    matches = list(_SPAN.finditer(compact))
    if not matches or "".join(match.group(0) for match in matches) != compact:
        raise ConfigurationError(f"{text!r} is not a time span; write for example 90s, 5m, 2h or 1d")
    return sum(float(match.group(1)) * _SPAN_UNITS[match.group(2)] for match in matches)


def parse_size(text: str) -> int:
    """A size such as `500MB` or `20GB` (powers of 1000), in bytes.

    Raises:
        ConfigurationError: Not a size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip().upper())
    if match is None:
        raise ConfigurationError(f"{text!r} is not a size; write for example 500MB or 20GB")
    return int(float(match.group(1)) * 1000 ** " KMGT".index(match.group(2) or " "))


def parse_store(text: str) -> Path | str:
    """A SQLite file's path, or a PostgreSQL URL as it is."""
    return text if text.startswith(("postgresql://", "postgres://")) else Path(text)


def parse_pattern(text: str, name: str) -> re.Pattern[str]:
    """A regular expression from a setting.

    Raises:
        ConfigurationError: Not a regular expression; names the setting.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise ConfigurationError(f"{name} is not a regular expression: {text!r}: {error}") from error


def parse_listen(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `[v6]:PORT`, `:PORT` or `PORT` as host and port; without a host, loopback.

    Raises:
        ConfigurationError: Not an address to listen on.
    """
    host, _, port_text = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not port_text.isdecimal() or int(port_text) > 65535:
        raise ConfigurationError(f"--listen takes HOST:PORT, for example {DEFAULT_LISTEN}, not {text!r}")
    return host, int(port_text)


def _check_tls(certificate: Path, key: Path) -> None:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            f"--tls-cert {certificate} and --tls-key {key} can't be used: {error.strerror or error}"
        ) from None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class KafkaConfig:
    """How Kafka is reached and what is read there.

    Attributes:
        bootstrap_servers: `host:port`, several joined by commas.
        consumer_config: A `.properties` file with further client settings (SASL, TLS), or None.
        topics: Pattern of the topics whose events are followed; it has to fit the whole name.
        dead_letter_topics: The same for topics that hold dead letters, looked at first.
        start: Where to begin in a partition never read before: `earliest`, `latest`, or so long ago (`2h`).
    """

    bootstrap_servers: str
    consumer_config: Path | None = None
    topics: str = DEFAULT_TOPICS
    dead_letter_topics: str = DEFAULT_DEAD_LETTER_TOPICS
    start: str = "earliest"

    def validate(self) -> None:
        """Check the section.

        Raises:
            ConfigurationError: Says which setting is wrong and what it takes.
        """
        if not self.bootstrap_servers.strip():
            raise ConfigurationError(
                "no broker given: use --bootstrap-servers host:port, or set FLOWTRAIL_BOOTSTRAP_SERVERS"
            )
        for server in self.bootstrap_servers.split(","):
            port = server.strip().rpartition(":")[2]
            if ":" not in server or not port.isdecimal() or not 0 < int(port) <= 65535:
                raise ConfigurationError(
                    f"--bootstrap-servers takes host:port[,host:port...], not {server.strip()!r}"
                )
        parse_pattern(self.topics, "--topics")
        parse_pattern(self.dead_letter_topics, "--dead-letter-topics")
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
class WebConfig:
    """The one address for metrics, API, OTLP receiver and console.

    Attributes:
        listen: `HOST:PORT`; port 0 takes a free one.
        token: Bearer token every request must carry, None for no check.
        write_token: Token that whatever changes something must carry; None: see `web.security.Access`.
        insecure: Allow a non-loopback address without a token.
        tls: Certificate chain and private key (PEM), None to serve plain HTTP.
        trace_link: Address of a trace in another tool, with `{trace_id}` in it; empty for none.
        grafana_link: Address of a dashboard; `{from}`, `{to}`, `{trace_id}` and `{id}` in it are filled in.
    """

    listen: str = DEFAULT_LISTEN
    token: str | None = None
    insecure: bool = False
    trace_link: str = ""
    grafana_link: str = ""
    write_token: str | None = None
    tls: tuple[Path, Path] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`."""
        return parse_listen(self.listen)

    def validate(self) -> None:
        """Check the section.

        Raises:
            ConfigurationError: Says which setting is wrong and what it takes.
        """
        host, _ = self.address
        if self.trace_link and not (
            self.trace_link.startswith(("http://", "https://")) and "{trace_id}" in self.trace_link
        ):
            raise ConfigurationError(
                "--trace-link takes an address with {trace_id} in it, such as"
                f" http://localhost:16686/trace/{{trace_id}}, not {self.trace_link!r}"
            )
        if self.grafana_link and not self.grafana_link.startswith(("http://", "https://")):
            raise ConfigurationError(f"--grafana-link takes an address, not {self.grafana_link!r}")
        for token in (self.token, self.write_token):
            if token is not None and len(token) < 16:
                raise ConfigurationError("the token is too short: use at least 16 characters")
        if self.write_token is not None and self.write_token == self.token:
            raise ConfigurationError("the write token has to be another one than the token for reading")
        if self.tls is not None:
            _check_tls(*self.tls)
        if not is_loopback(host) and self.token is None and not self.insecure:
            raise ConfigurationError(
                f"{self.listen} can be reached from other machines: set a token (FLOWTRAIL_TOKEN or"
                " --token-file), or pass --insecure if the network is trusted"
            )


@dataclass(frozen=True, slots=True)
class SpanConfig:
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
        """Check the section.

        Raises:
            ConfigurationError: Says which setting is wrong and what it takes.
        """
        for name in ("max_body_bytes", "queue_spans", "retention_seconds", "max_spans"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} must be greater than 0, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class RetentionConfig:
    """How long what is kept.

    Attributes:
        events_seconds: Events, by their records' timestamps.
        sagas_seconds: Instances that have ended, by their newest event.
        max_bytes: Space beyond which the oldest go; None for no bound.
    """

    events_seconds: float = 7 * 86400.0
    sagas_seconds: float = 30 * 86400.0
    max_bytes: int | None = None

    def validate(self) -> None:
        """Check the section.

        Raises:
            ConfigurationError: Says which setting is wrong and what it takes.
        """
        for name in ("events_seconds", "sagas_seconds"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} must be greater than 0, not {getattr(self, name)}")
        if self.max_bytes is not None and self.max_bytes < 1_000_000:
            raise ConfigurationError("--store-max-size: a store needs a megabyte at least, such as 20GB")


@dataclass(frozen=True, slots=True)
class CollectorConfig:
    """Everything `flowtrail collector run` needs.

    Attributes:
        kafka: How Kafka is reached and what is read there.
        flows: The flow file, None to collect without sagas.
        store: SQLite file, whose folder must exist; or the URL of a PostgreSQL database.
        web: The one web address.
        spans: Limits of the OTLP receiver.
        lag_interval_seconds: Pause between two lag collections.
        sweep_interval_seconds: Pause between two looks for steps past their deadline.
        compat: Other exporters' metric names to export as well (`kafka_exporter`).
        retention: How long what is kept.
        lag: What of lag is watched, and how it is told.
        schema_registry: Base URL of the registry that mappings by schema ask; empty for none.
    """

    kafka: KafkaConfig
    flows: Path | None = None
    store: Path | str = Path("flowtrail.sqlite")
    web: WebConfig = field(default_factory=WebConfig)
    spans: SpanConfig = field(default_factory=SpanConfig)
    lag_interval_seconds: float = 5.0
    sweep_interval_seconds: float = 1.0
    compat: tuple[str, ...] = ()
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    lag: LagConfig = field(default_factory=LagConfig)
    schema_registry: str = ""

    def validate(self) -> None:
        """Check every section.

        Raises:
            ConfigurationError: The first thing found wrong.
        """
        self.kafka.validate()
        self.web.validate()
        self.spans.validate()
        self.retention.validate()
        self.lag.validate()
        if self.flows is not None and not self.flows.is_file():
            raise ConfigurationError(f"--flows {self.flows}: no such file")
        for name in ("lag_interval_seconds", "sweep_interval_seconds"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} must be greater than 0")
        for name in self.compat:
            if name != "kafka_exporter":
                raise ConfigurationError(f"--compat takes kafka_exporter, not {name!r}")
