"""What flows, as documents tell it: topics, who publishes which type to them, who reads it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from flowtrail_collector.broker_names import RABBITMQ, without_broker

__all__ = [
    "Broker",
    "ExchangeShape",
    "FlowShape",
    "Landscape",
    "Received",
    "Sent",
    "Server",
    "StepShape",
    "Topic",
    "broker_of",
]

Broker = Literal["kafka", "rabbitmq"]


def broker_of(topic: str) -> Broker:
    """Whose topic (or exchange) it is."""
    return "rabbitmq" if topic.startswith(RABBITMQ) else "kafka"


@dataclass(frozen=True, slots=True)
class Server:
    """A broker.

    Attributes:
        broker: Which kind.
        host: With its port; several addresses are joined by commas.
        protocol: Of RabbitMQ, `amqp` or `amqps`; None for the usual one.
        vhost: Virtual host of RabbitMQ.
    """

    broker: Broker
    host: str
    protocol: str | None = None
    vhost: str = "/"


@dataclass(frozen=True, slots=True)
class ExchangeShape:
    """What an exchange of RabbitMQ is; `type` as the server calls it."""

    type: str
    durable: bool
    auto_delete: bool
    vhost: str


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of Kafka or an exchange of RabbitMQ.

    Attributes:
        name: As the collector calls it.
        partitions: How many were read; None if that isn't known.
        mapped: A mapping says what its records are: they have headers of their own.
        exchange: What is known of an exchange.
    """

    name: str
    partitions: int | None = None
    mapped: bool = False
    exchange: ExchangeShape | None = None

    @property
    def broker(self) -> Broker:
        """Whose it is."""
        return broker_of(self.name)

    @property
    def address(self) -> str:
        """As its broker calls it."""
        return without_broker(self.name)


@dataclass(frozen=True, slots=True)
class Sent:
    """A type in one version, as a service publishes it to a topic.

    Attributes:
        topic: Where to, as the collector calls it.
        type: Of the event.
        version: None if it names none.
        service: Who does.
        events: How many there were.
        keyed: How many of them had a key.
        keyed_by_subject: How many had their subject as key.
        first: When the first one was seen, RFC 3339 in UTC.
        last: When the last one was.
    """

    topic: str
    type: str
    version: str | None
    service: str
    events: int = 0
    keyed: int = 0
    keyed_by_subject: int = 0
    first: str | None = None
    last: str | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A service that reads a topic.

    Attributes:
        topic: Which, as the collector calls it.
        service: Who; the group's name where no service is known by it.
        group: Consumer group or queue; None if none is known.
        types: Those that it is known to react to; None if that isn't known of any.
        last: When it reacted last, RFC 3339 in UTC.
        routing_keys: With which a queue is bound, where they decide what comes into it.
    """

    topic: str
    service: str
    group: str | None = None
    types: frozenset[str] | None = None
    last: str | None = None
    routing_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepShape:
    """A step of a flow; `by` is the group that moves it."""

    name: str
    done: Sequence[str]
    failed: Sequence[str] = ()
    undone: Sequence[str] = ()
    by: str | None = None


@dataclass(frozen=True, slots=True)
class FlowShape:
    """A flow of the collector's flow file."""

    name: str
    starts: Sequence[str]
    steps: Sequence[StepShape]
    completes: Sequence[str] = ()
    cancels: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Landscape:
    """All that flows.

    Attributes:
        servers: Brokers.
        topics: Those that aren't dead letter or retry topics, by name.
        sent: What is published to them.
        received: Who reads them.
        flows: Of the flow file.
        since: When the first event was seen, RFC 3339 in UTC; None if none was.
        knows_groups: Whether consumer groups are known; without them a reader that publishes nothing isn't.
    """

    servers: Sequence[Server] = ()
    topics: Sequence[Topic] = ()
    sent: Sequence[Sent] = ()
    received: Sequence[Received] = ()
    flows: Sequence[FlowShape] = ()
    since: str | None = None
    knows_groups: bool = True

    @property
    def services(self) -> list[str]:
        """All that publish or read, by name."""
        return sorted({row.service for row in self.sent} | {row.service for row in self.received})

    @property
    def types(self) -> list[str]:
        """All types, by name."""
        return sorted({row.type for row in self.sent})

    def versions(self, type: str) -> list[str | None]:
        """Versions of a type that were seen, the lowest first; None stands for events that name none."""
        return in_order(row.version for row in self.sent if row.type == type)

    def readers_of(self, topic: str, type: str) -> list[Received]:
        """Who reads a type on a topic, as far as that is known."""
        rows = (row for row in self.received if row.topic == topic)
        return [row for row in rows if row.types is None or type in row.types]


def in_order(versions: Iterable[str | None]) -> list[str | None]:
    """Versions, each once, the lowest first."""
    return sorted(set(versions), key=lambda version: (int(version or 0), version or ""))
