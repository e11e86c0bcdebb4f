"""The properties of a message as flowtrail itself writes them, read from the wire. Pure.

A record's headers are bytes, and so is a table on the wire: nothing needs to become text in between.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from flowtrail.wire import names
from flowtrail.wire.amqp import KEY, PREFIX, PROPERTY, TIMESTAMP_MS
from flowtrail_collector.brokers.rabbitmq.messages import OFFSET, PLAIN

__all__ = ["PlainMessage", "read_properties"]

_KEY = "key"
_TEXTS = {**{name: known for name, known in PLAIN.items() if known}, PREFIX + KEY: _KEY}
_known = {bytes([len(name)]) + name.encode() + b"S\0\0\0": known for name, known in _TEXTS.items()}.get
_TIMESTAMP_MS, _OFFSET = TIMESTAMP_MS.encode(), OFFSET.encode()
_PRIORITY = PROPERTY + "priority"
_number = int.from_bytes
# Which of the properties are there: content type, headers, delivery mode, correlation id, message id, timestamp; where
# aio-pika wrote them, a priority, too.
_FLAGS, _FLAGS_WITH_PRIORITY = b"\xb4\xc0", b"\xbc\xc0"
_LONG = 0x6C
_NO_NUMBER = -1


class PlainMessage(NamedTuple):
    """What the properties of a message say.

    Attributes:
        offset: Where it stands in the stream.
        timestamp_ms: When it was sent, in milliseconds since the epoch.
        key: A record's key; None if it has none.
        headers: Of a record.
    """

    offset: int
    timestamp_ms: int
    key: bytes | None
    headers: list[tuple[str, bytes]]


def read_properties(routing_key: bytes, properties: Any) -> PlainMessage | None:
    """What `incoming` makes of the same properties, in a quarter of the time.

    Args:
        routing_key: With which it was published.
        properties: As they are on the wire, flags first; else None is returned.

    Returns:
        None if anything is unusual; the client's decoder and `incoming` then decide.
    """
    if type(properties) is not bytes:
        return None
    try:
        flags = properties[:2]
        if flags != _FLAGS and flags != _FLAGS_WITH_PRIORITY:
            return None
        table = 3 + properties[2]
        end = table + 4 + _number(properties[table : table + 4])
        found, offset, timestamp_ms = _table(properties, table + 4, end)
        key = found.pop(_KEY, None)
        content_type = properties[3:table]
        behind = end + 1 if flags == _FLAGS else end + 2
        if offset < 0 or timestamp_ms < 0 or not _agrees(properties, behind, found, routing_key):
            return None
        # What isn't UTF-8 is kept as it is by a longer way; a character can't reach over the spaces.
        b" ".join((*found.values(), key or b"", content_type)).decode()
    except (IndexError, KeyError, UnicodeDecodeError):
        return None
    if flags != _FLAGS:
        found[_PRIORITY] = b"%d" % properties[end + 1]
    found[names.CONTENT_TYPE] = content_type
    return PlainMessage(offset, timestamp_ms, key, list(found.items()))


def _table(properties: bytes, at: int, end: int) -> tuple[dict[str, bytes], int, int]:
    """Texts of the table that stands here, offset and timestamp.

    Raises:
        KeyError: There is something else in it (likewise IndexError).
    """
    found: dict[str, bytes] = {}
    offset = timestamp_ms = _NO_NUMBER
    while at < end:
        # Name, kind, and the length but for its last byte: the same in every message.
        kind = at + 1 + properties[at]
        start = kind + 5
        known = _known(properties[at : start - 1])
        if known is not None:
            at = start + properties[start - 1]
            found[known] = properties[start:at]
            continue
        name, at = properties[at + 1 : kind], kind + 9
        if properties[kind] != _LONG:
            raise KeyError(name)
        if name == _TIMESTAMP_MS:
            timestamp_ms = _number(properties[kind + 1 : at], signed=True)
        elif name == _OFFSET:
            offset = _number(properties[kind + 1 : at], signed=True)
        else:
            raise KeyError(name)
    if at != end:
        raise IndexError(at)
    return found, offset, timestamp_ms


def _agrees(properties: bytes, at: int, found: dict[str, bytes], routing_key: bytes) -> bool:
    """Whether AMQP's own properties repeat what the table says; `at` is where the correlation id is."""
    middle = at + 1 + properties[at]
    end = middle + 1 + properties[middle]
    return (
        properties[at + 1 : middle] == found[names.CORRELATION_ID]
        and properties[middle + 1 : end] == found[names.ID]
        and len(properties) == end + 8  # a timestamp
        and routing_key == found[names.TYPE]
    )
