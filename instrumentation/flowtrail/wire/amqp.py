"""Messages of AMQP 0.9.1 (RabbitMQ): CloudEvents by their AMQP binding, and what else a record says.

A table of headers holds typed values under names that occur once; a record's headers are pairs of a name and
bytes. Event attributes are written as `cloudEvents_id` and read in every spelling that is found in the wild; a
record has them as `ce_id`, as everywhere. What AMQP keeps beside the table (content type, reply address, ...)
are headers of a record too, so that it can be passed on whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeGuard

from flowtrail.errors import EncodeError
from flowtrail.wire import names
from flowtrail.wire.record import Header

PREFIX = "cloudEvents_"
"""What the names of event attributes begin with, as written."""

PROPERTY = "amqp."
"""What the names of a record's headers begin with that come from AMQP's own properties."""

ROUTING_KEY = PROPERTY + "routing_key"
TIMESTAMP_MS = "timestamp_in_ms"
"""The header in which RabbitMQ itself puts the time of a message's arrival, if told to."""

KEY = "partitionkey"
"""The event attribute that holds a record's key; AMQP has no keys."""

_SPELLINGS = ("cloudevents_", "cloudevents:", "ce-", "ce_")
_OURS = "ce_"
_SHORT = 255  # bytes of a name or a property: its length is one byte
_KEPT = ("content_encoding", "priority", "correlation_id", "reply_to", "message_id", "type", "app_id")
# A user that isn't the connection's own is refused, and an expiry would let a dead letter die once more.
_SHOWN = (*_KEPT, "expiration", "user_id")
_AS_WRITTEN = {
    name: PREFIX + name[len(_OURS) :] if name.startswith(_OURS) else name for name in names.MAX_BYTES
}
_REPEATED = (("message_id", names.ID), ("correlation_id", names.CORRELATION_ID))


class Typed(bytes):
    """A header's value as bytes, and what it was in the table; sent on, it is that again.

    Attributes:
        name: The name in the table.
        value: The value in the table.
    """

    name: str
    value: Any


class AmqpMessage(NamedTuple):
    """A message as a client of AMQP sends it.

    Attributes:
        routing_key: Which queues it goes to; bytes if it isn't UTF-8.
        table: The table of headers.
        properties: The properties that are set, under AMQP's names with `_`; likewise bytes where they aren't UTF-8.
        body: The payload.
    """

    routing_key: str | bytes
    table: dict[str, Any]
    properties: dict[str, Any]
    body: bytes


class Parts(NamedTuple):
    """What a record is made of; see `Record`."""

    key: bytes | None
    value: bytes | None
    headers: list[Header]
    timestamp_ms: int | None


