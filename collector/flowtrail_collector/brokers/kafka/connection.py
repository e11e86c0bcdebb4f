"""How the collector reaches Kafka: settings as people have them, secrets kept out of sight.

Sources, the first that names a setting wins:

1. what the caller passes (command line flags);
2. ``FLOWTRAIL_KAFKA_*`` variables: ``FLOWTRAIL_KAFKA_SASL_USERNAME`` is ``sasl.username``, and
   ``FLOWTRAIL_KAFKA_SASL_PASSWORD_FILE`` names a file that holds ``sasl.password``;
3. a properties file, as the Java clients or librdkafka read it;
4. ``FLOWTRAIL_BOOTSTRAP_SERVERS``, then ``KAFKA_BOOTSTRAP_SERVERS``.

A value may refer to a secret the way Kafka's own config providers do: ``${env:NAME}``, ``${file:/path}``
(the whole file), ``${file:/path:key}`` (a key of a properties file), ``${directory:/path:name}``.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from flowtrail_collector.brokers.kafka.errors import text_of, unreachable
from flowtrail_collector.brokers.kafka.java_settings import from_java
from flowtrail_collector.brokers.kafka.properties import PropertiesError, parse_properties, resolve_references
from flowtrail_collector.errors import ConfigurationError

__all__ = ["ConnectionSettingsError", "KafkaConnection", "check_reachable", "read_connection"]

ENV_PREFIX = "FLOWTRAIL_KAFKA_"
_SECRET_MARKS = (
    "password",
    "secret",
    "token",
    "jaas",
    ".pem",
    "sasl.oauthbearer.config",
    "private",
    "assertion",
)
_PUBLIC_ALTHOUGH_MARKED = ("sasl.oauthbearer.token.endpoint.url",)

# What a consumer's or producer's file may hold besides the connection. The collector decides these itself:
# taking over a group id or a commit setting from a service's file would make it disturb that service.
_OURS = (
    "group.id", "group.instance.id", "group.protocol", "group.remote.assignor", "enable.auto.commit",
    "enable.auto.offset.store", "auto.commit.interval.ms", "auto.offset.reset", "isolation.level",
    "enable.partition.eof", "allow.auto.create.topics", "partition.assignment.strategy", "acks",
    "request.required.acks", "enable.idempotence", "transactional.id", "transaction.timeout.ms",
)  # fmt: skip
_JAVA_ONLY = (
    "key.deserializer", "value.deserializer", "key.serializer", "value.serializer", "interceptor.classes",
    "metric.reporters", "max.poll.records", "sasl.login.callback.handler.class", "sasl.login.class",
    "sasl.client.callback.handler.class", "default.api.timeout.ms",
    "exclude.internal.topics",
    "auto.include.jmx.reporter", "ssl.protocol", "ssl.enabled.protocols", "ssl.truststore.password",
    "config.providers", "partitioner.class",
)  # fmt: skip
_CONSUMER = ("fetch.", "queued.", "max.partition.fetch.bytes", "check.crcs", "session.timeout.ms",
             "heartbeat.interval.ms", "max.poll.interval.ms", "receive.message.max.bytes")  # fmt: skip
_PRODUCER = ("linger.ms", "batch.size", "batch.num.messages", "compression.", "queue.buffering.",
             "retries", "buffer.memory", "delivery.timeout.ms", "max.in.flight",
             "max.request.size", "max.block.ms")  # fmt: skip


class ConnectionSettingsError(ConfigurationError):
    """The Kafka settings can't be used; the message says which one and what would do, never a secret."""


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Settings for every Kafka client of the collector, in librdkafka's names.

    Neither ``repr`` nor ``shown`` ever contains a secret.
    """

    settings: Mapping[str, str] = field(repr=False)
    consumer_tuning: Mapping[str, str] = field(default_factory=dict, repr=False)
    token_file: Path | None = None

    @property
    def bootstrap_servers(self) -> str:
        """``host:port``, comma-separated."""
        return self.settings["bootstrap.servers"]

    def client_settings(self, **overrides: Any) -> dict[str, Any]:
        """Settings for a confluent-kafka client.

        Args:
            overrides: further settings, with ``_`` for ``.`` (``client_id="x"``). They win.
        """
        settings: dict[str, Any] = dict(self.settings)
        settings.update({name.replace("_", "."): value for name, value in overrides.items()})
        if self.token_file is not None:
            settings["oauth_cb"] = partial(_token_from_file, self.token_file)
        return settings

    def consumer_settings(self, **overrides: Any) -> dict[str, Any]:
        """`client_settings` plus the fetch tuning found in the properties file."""
        return {**self.consumer_tuning, **self.client_settings(**overrides)}

    def shown(self) -> dict[str, str]:
        """The settings for people to read: secrets are ``***``."""
        return {name: "***" if is_secret(name) else value for name, value in sorted(self.settings.items())}

    def __repr__(self) -> str:
        """Name the settings, with secrets masked."""
        return f"KafkaConnection({self.shown()!r})"


def is_secret(name: str) -> bool:
    """Whether the value of the setting called `name` must not be shown."""
    return name not in _PUBLIC_ALTHOUGH_MARKED and any(mark in name for mark in _SECRET_MARKS)


def read_connection(
    bootstrap_servers: str | None = None,
    *,
    properties_file: str | os.PathLike[str] | None = None,
    settings: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> KafkaConnection:
    """Gather the connection settings from arguments, environment and file, and check them.

    Args:
        bootstrap_servers: ``host:port``, comma-separated; wins over every other source.
        properties_file: settings of a Java or librdkafka client; default ``FLOWTRAIL_KAFKA_PROPERTIES``.
        settings: single settings (``--set sasl.mechanism=PLAIN``), before environment and file.
        environ: the environment; default ``os.environ``.

    Raises:
        ConnectionSettingsError: a file is unreadable, a reference leads nowhere, no server is named, or
            librdkafka refuses a setting.
    """
    environ = os.environ if environ is None else environ
    path = properties_file or environ.get(ENV_PREFIX + "PROPERTIES")
    try:
        gathered = {
            "bootstrap.servers": environ.get("FLOWTRAIL_BOOTSTRAP_SERVERS")
            or environ.get("KAFKA_BOOTSTRAP_SERVERS", ""),
            **(_from_file(Path(path)) if path else {}),
            **_from_environment(environ),
            **(settings or {}),
        }
        if bootstrap_servers:
            gathered["bootstrap.servers"] = bootstrap_servers
        resolved = {name: resolve_references(name, value, environ) for name, value in gathered.items()}
        native, token_file = from_java(resolved)
    except PropertiesError as error:
        raise ConnectionSettingsError(str(error)) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise ConnectionSettingsError(f"Kafka settings file {path}: {reason}") from None
    connection = _sorted_out(native, token_file)
    _check(connection)
    return connection


def check_reachable(connection: KafkaConnection, *, timeout_seconds: float = 5.0) -> str | None:
    """Ask the cluster for its metadata once.

    Returns:
        The cluster's id; None if it doesn't tell.

    Raises:
        ServiceUnreachableError: no broker answered in time, or it refused us; says where and why.
    """
    # librdkafka tells why (refused, certificate, credentials) only through the error callback.
    causes: list[str] = []
    settings = {
        **connection.client_settings(),
        "log_level": 0,
        "error_cb": lambda error: causes.append(error.str()),
    }
    client = AdminClient(settings)
    try:
        return client.list_topics(timeout=timeout_seconds).cluster_id or None
    except KafkaException as error:
        client.poll(0.1)
        cause = next((c for c in causes if "brokers are down" not in c), None) or text_of(error)
        raise unreachable(connection.bootstrap_servers, _without_secrets(cause, connection)) from None


def _from_file(path: Path) -> dict[str, str]:
    found = parse_properties(path.expanduser().read_text("utf-8"), f"Kafka settings file {path}")
    # Spaces behind a value belong to it in such a file. Java's clients drop them all the same (`ConfigDef`), but
    # a password may end with one.
    return {name: value if is_secret(name) else value.strip() for name, value in found.items()}


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for variable, value in environ.items():
        if not variable.startswith(ENV_PREFIX) or variable == ENV_PREFIX + "PROPERTIES":
            continue
        name = variable.removeprefix(ENV_PREFIX).lower().replace("_", ".")
        if name.endswith(".file"):
            found[name.removesuffix(".file")] = f"${{file:{value}}}"
        else:
            found[name] = value
    return found


def _sorted_out(native: Mapping[str, str], token_file: Path | None) -> KafkaConnection:
    common, tuning = {}, {}
    for name, value in native.items():
        if name in _OURS or name in _JAVA_ONLY or name.startswith(_PRODUCER):
            continue
        if name.startswith(_CONSUMER):
            tuning[name] = value
        elif value != "":
            common[name] = value
    return KafkaConnection(common, tuning, token_file)


def _check(connection: KafkaConnection) -> None:
    if not connection.settings.get("bootstrap.servers", "").strip(" ,"):
        raise ConnectionSettingsError(
            "no Kafka servers: pass --bootstrap-servers HOST:PORT, set KAFKA_BOOTSTRAP_SERVERS, "
            "or name a properties file with bootstrap.servers"
        )
    # A client without servers checks every setting (certificates included) and connects to nothing.
    settings = {
        k: v for k, v in connection.settings.items() if k not in ("bootstrap.servers", "metadata.broker.list")
    }
    try:
        AdminClient({**settings, "log_level": 0})
    except KafkaException as error:
        reason = _without_secrets(text_of(error), connection)
        raise ConnectionSettingsError(f"Kafka settings: {reason}") from None


def _without_secrets(text: str, connection: KafkaConnection) -> str:
    for name, value in connection.settings.items():
        if is_secret(name) and len(value) > 2:
            text = text.replace(value, "***")
    return text


def _token_from_file(path: Path, _config: str, *, now: Callable[[], float] = time.time) -> tuple[str, float]:
    """Read an OAUTHBEARER token that something else keeps fresh (a projected service account token)."""
    token = path.read_text("ascii").strip()
    return token, _expiry(token) or now() + 300


def _expiry(token: str) -> float | None:
    """The `exp` claim of a JWT in seconds since the epoch, or None for an opaque token."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None
