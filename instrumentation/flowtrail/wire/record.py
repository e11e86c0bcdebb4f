"""The one shape that the consumed records of every client are brought into."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import methodcaller
from typing import Any, Protocol

_log = logging.getLogger("flowtrail.confluent")
# Called like this, Python checks for a list with a hole in it, which confluent-kafka gives beside an exception.
_given_headers = methodcaller("headers")

Header = tuple[str, bytes | None]
"""One record header as Kafka carries it: a name and bytes, or a name and null."""


class RecordLike(Protocol):
    """What the tracing of a consumed record reads from it; kafka-python's and aiokafka's records fit too."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Record:
    """A consumed Kafka record, whatever client it came from.

    Attributes:
        topic: Topic it was read from.
        partition: Partition number.
        offset: Offset within the partition.
        timestamp_ms: Record timestamp in milliseconds since the epoch (UTC), None if the broker has none.
        key: Raw key, None if there is none.
        value: Raw value; None is a tombstone.
        headers: Name and raw value, in the order of the record; names may repeat.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None = None
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[Header] = ()

    @property
    def timestamp(self) -> int | None:
        """`timestamp_ms` under the name that kafka-python and aiokafka give it."""
        return self.timestamp_ms


def as_record(record: Any) -> RecordLike:
    """The record of any client as one with attributes: confluent-kafka's messages have methods."""
    if not callable(record.topic):
        known: RecordLike = record
        return known
    return record_of(record)


def record_of(message: Any) -> Record:
    """The record in a message of confluent-kafka; headers that it can't give (a name isn't UTF-8) count as none."""
    try:
        headers = _given_headers(message) or ()
    except (SystemError, ValueError):
        headers = ()
        _log.warning(
            "%s-%s@%s: a header's name isn't UTF-8, so the record is read as one without headers: let its producer "
            "write names in UTF-8", message.topic(), message.partition(), message.offset(),
        )  # fmt: skip
    kind, stamp = message.timestamp()
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        stamp if kind and stamp >= 0 else None,
        message.key(),
        message.value(),
        headers,
    )


def records_of(polled: Mapping[Any, Sequence[Any]]) -> list[Record]:
    """Records of kafka-python or aiokafka, which call their fields the same, by partition."""
    return [
        Record(
            record.topic, record.partition, record.offset, record.timestamp, record.key, record.value,
            record.headers,
        )
        for records in polled.values()
        for record in records
    ]  # fmt: skip
