"""The options of `flowtrail collector run`, each said once: the command line and its reference are made of this.

Defaults stand in the sections, beside the checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from enum import Enum, auto
from pathlib import Path
from typing import Any, get_args

from flowtrail_collector.settings.checks import read_token
from flowtrail_collector.settings.lag import Granularity, LagSettings
from flowtrail_collector.settings.oidc import DefaultRole, OidcConfig
from flowtrail_collector.settings.rabbitmq import Copy, RabbitConfig
from flowtrail_collector.settings.sections import (
    CollectorConfig,
    KafkaConfig,
    PushConfig,
    RetentionConfig,
    SpanConfig,
)
from flowtrail_collector.settings.web import Processes, WebConfig
from flowtrail_collector.speedups import Use
from flowtrail_collector.wording import format_span

_SECTIONS: dict[str, type[Any]] = {
    "": CollectorConfig, "kafka": KafkaConfig, "rabbitmq": RabbitConfig, "web": WebConfig, "web.oidc": OidcConfig, "spans": SpanConfig,
    "retention": RetentionConfig, "lag": LagSettings, "push": PushConfig,
}  # fmt: skip


class Kind(Enum):
    """What a setting takes."""

    TEXT = auto()
    PATH = auto()
    STORE = auto()  # a file, or the URL of a database that may hold a password
    SERVER = auto()  # a URL that may hold a password
    TOKEN_FILE = auto()  # a file with a token; the variable without `_FILE` holds the token itself
    FLAG = auto()
    CHOICE = auto()
    COUNT = auto()
    DURATION = auto()
    SIZE = auto()
    NAMES = auto()  # may be given several times


@dataclass(frozen=True, slots=True)
class Setting:
    """One option, its variable, and the field that it fills.

    Attributes:
        option: Name on the command line, without the two dashes.
        field: `section.attribute` in `CollectorConfig`; without a section, its own.
        help: One line for whoever sets it.
        kind: What it takes.
        choices: What there is to choose from, for `CHOICE`.
        also: Further variables, looked at after its own.
    """

    option: str
    field: str
    help: str
    kind: Kind = Kind.TEXT
    choices: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def parameter(self) -> str:
        """The option as Python's and click's name."""
        return self.option.replace("-", "_")

    @property
    def variables(self) -> tuple[str, ...]:
        """Environment variables that set it, the first counts before the others."""
        return (f"FLOWTRAIL_{self.parameter.upper()}", *self.also)

    @property
    def default(self) -> Any:
        """The field's default, spans of time and paths as one would write them; None for none."""
        section, _, name = self.field.rpartition(".")
        (found,) = (field.default for field in fields(_SECTIONS[section]) if field.name == name)
        if found is None or found is MISSING:
            return None if found is None else ""
        if self.kind is Kind.DURATION:
            return format_span(found)
        return str(found) if isinstance(found, Path) else found


