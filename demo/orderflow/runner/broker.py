"""The brokers of a run: those of the demo itself, or those that are there."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from orderflow.platform.settings import (
    KAFKA,
    RABBITMQ,
    SERVICES,
    TOPICS,
    broker_of,
    checked_namespace,
    qualified,
    topics_on,
)
from orderflow.runner import rabbitmq
from orderflow.runner.children import Children
from orderflow.runner.errors import EXIT_UNREACHABLE, DemoError

PARTITIONS = 3
_POISON = b"\xff\xfe{not json"


@dataclass(frozen=True, slots=True)
class Broker:
    """Where events go.

    Attributes:
        bootstrap_servers: Of Kafka: `host:port`, several joined by commas; empty without Kafka.
        namespace: Prefix of this run's topics and groups; empty on brokers of its own, which nobody shares.
        embedded: Whether Kafka is the embedded one.
        choice: Which brokers there are: `kafka`, `rabbitmq` or `both`.
        rabbitmq: Where RabbitMQ is, if there is one.
    """

    bootstrap_servers: str
    namespace: str
    embedded: bool
    choice: str = KAFKA
    rabbitmq: rabbitmq.RabbitMQ | None = None

    @property
    def shown(self) -> str:
        """What it is and where."""
        parts = []
        if self.bootstrap_servers:
            parts.append(f"{'embedded broker' if self.embedded else 'broker'} {self.bootstrap_servers}")
        if self.rabbitmq is not None:
            parts.append(f"RabbitMQ {self.rabbitmq.shown}")
        return ", ".join(parts)

    def topic(self, name: str) -> str:
        """A topic's name on this broker."""
        return qualified(self.namespace, name)

    @property
    def topics_pattern(self) -> str:
        """Regular expression for the topics of this run."""
        return f"^{re.escape(self.namespace + '.') if self.namespace else ''}({'|'.join(TOPICS)})$"

    @property
    def dead_letters_pattern(self) -> str:
        """Regular expression for the dead letter topics of this run."""
        return f"^{re.escape(self.namespace + '.') if self.namespace else ''}.*[.]dlq$"


def open_broker(
    children: Children, environment: Mapping[str, str], folder: Path, choice: str = KAFKA
) -> Broker:
    """Start the brokers, or find those in `KAFKA_BOOTSTRAP_SERVERS` and `RABBITMQ_URL`; then create the topics.

    Args:
        children: Start them, and clean up behind them.
        environment: Of this process.
        folder: Where a broker that is started keeps its data.
        choice: Which brokers: `kafka`, `rabbitmq` or `both`.

    Raises:
        DemoError: One can't be reached (exit code 3), or didn't start.
        SettingsError: The namespace is none.
    """
    servers = "" if choice == RABBITMQ else environment.get("KAFKA_BOOTSTRAP_SERVERS", "").strip()
    named = checked_namespace(environment.get("ORDERFLOW_NAMESPACE", ""))
    shared = bool(servers) or (choice != KAFKA and rabbitmq.given(environment, "") is not None)
    namespace = (named or f"run-{secrets.token_hex(3)}") if shared else ""
    rabbit = None
    if choice != KAFKA:
        rabbit = rabbitmq.given(environment, namespace) or replace(
            rabbitmq.start_server(children, folder, environment), namespace=namespace
        )
    embedded = not servers and choice != RABBITMQ
    if embedded:
        servers = _start_embedded(children, environment)
    broker = Broker(servers, namespace, embedded, choice, rabbit)
    if shared and not named:  # one that the user has named is the user's to keep
        children.afterwards(partial(remove_run, broker))
    create_topics(broker)
    return broker


def _start_embedded(children: Children, environment: Mapping[str, str]) -> str:
    child = children.start(
        "devbroker", [sys.executable, "-m", "devbroker", "--port", "0", "--partitions", str(PARTITIONS)],
        dict(environment),
    )  # fmt: skip
    return child.wait_for(r"listening on (\S+:\d+)")[1]


def create_topics(broker: Broker) -> None:
    """Create this run's topics before anybody subscribes to them.

    Raises:
        DemoError: A broker can't be reached (exit code 3).
    """
    if broker.rabbitmq is not None:
        broker.rabbitmq.create_exchanges(topics_on(RABBITMQ, broker.choice))
    if broker.bootstrap_servers:
        _create_on_kafka(broker, [broker.topic(name) for name in topics_on(KAFKA, broker.choice)])


def _create_on_kafka(broker: Broker, names: list[str]) -> None:
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=broker.bootstrap_servers.split(","),
            request_timeout_ms=10_000,
            bootstrap_timeout_ms=5_000,
        )
        try:
            for name in names:
                try:
                    admin.create_topics([NewTopic(name, num_partitions=PARTITIONS)], wait_for_metadata=True)
                except TopicAlreadyExistsError:
                    continue
        finally:
            admin.close()
    except (KafkaError, OSError, ValueError) as error:
        raise DemoError(
            f"no Kafka broker reachable at {broker.bootstrap_servers} ({_first_line(error)}): "
            "start one, or unset KAFKA_BOOTSTRAP_SERVERS to use the embedded one",
            EXIT_UNREACHABLE,
        ) from None


def remove_run(broker: Broker) -> None:
    """Delete the topics and groups of this run from brokers that others use too, as far as they let us."""
    if broker.rabbitmq is not None:
        broker.rabbitmq.remove_run()
    if not broker.bootstrap_servers or broker.embedded:
        return
    prefix = f"{broker.namespace}."
    with contextlib.suppress(KafkaError, OSError, ValueError):
        admin = KafkaAdminClient(
            bootstrap_servers=broker.bootstrap_servers.split(","),
            request_timeout_ms=5_000,
            bootstrap_timeout_ms=2_000,
        )
        with contextlib.closing(admin):
            # Groups first: nobody is in them any more, and they would outlive their topics.
            admin.delete_groups([qualified(broker.namespace, name) for name in SERVICES])
            topics = [str(name) for name in admin.list_topics() if str(name).startswith(prefix)]
            admin.delete_topics(topics)


def send_poison(broker: Broker) -> None:
    """Put a record that nobody can decode among the payments: billing's events, but not JSON.

    Raises:
        DemoError: The broker didn't take it.
    """
    said = {
        "specversion": "1.0",
        "id": secrets.token_hex(8),
        "type": "PaymentCompleted",
        "source": "/legacy-till",
    }
    if broker.rabbitmq is not None and broker_of(broker.choice, "payments") == RABBITMQ:
        headers = {f"cloudEvents_{name}": value for name, value in said.items()}
        broker.rabbitmq.publish("payments", said["type"], _POISON, headers)
        return
    _send_to_kafka(broker, [(f"ce_{name}", value.encode()) for name, value in said.items()])


def _send_to_kafka(broker: Broker, headers: list[tuple[str, bytes]]) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers.split(","))
    headers = [*headers, ("content-type", b"application/json")]
    try:
        sent = producer.send(broker.topic("payments"), key=b"poison", value=_POISON, headers=headers)
        sent.get(timeout=10)
    except KafkaError as error:
        raise DemoError(f"the poison event was not taken: {_first_line(error)}", EXIT_UNREACHABLE) from None
    finally:
        producer.close()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def inherited_environment() -> dict[str, str]:
    """The environment that children start from."""
    return dict(os.environ)
