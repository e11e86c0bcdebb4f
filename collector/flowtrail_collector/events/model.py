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
