"""The broker of a run: the embedded one, or one that is there."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from orderflow.platform.settings import SERVICES, TOPICS, checked_namespace, qualified
from orderflow.runner.children import Children
from orderflow.runner.errors import EXIT_UNREACHABLE, DemoError

PARTITIONS = 3


@dataclass(frozen=True, slots=True)
class Broker:
    """Where events go.

    Attributes:
        bootstrap_servers: `host:port`, several joined by commas.
        namespace: Prefix of this run's topics and groups; empty on the embedded broker, which nobody shares.
        embedded: Whether it is the embedded one.
    """

    bootstrap_servers: str
    namespace: str
    embedded: bool

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


def open_broker(children: Children, environment: Mapping[str, str]) -> Broker:
    """Start the embedded broker, or find the one in `KAFKA_BOOTSTRAP_SERVERS`; then create the topics.

    Raises:
        DemoError: It can't be reached (exit code 3), or didn't start.
    """
    servers = environment.get("KAFKA_BOOTSTRAP_SERVERS", "").strip()
    if servers:
        namespace = checked_namespace(environment.get("ORDERFLOW_NAMESPACE", ""))
        broker = Broker(servers, namespace or f"run-{secrets.token_hex(3)}", embedded=False)
        if not namespace:  # one that the user has named is the user's to keep
            children.afterwards(partial(remove_run, broker))
    else:
        child = children.start(
            "devbroker", [sys.executable, "-m", "devbroker", "--port", "0", "--partitions", str(PARTITIONS)],
            dict(environment),
        )  # fmt: skip
        address = child.wait_for(r"listening on (\S+:\d+)")[1]
        broker = Broker(address, "", embedded=True)
    create_topics(broker)
    return broker


def create_topics(broker: Broker) -> None:
    """Create this run's topics before anybody subscribes to them.

    Raises:
        DemoError: The broker can't be reached (exit code 3).
    """
    names = [broker.topic(name) for name in TOPICS]
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
    """Delete the topics and groups of this run from a broker that others use too, as far as it lets us."""
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
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers.split(","))
    headers = [("ce_specversion", b"1.0"), ("ce_id", secrets.token_hex(8).encode()),
               ("ce_type", b"PaymentCompleted"), ("ce_source", b"/legacy-till"),
               ("content-type", b"application/json")]  # fmt: skip
    try:
        sent = producer.send(
            broker.topic("payments"), key=b"poison", value=b"\xff\xfe{not json", headers=headers
        )
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