SETTINGS = (
    Setting("bootstrap-servers", "kafka.bootstrap_servers", "Brokers, host:port[,host:port...].",
            also=("KAFKA_BOOTSTRAP_SERVERS",)),
    Setting("consumer-config", "kafka.consumer_config",
            "A .properties file with further client settings (TLS, SASL).", Kind.PATH),
    Setting("rabbitmq", "rabbitmq.url",
            "RabbitMQ, in addition to Kafka or instead of it: amqp://user@host:5672/vhost, or amqps:// with TLS;"
            " put a URL with a password in the variable.", Kind.SERVER),
    Setting("rabbitmq-password-file", "rabbitmq.password",
            "File with that user's password; FLOWTRAIL_RABBITMQ_PASSWORD holds it directly.", Kind.TOKEN_FILE),
    Setting("rabbitmq-management", "rabbitmq.management",
            "Its management API; by default http://HOST:15672, with amqps:// https://HOST:15671."),
    Setting("rabbitmq-exchanges", "rabbitmq.exchanges",
            "Exchanges whose events are followed (regular expression for the whole name)."),
    Setting("rabbitmq-copy", "rabbitmq.copy",
            "Which of their events are followed: those that reach somebody's queue (routed), or all (published): then the"
            " server no longer returns what no queue takes, nor sends it to an alternate exchange.",
            Kind.CHOICE, choices=get_args(Copy)),
    Setting("rabbitmq-queue", "rabbitmq.queue",
            "The stream the collector declares there and binds to them: a copy of what they route."),
    Setting("rabbitmq-max-age", "rabbitmq.max_age_seconds",
            "How long that stream keeps its copy; takes effect when it is declared.", Kind.DURATION),
    Setting("rabbitmq-max-size", "rabbitmq.max_bytes",
            "Size above which its oldest messages are dropped, such as 20GB; takes effect when it is declared.", Kind.SIZE),
    Setting("flows", "flows",
            "The flow file (YAML); without it there are trails, lag and dead letters, but no sagas.", Kind.PATH),
    Setting("schema-registry", "schema_registry",
            "Confluent-compatible registry for mappings by schema and for payloads, such as http://localhost:8081;"
            " put a URL with a password in the variable."),
    Setting("store", "store",
            "SQLite file that keeps everything, whose folder must exist; or postgresql://user@host/database.",
            Kind.STORE),
    Setting("listen", "web.listen",
            "HOST:PORT of metrics, API, OTLP receiver and console; port 0 takes a free one."),
    Setting("topics", "kafka.topics",
            "Topics whose events are followed (regular expression for the whole name)."),
    Setting("dead-letter-topics", "kafka.dead_letter_topics",
            "Topics that hold dead letters; takes precedence over --topics (regular expression for the whole name)."),
    Setting("start", "kafka.start",
            "Where to start in a partition never read before: earliest, latest, or a time span back (2h)."),
    Setting("token-file", "web.token",
            "File with the access token that requests must carry; FLOWTRAIL_TOKEN holds it directly.",
            Kind.TOKEN_FILE),
    Setting("write-token-file", "web.write_token",
            "File with the token that redriving and dismissing needs; FLOWTRAIL_WRITE_TOKEN holds it directly.",
            Kind.TOKEN_FILE),
    Setting("payload-token-file", "web.payload_token",
            "File with the token that payloads need, which then can't be seen with the write token;"
            " FLOWTRAIL_PAYLOAD_TOKEN holds it directly.", Kind.TOKEN_FILE),
    Setting("show-payloads", "web.show_payloads",
            "Let the role payload see and edit payloads of dead letters; both are recorded in the audit log.",
            Kind.FLAG),
    Setting("oidc-issuer", "web.oidc.issuer",
            "OpenID provider that people log in with, such as https://login.example.com/realms/ops."),
    Setting("oidc-client-id", "web.oidc.client_id", "What the provider calls this collector."),
    Setting("oidc-client-secret-file", "web.oidc.client_secret",
            "File with that client's secret, which also signs sessions; FLOWTRAIL_OIDC_CLIENT_SECRET holds it"
            " directly.", Kind.TOKEN_FILE),
    Setting("oidc-role-claim", "web.oidc.role_claim",
            "Claim of the ID token that roles are found by; dots lead into claims, as in realm_access.roles."),
    Setting("oidc-role", "web.oidc.roles",
            "ROLE=VALUE, such as write=oncall: who has this value in that claim may read, write, or also see payloads"
            " (payload=VALUE).", Kind.NAMES),
    Setting("oidc-default-role", "web.oidc.default_role", "Role of whoever can log in and has none of these values.",
            Kind.CHOICE, choices=get_args(DefaultRole)),
    Setting("oidc-audience", "web.oidc.audiences",
            "Audience that bearer tokens of the provider may be for; default the client.", Kind.NAMES),
    Setting("oidc-scope", "web.oidc.scopes",
            "A further scope to ask the provider for; openid, profile and email are, and the role claim where the"
            " provider has such a scope.", Kind.NAMES),
    Setting("oidc-session", "web.oidc.session_seconds", "How long people stay logged in.", Kind.DURATION),
    Setting("tls-cert", "web.tls_cert", "Certificate chain (PEM): serve HTTPS.", Kind.PATH),
    Setting("tls-key", "web.tls_key", "Its private key (PEM).", Kind.PATH),
    Setting("root-path", "web.root_path",
            "Path under which a reverse proxy serves the collector, e.g. /flowtrail; the proxy may strip it."),
    Setting("processes", "web.processes",
            "2: one process reads events, another one answers requests; 1: one does both, in less memory, and answers"
            " more slowly while much is being read.", Kind.CHOICE, choices=get_args(Processes)),
    Setting("speedups", "speedups",
            "Whether flowtrail-speedups, compiled, is used: auto where it is installed, off, or required.",
            Kind.CHOICE, choices=get_args(Use)),
    Setting("trusted-proxies", "web.trusted_proxies",
            "Address or network of a reverse proxy whose X-Forwarded-Prefix and X-Forwarded-Proto are trusted.",
            Kind.NAMES),
    Setting("insecure", "web.insecure", "Allow connections from other machines without a token.", Kind.FLAG),
    Setting("trace-link", "web.trace_link",
            "Where the console's trace ids lead, e.g. http://localhost:16686/trace/{trace_id}."),
    Setting("grafana-link", "web.grafana_link",
            "A dashboard that trails link to; {from}, {to} (milliseconds), {trace_id} and {id} are filled in."),
    Setting("grafana-url", "web.grafana_url",
            "Grafana that has flowtrail's dashboards, e.g. http://localhost:3000: charts in the console link to it."),
    Setting("saga-traces-endpoint", "spans.saga_traces_endpoint",
            "OTLP/HTTP receiver (such as Jaeger) to which every ended saga is sent as its own trace:"
            " a span per step with its outcome, linked to the real spans."),
    Setting("lag-interval", "lag.interval_seconds", "Pause between lag collections.", Kind.DURATION),
    Setting("lag-groups", "lag.groups",
            "Groups to watch (regular expression, matched anywhere in the name); default all."),
    Setting("lag-topics", "lag.topics",
            "Topics to watch (regular expression, matched anywhere in the name); default all but Kafka's own."),
    Setting("lag-granularity", "lag.granularity",
            "Granularity of the exported lag; topic and group mean fewer series for big clusters.",
            Kind.CHOICE, choices=get_args(Granularity)),
    Setting("lag-window", "lag.window_seconds", "Time window over which a group's behaviour is judged.", Kind.DURATION),
    Setting("lag-read-committed", "lag.read_committed",
            "Groups that read only committed transactions (regular expression, matched anywhere in the name)."),
    Setting("lag-probes", "lag.probes",
            "Maximum records to read per collection to learn when they were written; 0: never read any.",
            Kind.COUNT),
    Setting("otlp-metrics-endpoint", "push.endpoint", "OTLP/HTTP receiver that all metrics are pushed to."),
    Setting("otlp-metrics-interval", "push.interval_seconds", "Pause between pushes.", Kind.DURATION),
    Setting("sweep-interval", "sweep_interval_seconds",
            "How often to look for steps past their deadline.", Kind.DURATION),
    Setting("span-retention", "spans.retention_seconds", "How long spans are kept.", Kind.DURATION),
    Setting("event-retention", "retention.events_seconds",
            "How long events are kept, by their records' timestamps.", Kind.DURATION),
    Setting("saga-retention", "retention.sagas_seconds",
            "How long sagas are kept once they have ended, or if they never started.", Kind.DURATION),
    Setting("store-max-size", "retention.max_bytes",
            "Size above which the oldest events, ended sagas and spans are deleted, such as 20GB.", Kind.SIZE),
    Setting("keep", "retention.keep",
            "Which ended sagas are kept, with their events and spans: a share of those that simply completed"
            " (completed=1%), and how long (completed=1%,7d; troubled, compensated, failed or timed_out=90d).",
            Kind.NAMES),
    Setting("forget-after", "retention.forget_after_seconds",
            "How long completed sagas are kept whole before those outside the share in --keep are deleted.", Kind.DURATION),
    Setting("compat", "lag.compat",
            "Also export lag under the names of another exporter: kafka_exporter.", Kind.NAMES),
)  # fmt: skip


