"""Settings of a service, from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TOPICS = ("orders", "inventory", "payments", "shipments", "customers", "campaigns")
SERVICES = ("orders", "inventory", "billing", "fulfillment", "customers")
LATER_SERVICES = ("recommendations", "campaigns")

KAFKA, RABBITMQ, BOTH = "kafka", "rabbitmq", "both"
BROKERS = (KAFKA, RABBITMQ, BOTH)
BILLING_TOPICS = frozenset({"inventory", "payments"})
"""What Billing reads and what it writes: with both brokers these are on RabbitMQ, and all others on Kafka."""

_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


class SettingsError(Exception):
    """A setting is missing or wrong; the message says which."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one service.

    Attributes:
        service: Which one.
        bootstrap_servers: Of Kafka: `host:port`, several joined by commas.
        folder: Where its SQLite file lies.
        namespace: Prefix of all topics and groups, so that runs on a shared broker don't meet; may be empty.
        broker: Which brokers there are, one of `BROKERS`.
        rabbitmq_url: Of RabbitMQ: `amqp://user:password@host:5672/vhost`.
    """

    service: str
    bootstrap_servers: str
    folder: Path
    namespace: str = ""
    broker: str = KAFKA
    rabbitmq_url: str = ""

    @classmethod
    def of(cls, service: str, environment: Mapping[str, str]) -> Settings:
        """Read them from `ORDERFLOW_*`, `KAFKA_BOOTSTRAP_SERVERS` and `RABBITMQ_URL`.

        Raises:
            SettingsError: One of them is missing or wrong.
        """
        broker = checked_broker(environment.get("ORDERFLOW_BROKER", ""))
        servers, rabbitmq_url = addresses(broker, environment)
        folder = Path(environment.get("ORDERFLOW_FOLDER") or ".")
        if not folder.is_dir():
            raise SettingsError(f"ORDERFLOW_FOLDER: {folder} isn't a folder")
        namespace = checked_namespace(environment.get("ORDERFLOW_NAMESPACE", ""))
        return cls(service, servers, folder, namespace, broker, rabbitmq_url)

    @property
    def database(self) -> Path:
        """The service's own SQLite file."""
        return self.folder / f"{self.service}.sqlite"

    @property
    def group(self) -> str:
        """Consumer group of the service."""
        return qualified(self.namespace, self.service)

    def topic(self, name: str) -> str:
        """Topic of that name on this broker."""
        return qualified(self.namespace, name)

    def broker_of(self, name: str) -> str:
        """The broker that a topic is on, `kafka` or `rabbitmq`."""
        return broker_of(self.broker, name)


def broker_of(broker: str, topic: str) -> str:
    """The broker that a topic is on: each is on one, whoever reads or writes it.

    Args:
        broker: One of `BROKERS`.
        topic: Its name, without namespace.
    """
    if broker != BOTH:
        return broker
    return RABBITMQ if topic in BILLING_TOPICS else KAFKA


def topics_on(kind: str, broker: str) -> list[str]:
    """The topics on `kafka` or `rabbitmq`, without namespace; see `broker_of`."""
    return [topic for topic in TOPICS if broker_of(broker, topic) == kind]


def checked_broker(text: str) -> str:
    """Which brokers there are; Kafka, if nothing is said.

    Raises:
        SettingsError: There is no such choice.
    """
    broker = text.strip() or KAFKA
    if broker not in BROKERS:
        raise SettingsError(
            f"the broker (BROKER, ORDERFLOW_BROKER) is {', '.join(BROKERS[:-1])} or {BROKERS[-1]}, not {text!r}"
        )
    return broker


def addresses(broker: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """`KAFKA_BOOTSTRAP_SERVERS` and `RABBITMQ_URL`; empty for a broker that isn't used.

    Raises:
        SettingsError: One that is used is missing.
    """
    servers = "" if broker == RABBITMQ else environment.get("KAFKA_BOOTSTRAP_SERVERS", "").strip()
    url = "" if broker == KAFKA else environment.get("RABBITMQ_URL", "").strip()
    if not servers and broker != RABBITMQ:
        raise SettingsError("no broker given: set KAFKA_BOOTSTRAP_SERVERS to host:port")
    if not url and broker != KAFKA:
        raise SettingsError("no RabbitMQ given: set RABBITMQ_URL to amqp://user:password@host:5672/%2F")
    return servers, url


def qualified(namespace: str, name: str) -> str:
    """A topic's or group's name on the broker."""
    return f"{namespace}.{name}" if namespace else name


def checked_namespace(text: str) -> str:
    """A namespace, possibly empty.

    Raises:
        SettingsError: It would not make a topic name.
    """
    if text and not _NAMESPACE.fullmatch(text):
        raise SettingsError(f"ORDERFLOW_NAMESPACE is small letters, digits and dashes, not {text!r}")
    return text
