"""What a confluent-kafka message holds."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Message

__all__ = ["Fields", "fields_of", "partition_of"]


Fields = tuple[str, int, int, int | None, bytes | None, Any]
"""Topic, partition, offset, timestamp (milliseconds since the epoch, None if the broker has none), key, and headers
(a list of pairs of text and bytes, None without any). Not the value: it is made only when it is asked for."""


def partition_of(message: Message) -> tuple[str, int]:
    """Topic and partition of a record, or of an error about one."""
    return message.topic() or "", message.partition() or 0


def fields_of(message: Message) -> Fields:
    """The record in a message that is no error."""
    kind, timestamp_ms = message.timestamp()
    return (
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        timestamp_ms if kind and timestamp_ms >= 0 else None,
        message.key(),
        message.headers(),
    )
