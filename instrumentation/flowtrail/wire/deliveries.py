"""Deliveries of AMQP 0.9.1 as records: what the clients of RabbitMQ hand over, wrapped or behind the port."""

from __future__ import annotations

import random
import time
from typing import Any

from flowtrail.wire.amqp import TIMESTAMP_MS, Parts, from_amqp, sent_at
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


class Delivery:
    """A message that a program's own consumer was handed, as a record; most of it is made when it is asked for.

    Attributes:
        topic: The exchange; the queue where that is the default one.
        partition: 0.
        offset: Unique, and new when it is delivered again.
        timestamp: Milliseconds since the epoch, None if unknown.
        queue: Where it waited.
        routing_key: With which it was published.

    Args:
        properties: As the client has them, with the table of headers.
        body: The payload.
        type_name: What the client calls the property `type`.
    """

    __slots__ = (
        "_body",
        "_made",
        "_properties",
        "_type_name",
        "offset",
        "queue",
        "routing_key",
        "timestamp",
        "topic",
    )

    partition = 0

    def __init__(
        self,
        topic: str,
        queue: str,
        offset: int,
        routing_key: str,
        properties: Any,
        body: bytes,
        type_name: str,
    ) -> None:
        self.topic = topic
        self.queue = queue
        self.offset = offset
        self.routing_key = routing_key
        table = properties.headers
        stamp = table.get(TIMESTAMP_MS) if table else None
        self.timestamp = stamp if type(stamp) is int else sent_at(table, properties.timestamp)
        self._properties = properties
        self._body = body
        self._type_name = type_name
        self._made: Parts | None = None

    def _parts(self) -> Parts:
        if self._made is None:
            properties = self._properties
            others = properties_of(properties, type_name=self._type_name)
            self._made = from_amqp(self.routing_key, properties.headers, others, self._body)
        return self._made

    @property
    def key(self) -> bytes | None:
        """The event attribute `partitionkey`."""
        return self._parts().key

    @property
    def value(self) -> bytes | None:
        """The body; None for a tombstone."""
        return self._parts().value

    @property
    def headers(self) -> list[Header]:
        """Of a record."""
        return self._parts().headers


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
