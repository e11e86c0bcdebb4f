"""Events, as they are kept and read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class EventRow(NamedTuple):
    """An event as it is kept: what its headers said, and where it stands. Times in ms since the epoch."""

    topic: str
    partition: int
    offset: int
    event_id: str
    type: str
    source: str | None
    subject: str | None
    sequence: int | None
    correlation_id: str | None
    causation_id: str | None
    time_ms: int | None
    timestamp_ms: int | None
    trace_id: str | None
    span_id: str | None
    dataschema: str | None
    key: str | None
    dead_letter: bool


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as read from its topic. Times are milliseconds since the epoch, UTC."""

    event_id: str
    type: str
    topic: str
    partition: int
    offset: int
    source: str | None = None
    subject: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    time_ms: int | None = None
    timestamp_ms: int | None = None
    trace_id: str | None = None
    span_id: str | None = None
    dead_letter: bool = False


class Position(NamedTuple):
    """How far a partition has been read: the next offset, and the time up to which everything was seen."""

    next_offset: int
    watermark_ms: int


class Advance(NamedTuple):
    """A step forward in one partition.

    Attributes:
        expected: Next offset this worker believes is stored; None if it believes nothing is.
    """

    topic: str
    partition: int
    expected: int | None
    next_offset: int
    watermark_ms: int


class Seen(NamedTuple):
    """What a batch read of one partition.

    Attributes:
        records: How many.
        without_type: Of those, how many have no event type, neither in their headers nor by a mapping.
        without_id: How many have no event id.
        mapping_problems: In how many the topic's mapping found nothing usable.
        last_ms: Timestamp of the last of them, in ms since the epoch; None if it has none.
    """

    records: int = 0
    without_type: int = 0
    without_id: int = 0
    mapping_problems: int = 0
    last_ms: int | None = None


class Origin(NamedTuple):
    """Where the record stood that a dead letter is a copy of, as far as its headers say."""

    topic: str
    partition: int | None
    offset: int | None