def collector_config(values: Mapping[str, Any]) -> CollectorConfig:
    """The validated settings.

    Args:
        values: By `Setting.parameter`, spans of time in seconds, sizes in bytes, paths as such.

    Raises:
        ConfigurationError: The first thing found wrong.
    """
    sections: dict[str, dict[str, Any]] = {name: {} for name in _SECTIONS}
    for setting in SETTINGS:
        section, _, name = setting.field.rpartition(".")
        sections[section][name] = _value(setting, values)
    own = sections.pop("")
    sections["web"]["oidc"] = OidcConfig(**sections.pop("web.oidc"))
    config = CollectorConfig(**own, **{name: _SECTIONS[name](**given) for name, given in sections.items()})
    config.validate()
    return config


def rabbit_config(values: Mapping[str, Any]) -> RabbitConfig:
    """The validated settings of RabbitMQ alone; those that aren't given have their defaults.

    Raises:
        ConfigurationError: The first thing found wrong.
    """
    given = {
        setting.field.removeprefix("rabbitmq."): _value(setting, values)
        for setting in SETTINGS
        if setting.field.startswith("rabbitmq.") and setting.parameter in values
    }
    config = RabbitConfig(**given)
    config.validate()
    return config


def _value(setting: Setting, values: Mapping[str, Any]) -> Any:
    value = values[setting.parameter]
    if setting.kind is not Kind.TOKEN_FILE:
        return value
    return read_token(value, setting.option, setting.variables[0].removesuffix("_FILE"))
