"""Retry topics: where a failed record waits while those behind it go on.

The headers are part of the wire format; they are taken off again before a handler, or a dead letter, sees the
record.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from flowtrail.wire.record import Header, Record

TOPIC = "retry.topic"
PARTITION = "retry.partition"
OFFSET = "retry.offset"
TIMESTAMP = "retry.timestamp"
ATTEMPTS = "retry.attempts"
DUE = "retry.due"

_OURS = frozenset({TOPIC, PARTITION, OFFSET, TIMESTAMP, ATTEMPTS, DUE})
_MAX_DIGITS = 18


class Returned(NamedTuple):
    """A record that comes back from a retry topic.

    Attributes:
        record: As first consumed: topic, partition, offset and timestamp of then, headers without ours.
        attempts: How often its handler has failed.
        due_ms: When it may be handled again, milliseconds since the epoch.
    """

    record: Record
    attempts: int
    due_ms: int


def retry_topic(topic: str, group: str, attempt: int) -> str:
    """Where a record of a topic goes after its n-th attempt has failed."""
    return f"{topic}.{group}.retry.{attempt}"


def retry_headers(record: Record, attempts: int, due_ms: int) -> list[Header]:
    """The record's own headers as they were, and what brings it back beside them.

    Args:
        record: As it was first consumed.
        attempts: How often its handler has failed.
        due_ms: When it may be handled again, milliseconds since the epoch.
    """
    ours = {
        TOPIC: record.topic,
        PARTITION: str(record.partition),
        OFFSET: str(record.offset),
        TIMESTAMP: "" if record.timestamp_ms is None else str(record.timestamp_ms),
        ATTEMPTS: str(attempts),
        DUE: str(due_ms),
    }
    return [
        *(header for header in record.headers if header[0] not in _OURS),
        *((name, text.encode()) for name, text in ours.items()),
    ]


def returned(record: Record, topic: str) -> Returned:
    """Read a record of a retry topic; what others wrote there is a first attempt, due now.

    Args:
        record: As it was consumed from the retry topic.
        topic: The topic that the retry topic belongs to.
    """
    numbers = {name: _number(value) for name, value in record.headers if name in _OURS}
    kept = tuple(header for header in record.headers if header[0] not in _OURS)
    partition, offset = numbers.get(PARTITION), numbers.get(OFFSET)
    original = replace(record, headers=kept)
    if partition is not None and offset is not None:
        original = replace(
            original, topic=topic, partition=partition, offset=offset, timestamp_ms=numbers.get(TIMESTAMP)
        )
    return Returned(original, numbers.get(ATTEMPTS) or 0, numbers.get(DUE) or 0)


def _number(value: bytes | None) -> int | None:
    return int(value) if value is not None and value.isdigit() and len(value) <= _MAX_DIGITS else None
