"""Looks into a queue without taking anything from it.

What is delivered and not acknowledged goes back to its place when the channel is closed. Messages have no offsets:
what stands in for one is made of the message itself, so that the same message has the same one at every look, and
messages that are the same in everything have numbers that follow each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from flowtrail.wire import Record
from flowtrail.wire.amqp import from_amqp, sent_at
from flowtrail_collector.broker_names import rabbitmq_name
from flowtrail_collector.brokers.rabbitmq.connection import said_by
from flowtrail_collector.brokers.rabbitmq.messages import storable
from flowtrail_collector.dead_letters.model.x_death import is_delay_queue
from flowtrail_collector.settings import RabbitConfig

if TYPE_CHECKING:
    from pika import BlockingConnection

__all__ = ["MOST_ALIKE", "Look", "Seen", "counts_looks", "read_message"]

_MOST_MESSAGES = 10_000
_MOST_BYTES = 64_000_000
MOST_ALIKE = 1 << 12
"""So many messages that are the same in everything have numbers of their own."""

_BITS = 53 - 12  # as many as a number in JSON has, with room for those
_PROPERTIES = (
    "content_type", "content_encoding", "priority", "correlation_id", "reply_to", "message_id", "timestamp", "type",
    "app_id", "expiration", "user_id",
)  # fmt: skip
# The server changes these with every look.
_COUNTED = frozenset({"x-delivery-count", "x-acquired-count"})
_LIMITS_BY_DEFAULT, _UNLIMITED = 4, -1


class Seen(NamedTuple):
    """A message of a queue.

    Attributes:
        record: What it is; its offset is the first of the numbers that it may have.
        tag: Which delivery it was.
    """

    record: Record
    tag: int


class Look:
    """One look into a queue; what it has seen is held until it is closed.

    Args:
        config: Where.
        connection: To the server.
        queue: The queue.

    Raises:
        RefusedError: The user may not read it, or it isn't there.
    """

    def __init__(self, config: RabbitConfig, connection: BlockingConnection, queue: str) -> None:
        self._config = config
        self._queue = queue
        with said_by(config):
            self._channel = connection.channel()

    def messages(self) -> Iterator[Seen]:
        """All messages, the oldest first; of a long queue the first 10,000, or 64 MB of them."""
        size = 0
        for _ in range(_MOST_MESSAGES):
            with said_by(self._config):
                method, properties, body = self._channel.basic_get(self._queue)
            if method is None:
                return
            size += len(body)
            record = read_message(self._queue, method.routing_key, properties, body)
            yield Seen(record, method.delivery_tag)
            if size >= _MOST_BYTES:
                return

    def take(self, tag: int) -> None:
        """Take a message from the queue for good."""
        with said_by(self._config):
            self._channel.basic_ack(tag)

    def close(self) -> None:
        """Let all others go back to their places."""
        if self._channel.is_open:
            with said_by(self._config):
                self._channel.close()


def read_message(queue: str, routing_key: str, properties: Any, body: bytes) -> Record:
    """A message as a record of the topic that its queue is; never raises.

    Args:
        queue: Where it is.
        routing_key: With which it came there.
        properties: As the client gives them.
        body: Its payload.
    """
    table = {name: value for name, value in (properties.headers or {}).items() if name not in _COUNTED}
    said = _properties_of(properties)
    number = _number(routing_key, table, said, body)
    parts = from_amqp(_routing_key(table), table, said, body)
    # Most clients set none; the server notes when a message died.
    timestamp_ms = storable(parts.timestamp_ms if parts.timestamp_ms is not None else _died_ms(table))
    return Record(rabbitmq_name(queue), 0, number, timestamp_ms, parts.key, parts.value, parts.headers)


def counts_looks(queue: Mapping[str, Any], server_version: str) -> bool:
    """Whether a queue drops a message that was looked at too often: each look is a delivery to it.

    Args:
        queue: As the management API tells it.
        server_version: Since 4.0 quorum queues have a limit unless they are told otherwise, with -1. Before, that is a
            limit like any other, and the first look loses what it looks at.
    """
    if queue.get("type") != "quorum":
        return False
    arguments = queue.get("arguments") or {}
    policy = queue.get("effective_policy_definition") or {}
    limit = arguments.get("x-delivery-limit", policy.get("delivery-limit"))
    major = server_version.partition(".")[0]
    has_default = major.isdigit() and int(major) >= _LIMITS_BY_DEFAULT
    return limit != _UNLIMITED if has_default else limit is not None


def _properties_of(properties: Any) -> dict[str, Any]:
    """A message's own properties without its table of headers, those that are set."""
    return {name: value for name in _PROPERTIES if (value := getattr(properties, name)) is not None}


def _routing_key(table: Mapping[str, Any]) -> str:
    """With which one it was published before it died: that of the dead letter is its queue's name.

    To a queue in which it only waited for a retry it was published by that queue's name, too.
    """
    try:
        died = next(each for each in table["x-death"] if not is_delay_queue(each.get("queue")))
        return str(died["routing-keys"][0])
    except (LookupError, TypeError, AttributeError, StopIteration):  # a client may write one, too
        return ""


def _died_ms(table: Mapping[str, Any]) -> int | None:
    try:
        return sent_at(None, table["x-death"][0]["time"])
    except (LookupError, TypeError, AttributeError):
        return None


def _number(routing_key: str, table: Mapping[str, Any], said: Mapping[str, Any], body: bytes) -> int:
    found = [routing_key, table, said]
    try:
        text = json.dumps(found, default=str, sort_keys=True, ensure_ascii=True)
    except (TypeError, ValueError):  # names that aren't UTF-8 are bytes
        text = repr(found)
    digest = blake2b(text.encode(), digest_size=8)
    digest.update(body)
    return (int.from_bytes(digest.digest(), "big") >> (64 - _BITS)) * MOST_ALIKE
