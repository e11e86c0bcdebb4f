"""Dead letters, as they are kept and listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from flowtrail_collector.dead_letters.model.headers import DeadLetter


class DeadLetterRecord(NamedTuple):
    """A dead letter as it is kept: where it stands, what its headers said, and what became of it.

    `state` is `pending`, `redriven`, `quarantined` or `dismissed`.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    event_id: str | None
    type: str | None
    subject: str | None
    correlation_id: str | None
    letter: DeadLetter
    state: str = "pending"


@dataclass(frozen=True, slots=True)
class TrailDeadLetter:
    """A dead letter: its own place, and what its headers say about the original."""

    topic: str
    partition: int
    offset: int
    event_id: str | None = None
    event_type: str | None = None
    source_topic: str | None = None
    group: str | None = None
    attempts: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    failed_ms: int | None = None
    state: str = "pending"


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Which dead letters; None filters nothing. Times: ms since the epoch, of their arrival."""

    topic: str | None = None
    group: str | None = None
    error_type: str | None = None
    state: str | None = None
    source_topic: str | None = None
    id: str | None = None
    flow: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A dead letter in a list."""

    letter: TrailDeadLetter
    subject: str | None = None
    correlation_id: str | None = None
