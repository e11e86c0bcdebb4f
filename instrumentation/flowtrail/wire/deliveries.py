"""Deliveries of AMQP 0.9.1 as records: what the clients of RabbitMQ hand over, wrapped or behind the port."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowtrail.wire.amqp import from_amqp
from flowtrail.wire.record import Header

ANONYMOUS = "(anonymous)"
"""What a queue is called here whose name was made up for one connection, such as a reply queue's."""

DEFAULT_EXCHANGE = "amq.default"
"""What messages belong to that went to the default exchange without a routing key."""

_FIELDS = (
    "content_type", "content_encoding", "priority", "correlation_id", "reply_to", "expiration", "message_id",
    "timestamp", "user_id", "app_id",
)  # fmt: skip
_MADE_UP = ("amq.gen-", "amq.rabbitmq.reply-to", "amq_")  # by the server; the last one by aio-pika


@dataclass(slots=True)
class Delivery:
    """A message that a program's own consumer was handed, as a record.

    Attributes:
        topic: The exchange; the queue where that is the default one.
        offset: Unique, and new when it is delivered again.
        timestamp: Milliseconds since the epoch, None if unknown.
        key: The event attribute `partitionkey`.
        value: The body; None for a tombstone.
        headers: Of a record.
        queue: Where it waited.
        routing_key: With which it was published.
        partition: 0.
    """

    topic: str
    offset: int
    timestamp: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]
    queue: str
    routing_key: str
    partition: int = 0


def delivery(
    topic: str,
    queue: str,
    offset: int,
    routing_key: str,
    table: Mapping[str, Any] | None,
    properties: Mapping[str, Any],
    body: bytes,
) -> Delivery:
    """A delivery; see `from_amqp` and `Delivery`. Never raises."""
    parts = from_amqp(routing_key, table, properties, body)
    return Delivery(
        topic, offset, parts.timestamp_ms, parts.key, parts.value, parts.headers, queue, routing_key
    )


def properties_of(properties: Any, *, type_name: str = "type") -> dict[str, Any]:
    """A message's properties without its table of headers.

    Args:
        properties: As the client has them.
        type_name: What the client calls `type`.
    """
    found = {field: value for field in _FIELDS if (value := getattr(properties, field)) is not None}
    kind = getattr(properties, type_name)
    return found if kind is None else {**found, "type": kind}


def first_offset() -> int:
    """Where the offsets of a new line of deliveries begin: no other line's overlap with them.

    They have at most 18 digits, as the headers of retried records want them.
    """
    return (time.time_ns() // 1_000_000 << 18) + random.getrandbits(16)


def topic_of(exchange: str, routing_key: str) -> str:
    """What a message belongs to: its exchange, or the queue to which the default one leads it."""
    return exchange or named(routing_key) or DEFAULT_EXCHANGE


def named(queue: str) -> str:
    """A queue's name, where somebody gave it one: others are as many as there are connections."""
    return ANONYMOUS if queue.startswith(_MADE_UP) else queue


def group_of(queue: str, topic: str) -> str:
    """The group that reads a queue: what follows the topic in its name, else all of it."""
    name = named(queue)
    return name.removeprefix(f"{topic}.") or name
