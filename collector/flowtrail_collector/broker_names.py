"""How topics of brokers other than Kafka are called: their names must not meet those of Kafka's."""

from __future__ import annotations

__all__ = ["RABBITMQ", "broker_of", "has_offsets", "rabbitmq_name", "without_broker"]

RABBITMQ = "rabbitmq:"
"""What stands before the names of RabbitMQ's exchanges and queues; no topic of Kafka has a colon in its name."""


def rabbitmq_name(name: str) -> str:
    """An exchange or queue of RabbitMQ among topics and groups."""
    return RABBITMQ + name


def without_broker(name: str) -> str:
    """The name of an exchange, a queue or a topic as its broker knows it."""
    return name.removeprefix(RABBITMQ)


def broker_of(name: str) -> str:
    """The broker that a topic or group is on, as people call it."""
    return "RabbitMQ" if name.startswith(RABBITMQ) else "Kafka"


def has_offsets(topic: str) -> bool:
    """Whether an offset says where in a topic a record is; RabbitMQ's numbers are made of the message itself."""
    return not topic.startswith(RABBITMQ)
