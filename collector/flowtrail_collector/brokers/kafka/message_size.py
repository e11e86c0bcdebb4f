"""How large a record is on the wire, and what its topic takes."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaException, admin

from flowtrail_collector.dead_letters.ports import Outgoing

__all__ = ["SizeLimits", "batch_bytes", "fits"]

_SETTING = "max.message.bytes"
_FRESH_SECONDS = 30.0
_DESCRIBE_SECONDS = 5.0
# Of a record batch (format 2): offset, length, epoch, magic, checksum, attributes, times, producer, count.
_BATCH_HEAD_BYTES = 61


class SizeLimits:
    """`max.message.bytes` of topics, as the cluster says; kept for half a minute. One thread at a time."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[float, int]] = {}

    def of(self, client: Any, topics: Iterable[str]) -> dict[str, int]:
        """The limits in bytes of those topics that tell; one that nobody may describe doesn't.

        Args:
            client: An admin client.
            topics: Their names; one that doesn't exist is left out.
        """
        wanted = list(topics)
        now = time.monotonic()
        stale = [topic for topic in wanted if self._found.get(topic, (0.0, 0))[0] < now - _FRESH_SECONDS]
        if stale:
            resource: Any = admin.ConfigResource
            asked = client.describe_configs(
                [resource("topic", topic) for topic in stale], request_timeout=_DESCRIBE_SECONDS
            )
            for entry, future in asked.items():
                self._found.pop(entry.name, None)
                try:
                    value = future.result(_DESCRIBE_SECONDS + 1)[_SETTING].value
                    self._found[entry.name] = (now, int(value))
                except (KafkaException, KeyError, TypeError, ValueError, TimeoutError):
                    continue
        return {topic: self._found[topic][1] for topic in wanted if topic in self._found}


def batch_bytes(record: Outgoing, *, compressed: bool = False) -> int:
    """The size of a batch of this record alone, which is what a topic's limit counts.

    Args:
        record: The record.
        compressed: As gzip makes it.
    """
    head, body = _encoded(record)
    return _BATCH_HEAD_BYTES + (len(zlib.compress(b"".join(body), wbits=31)) if compressed else head)


def fits(record: Outgoing, limit_bytes: int) -> bool:
    """Whether a topic with this limit takes the record, alone, and compressed if need be."""
    return batch_bytes(record) <= limit_bytes or batch_bytes(record, compressed=True) <= limit_bytes


def _encoded(record: Outgoing) -> tuple[int, list[bytes]]:
    """The length of the record with its own head, and its parts."""
    parts = [b"\0\0\0", *_field(record.key), *_field(record.value), _varint(len(record.headers))]
    for name, value in record.headers:
        parts += [*_field(name.encode()), *_field(value)]
    length = sum(map(len, parts))
    parts.insert(0, _varint(length))
    return length + len(parts[0]), parts


def _field(value: bytes | None) -> list[bytes]:
    return [_varint(-1)] if value is None else [_varint(len(value)), value]


def _varint(number: int) -> bytes:
    """Zigzag, seven bits a byte, the lowest first."""
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    out.append(rest)
    return bytes(out)
