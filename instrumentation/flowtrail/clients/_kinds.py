"""What those that know no client have to know of a broker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BrokerKind:
    """What those that know no client have to know of a broker.

    Attributes:
        system: OpenTelemetry's `messaging.system`.
        name: For messages.
        remedy: What to do if it can't be reached.
        name_pattern: A regular expression that the names of topics and groups match as a whole.
        name_rule: The same in words.
        max_name: Longest name.
        commits_at_once: A commit costs next to nothing, and what isn't committed keeps messages from coming.
        has_offsets: Partition and offset say for good where a record is.
    """

    system: str
    name: str
    remedy: str
    name_pattern: str
    name_rule: str
    max_name: int
    commits_at_once: bool
    has_offsets: bool


KAFKA = BrokerKind(
    system="kafka",
    name="Kafka",
    remedy="start one, or set bootstrap_servers or KAFKA_BOOTSTRAP_SERVERS to where it is",
    name_pattern=r"[a-zA-Z0-9._-]+",  # as the broker's `Topic.validate`
    name_rule="names are made of ASCII letters, digits, '.', '_' and '-'",
    max_name=249,
    commits_at_once=False,
    has_offsets=True,
)

RABBITMQ = BrokerKind(
    system="rabbitmq",
    name="RabbitMQ",
    remedy="start one, or set bootstrap_servers or RABBITMQ_URL to amqp://user:password@host:5672/vhost",
    name_pattern=r"[!-~]([ -~]*[!-~])?",
    name_rule="names are made of printable ASCII characters, without spaces at the ends",
    max_name=240,  # of 255 bytes, which a queue for delayed messages also needs
    commits_at_once=True,
    has_offsets=False,
)