def to_amqp(
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[Header],
    now_ms: int,
    *,
    text_only: bool = False,
) -> AmqpMessage:
    """A record as an AMQP message: durable, routed by its event type.

    Args:
        key: The record's key.
        value: Its payload; None is sent as an empty body without a content type.
        headers: Its headers; of those that are called the same, the last one is sent.
        now_ms: Milliseconds since the epoch.
        text_only: Whether the client can't write a routing key or property that isn't UTF-8: it stays a header.

    Raises:
        EncodeError: The routing key, or a header's name, has more than 255 bytes.
    """
    table: dict[str, Any] = {}
    properties: dict[str, Any] = {"delivery_mode": 2, "timestamp": now_ms // 1000}
    spelled: dict[str, str] = {}
    found: dict[str, Any] = {}
    for name, data in headers:
        called, content = (
            (data.name, data.value) if isinstance(data, Typed) else (_written(name), _typed(data))
        )
        found[name] = content
        if not _put_property(properties, name, content, text_only=text_only):
            earlier = spelled.get(name)
            if earlier is not None and earlier != called:
                del table[earlier]
            spelled[name] = called
            table[called] = content
    if key is not None:
        table[PREFIX + KEY] = _typed(key)
    table[TIMESTAMP_MS] = now_ms
    for field, attribute in _REPEATED:
        content = found.get(attribute)
        if field not in properties and isinstance(content, str) and _is_short(content):
            properties[field] = content
    routing_key: str | bytes = ""
    for content in (found.get(names.TYPE), found.get(ROUTING_KEY)):
        if _can_write(content, text_only=text_only):
            routing_key = content
    for what in (routing_key, *table):
        if not _is_short(what):
            raise EncodeError(
                f"AMQP takes at most {_SHORT} bytes for a routing key or a header's name: {what[:60]!r}..."
            )
    return AmqpMessage(routing_key, table, properties, value or b"")


def shown_key(routing_key: str | bytes) -> str:
    """A routing key for people to read."""
    return routing_key if isinstance(routing_key, str) else routing_key.decode(errors="replace")


def pairs_of(table: Mapping[str, Any]) -> list[Header]:
    """A program's own table as headers: names as a record has them, values that go back as they came."""
    return [(canonical(name), _keeping(_shown(value), name, value)) for name, value in table.items()]


def table_of(headers: Iterable[Header], now_ms: int) -> dict[str, Any]:
    """The table of a program's own message: what `pairs_of` made as it was, event attributes as text.

    Args:
        headers: Of a record.
        now_ms: Milliseconds since the epoch; when the message is sent, unless a header says that.
    """
    table: dict[str, Any] = {}
    for name, data in headers:
        if isinstance(data, Typed):
            table[data.name] = data.value
        else:
            table[_AS_WRITTEN.get(name) or _written(name)] = _typed(data)
    table.setdefault(TIMESTAMP_MS, now_ms)
    return table


def own_table(headers: Iterable[tuple[str, bytes]], now_ms: int) -> dict[str, Any]:
    """`table_of` for a message whose headers are all ours: text, under names that are known."""
    table: dict[str, Any] = {_AS_WRITTEN[name]: data.decode() for name, data in headers}
    table[TIMESTAMP_MS] = now_ms
    return table


def _put_property(properties: dict[str, Any], name: str, content: Any, *, text_only: bool) -> bool:
    """Put what a header says among AMQP's own properties; False if it belongs into the table."""
    if name == names.CONTENT_TYPE:
        field = "content_type"
    else:
        field = name.removeprefix(PROPERTY)
        if field is name or field not in _KEPT:
            return False
    if field == "priority":
        if not (isinstance(content, str) and content.isascii() and content.isdigit() and int(content) < 256):
            return False
        properties[field] = int(content)
        return True
    if not _can_write(content, text_only=text_only) or not _is_short(content):
        return False
    properties[field] = content
    return True


def _can_write(content: Any, *, text_only: bool) -> TypeGuard[str | bytes]:
    return isinstance(content, str) or (isinstance(content, bytes) and not text_only)


def _is_short(text: str | bytes) -> bool:
    """Whether it has room; a name that isn't UTF-8 is bytes."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    return len(data) <= _SHORT


def _written(name: str) -> str:
    return PREFIX + name[len(_OURS) :] if name.startswith(_OURS) else name


def _typed(data: bytes | None) -> Any:
    """Text where it is text: other languages see byte arrays otherwise."""
    if data is None:
        return None
    try:
        return bytes(data).decode()
    except UnicodeDecodeError:
        return bytes(data)


def from_amqp(
    routing_key: Any, table: Mapping[str, Any] | None, properties: Mapping[str, Any], body: bytes
) -> Parts:
    """What a message says; never raises, whatever a client sent.

    Args:
        routing_key: With which it was published.
        table: Its table of headers, if it has one.
        properties: Its other properties, under AMQP's names with `_`; those that are None are not set.
        body: Its payload.
    """
    read: list[tuple[bool, str, bytes | None]] = []
    key: bytes | None = None
    timestamp_ms = sent_at(table, properties.get("timestamp"))
    for name, value in (table or {}).items():
        if name == TIMESTAMP_MS and _is_number(value):
            continue
        known, data = canonical(name), _shown(value)
        if known == _OURS + KEY and key is None and data is not None:
            key = data
            continue
        as_written = _written(known) == name
        plain = as_written and (value is None or (type(value) is str or _typed(data) == value))
        read.append((as_written, known, data if plain else _keeping(data, name, value)))
    # The last one counts, and that is the one spelled as the binding wants it.
    read.sort(key=lambda item: item[0])
    headers: list[Header] = [(name, data) for _, name, data in read]
    said = dict(headers)
    repeated = {field: said.get(attribute) for field, attribute in _REPEATED}
    for field in _SHOWN:
        value = properties.get(field)
        if value is not None and (data := _shown(value)) != repeated.get(field, b""):
            headers.append((PROPERTY + field, data))
    content_type = properties.get("content_type")
    if content_type is not None:
        headers.append((names.CONTENT_TYPE, _shown(content_type)))
    route = _shown(routing_key)
    if route and route != said.get(names.TYPE) and ROUTING_KEY not in said:
        headers.append((ROUTING_KEY, route))
    has_value = bool(body) or content_type is not None
    return Parts(key, bytes(body) if has_value else None, headers, timestamp_ms)


def canonical(name: Any) -> str:
    """The name that a record has for a header of the table."""
    text = name if isinstance(name, str) else str(name)
    lower = text.lower()
    for prefix in _SPELLINGS:
        if lower.startswith(prefix) and len(text) > len(prefix):
            return _OURS + lower[len(prefix) :]
    return text


def _keeping(data: bytes | None, name: str, value: Any) -> Typed:
    kept = Typed(data or b"")
    kept.name, kept.value = name, value
    return kept


def _shown(value: Any) -> bytes | None:
    """A value of the table as bytes: what isn't text or bytes as JSON."""
    if value is None:
        return None
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    try:
        return json.dumps(value, default=str, ensure_ascii=False).encode("utf-8", "replace")
    except Exception:  # noqa: BLE001 - anything may be in a table
        with suppress(RecursionError):
            return repr(value).encode("utf-8", "replace")
    return type(value).__name__.encode()  # nested too deep to be shown


def _is_number(value: Any) -> TypeGuard[int]:
    """Whether it is one; clients have integers of their own, and true isn't one."""
    return isinstance(value, int) and not isinstance(value, bool)


def sent_at(table: Mapping[str, Any] | None, timestamp: Any) -> int | None:
    """When a message was sent, in milliseconds since the epoch; None if unknown.

    Args:
        table: Its table of headers.
        timestamp: AMQP's own property.
    """
    stamp = table.get(TIMESTAMP_MS) if table else None
    return stamp if _is_number(stamp) else _milliseconds(timestamp)


def _milliseconds(timestamp: Any) -> int | None:
    """AMQP's own timestamp, which is in seconds: a number, or a moment with its time zone."""
    if timestamp is None:
        return None
    try:
        seconds = timestamp if isinstance(timestamp, int) else timestamp.timestamp()
        return int(seconds * 1000)
    except Exception:  # noqa: BLE001 - none, or out of all bounds
        return None
