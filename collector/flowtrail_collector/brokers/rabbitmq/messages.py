"""What a message of the stream says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowtrail.wire.amqp import from_amqp
from flowtrail_collector.broker_names import rabbitmq_name
from flowtrail_collector.events.reading import Incoming

__all__ = ["MARK", "OFFSET", "incoming", "mark_of"]

OFFSET = "x-stream-offset"
"""The header in which the server says where in the stream a message stands."""

MARK = "flowtrail-mark"
"""The header of the collector's own messages in the stream: when it was put there, milliseconds since the epoch."""

_DEATHS = "x-death"
_PROPERTIES = (
    "content_type", "content_encoding", "priority", "correlation_id", "reply_to", "message_id", "timestamp", "type",
    "app_id",
)  # fmt: skip


def mark_of(exchange: str, table: Mapping[str, Any]) -> int | None:
    """What a mark says; None if it is none."""
    found = table.get(MARK) if not exchange else None
    return found if isinstance(found, int) else None


def incoming(exchange: str, routing_key: str, offset: int, properties: Any, body: bytes) -> Incoming:
    """A message as a record of the topic that its exchange is.

    Args:
        exchange: Where it was published.
        routing_key: With which routing key.
        offset: Where it stands in the stream.
        properties: As the client gives them; the table of headers without the offset.
        body: The payload.
    """
    table = properties.headers or {}
    said = {name: value for name in _PROPERTIES if (value := getattr(properties, name)) is not None}
    parts = from_amqp(routing_key, table, said, body)
    return Incoming(
        rabbitmq_name(exchange),
        0,
        offset,
        parts.timestamp_ms,
        parts.key,
        parts.headers,
        # What went through a dead letter exchange is another copy of an event that stands elsewhere.
        retry=_DEATHS in table,
        value=lambda: parts.value,
    )
