"""What a message of the stream says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowtrail.wire import names
from flowtrail.wire.amqp import KEY, PREFIX, TIMESTAMP_MS, from_amqp
from flowtrail_collector.broker_names import rabbitmq_name
from flowtrail_collector.events.reading import Incoming

__all__ = ["MARK", "OFFSET", "PLAIN", "incoming", "mark_of", "storable"]

OFFSET = "x-stream-offset"
"""The header in which the server says where in the stream a message stands."""

MARK = "flowtrail-mark"
"""The header of the collector's own messages in the stream: when it was put there, milliseconds since the epoch."""

_DEATHS = "x-death"
_END_OF_TIME = 2**63
_PROPERTIES = (
    "content_type", "content_encoding", "priority", "correlation_id", "reply_to", "message_id", "timestamp", "type",
    "app_id",
)  # fmt: skip
# As flowtrail spells them in the table, and what they are called in a record; empty for what is no header there.
_ATTRIBUTES = (
    "specversion", "id", "type", "source", "subject", "time", "sequence", "correlationid", "causationid", "dataschema",
)  # fmt: skip
PLAIN: Mapping[str, str] = {
    **{PREFIX + name: f"ce_{name}" for name in _ATTRIBUTES},
    **{name: name for name in ("traceparent", "tracestate", "baggage")},
    TIMESTAMP_MS: "",
    PREFIX + KEY: "",
}


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
    topic = rabbitmq_name(exchange)
    plain = _plain(routing_key, properties)
    if plain is not None:
        timestamp_ms, key, headers = plain
        return Incoming(topic, 0, offset, timestamp_ms, key, headers, value=lambda: body)
    table = properties.headers or {}
    said = {name: value for name in _PROPERTIES if (value := getattr(properties, name)) is not None}
    parts = from_amqp(routing_key, table, said, body)
    # What went through a dead letter exchange is another copy of an event that stands elsewhere.
    return Incoming(
        topic,
        0,
        offset,
        storable(parts.timestamp_ms),
        parts.key,
        parts.headers,
        retry=_DEATHS in table,
        value=lambda: parts.value,
    )


def storable(timestamp_ms: int | None) -> int | None:
    """A timestamp if it has 64 bits, as a store and Kafka's own do; otherwise it says nothing."""
    return timestamp_ms if timestamp_ms is None or abs(timestamp_ms) < _END_OF_TIME else None


def _plain(
    routing_key: str, properties: Any
) -> tuple[int | None, bytes | None, list[tuple[str, bytes]]] | None:
    """Timestamp, key and headers of a message as flowtrail itself writes them, in a tenth of the time of `from_amqp`.

    Returns:
        None if anything about it is unusual; `from_amqp` then decides. Otherwise what that says.
    """
    try:
        table = properties.headers
        timestamp_ms = table[TIMESTAMP_MS]
        key = None
        headers = []
        for name, value in table.items():
            known = PLAIN[name]
            if known:
                headers.append((known, value.encode()))
            elif name != TIMESTAMP_MS:
                key = value.encode()
        if (
            not isinstance(timestamp_ms, int)  # pika has a kind of its own for 64 bits
            or properties.message_id != table[PREFIX + "id"]
            or properties.correlation_id != table[PREFIX + "correlationid"]
            or routing_key != table[PREFIX + "type"]
            or properties.reply_to is not None
            or properties.content_encoding is not None
            or properties.priority is not None
            or properties.type is not None
            or properties.app_id is not None
        ):
            return None
        headers.append((names.CONTENT_TYPE, properties.content_type.encode()))
    except (KeyError, TypeError, AttributeError, UnicodeError):
        return None
    return storable(int(timestamp_ms)), key, headers
