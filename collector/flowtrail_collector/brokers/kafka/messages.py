"""What a confluent-kafka message holds."""

from __future__ import annotations

import logging
import math
import time
from operator import methodcaller
from typing import Any

from confluent_kafka import Message

__all__ = [
    "Fields",
    "fields_of",
    "given_headers",
    "headers_of",
    "partition_of",
    "timestamp_of",
    "unreadable_headers",
]

_SILENT_SECONDS = 60.0

logger = logging.getLogger(__name__)

Fields = tuple[str, int, int, int | None, bytes | None, Any]
"""Topic, partition, offset, timestamp (milliseconds since the epoch, None if the broker has none), key, and headers
(a list of pairs of text and bytes, None without any). Not the value: it is made only when it is asked for."""

# For a name that isn't UTF-8 the client gives a list with a hole in it and leaves its exception set. Called like
# this, Python checks for that; a `message.headers()` that runs often goes on with the broken list.
given_headers = methodcaller("headers")


class _Said:
    """When the last line about headers was logged, by `time.monotonic`."""

    at = -math.inf


def partition_of(message: Message) -> tuple[str, int]:
    """Topic and partition of a record, or of an error about one."""
    return message.topic() or "", message.partition() or 0


def timestamp_of(message: Message) -> int | None:
    """A record's timestamp in milliseconds since the epoch, None if the broker has none."""
    kind, timestamp_ms = message.timestamp()
    return timestamp_ms if kind and timestamp_ms >= 0 else None


def fields_of(message: Message) -> Fields:
    """The record in a message that is no error; headers that the client can't give count as none."""
    return (
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        timestamp_of(message),
        message.key(),
        headers_of(message),
    )


def headers_of(message: Message) -> Any:
    """A record's headers as the client gives them, None without any or if it can't give them."""
    try:
        return given_headers(message)
    except (SystemError, ValueError):
        return unreadable_headers(message)


def unreadable_headers(message: Message) -> None:
    """Log, at most once a minute, that a record's headers can't be had."""
    now = time.monotonic()
    if now - _Said.at < _SILENT_SECONDS:
        return
    _Said.at = now
    topic, partition = partition_of(message)
    logger.warning(
        "%s-%d@%s: a header's name isn't UTF-8, so the record is read as one without headers: let its producer "
        "write names in UTF-8 (said at most once a minute)",
        topic, partition, message.offset(),
    )  # fmt: skip
