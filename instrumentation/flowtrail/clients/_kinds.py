"""What those that know no client have to know of a broker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from flowtrail.clients._names import NameRule, Names, PamqpNames


@dataclass(frozen=True, slots=True)
class BrokerKind:
    """What those that know no client have to know of a broker.

    Attributes:
        system: OpenTelemetry's `messaging.system`.
        name: For messages.
        remedy: What to do if it can't be reached.
        topics: Which names topics may have.
        own_topics: Which names a group's own topics may have: those for retries and dead letters.
        queue: How a group's queue for a topic is called, made of `{topic}` and `{group}`; empty where there is none.
        longest_type: How many bytes an event type has at most that a group asks for; None for any number.
        commits_at_once: A commit costs next to nothing, and what isn't committed keeps messages from coming.
        has_offsets: Partition and offset say for good where a record is.
    """

    system: str
    name: str
    remedy: str
    topics: NameRule
    own_topics: NameRule
    queue: str
    longest_type: int | None
    commits_at_once: bool
    has_offsets: bool

    def with_queue(self, queue: Any) -> BrokerKind:
        """The same with another template of queue names, if that is text and there are queues."""
        return replace(self, queue=queue) if self.queue and isinstance(queue, str) else self

    def queue_of(self, topic: str, group: str) -> str:
        """The queue from which a group reads a topic; empty if there is none, or no name can be made."""
        try:
            return self.queue.format(topic=topic, group=group)
        except (LookupError, ValueError):
            return ""


_KAFKA_NAMES = Names(  # as the broker's `Topic.validate`
    pattern=r"(?!\.{1,2}\Z)[a-zA-Z0-9._-]+",
    rule="names are made of ASCII letters, digits, '.', '_' and '-'",
    longest=249,
)
_EXCHANGES = Names(
    pattern=r"[!-~]([ -~]*[!-~])?",
    rule="names are made of printable ASCII characters, without spaces at the ends",
    longest=240,
)
_QUEUES = Names(
    pattern=r"(?!amq\.)[!-~]([ -~]*[!-~])?",
    rule="names of queues are made of printable ASCII characters, without spaces at the ends, and don't begin "
    "with 'amq.'",
    longest=240,  # of 255 bytes, which a queue for delayed messages also needs
)

KAFKA = BrokerKind(
    system="kafka",
    name="Kafka",
    remedy="start one, or set bootstrap_servers or KAFKA_BOOTSTRAP_SERVERS to where it is",
    topics=_KAFKA_NAMES,
    own_topics=_KAFKA_NAMES,
    queue="",
    longest_type=None,
    commits_at_once=False,
    has_offsets=True,
)

RABBITMQ = BrokerKind(
    system="rabbitmq",
    name="RabbitMQ",
    remedy="start one, or set bootstrap_servers or RABBITMQ_URL to amqp://user:password@host:5672/vhost",
    topics=_EXCHANGES,
    own_topics=_QUEUES,
    queue="{topic}.{group}",
    longest_type=255,  # a routing key's length is one byte
    commits_at_once=True,
    has_offsets=False,
)

RABBITMQ_AIO_PIKA = replace(
    RABBITMQ, topics=PamqpNames(_EXCHANGES, "exchange"), own_topics=PamqpNames(_QUEUES, "queue")
)
