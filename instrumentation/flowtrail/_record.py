"""The one shape in which every client adapter hands over a consumed record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Header = tuple[str, bytes | None]
"""One record header as Kafka carries it: a name and bytes, or a name and null."""

Headers = Sequence[Header]


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
    headers: Headers = ()

    @property
    def timestamp(self) -> int | None:
        """`timestamp_ms` under the name that kafka-python and aiokafka give it."""
        return self.timestamp_ms
