"""Where the collector keeps what it learned, and the one transaction that makes counting exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from flowtrail_collector.dead_letters.model.headers import DeadLetter
from flowtrail_collector.sagas.model.assessment import Outcome, SagaEvents

__all__ = ["Advance", "Counts", "DeadLetterRecord", "EventRow", "Position", "SagaFigures", "SagaKey",
           "SagaRecord", "Store", "Unit"]  # fmt: skip

Counts = Mapping[tuple[str, tuple[str, ...]], float]
"""Increments by (metric name without `_total`, label values)."""


class SagaKey(NamedTuple):
    """Names an instance: the flow and the correlation id."""

    flow: str
    key: str


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


@dataclass(slots=True)
class SagaRecord:
    """An instance as it is kept. Times in ms since the epoch.

    Attributes:
        flow: The flow's name.
        key: The correlation id.
        subject: The aggregate's id, from the first event that had one.
        outcome: How it ended; `open` until then. Once it has ended it never changes.
        started_ms: When it started; None while its start has not been seen.
        ended_ms: When it ended.
        updated_ms: Time of its newest event.
        waiting: Steps whose turn it is.
        waiting_since_ms: Since when the first of them waits.
        next_deadline_ms: When the sweep should look at it again; None for never.
        breached: Steps whose deadline was missed.
        conflict: It completed and was cancelled.
        not_undone: It was cancelled, and something has still to be undone.
        completed_late: It timed out and completed all the same.
        events: Its events.
    """

    flow: str
    key: str
    subject: str | None = None
    outcome: Outcome = Outcome.OPEN
    started_ms: int | None = None
    ended_ms: int | None = None
    updated_ms: int = 0
    waiting: tuple[str, ...] = ()
    waiting_since_ms: int | None = None
    next_deadline_ms: int | None = None
    breached: tuple[str, ...] = ()
    conflict: bool = False
    not_undone: bool = False
    completed_late: bool = False
    events: SagaEvents = field(default_factory=dict)

    @property
    def late(self) -> tuple[str, ...]:
        """Steps that it waits for past their deadline."""
        if self.outcome is not Outcome.OPEN:
            return ()
        return tuple(step for step in self.waiting if step in self.breached)

    @property
    def partial(self) -> bool:
        """Whether its start has not been seen."""
        return self.started_ms is None


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


@dataclass(frozen=True, slots=True)
class SagaFigures:
    """Everything the saga metrics show, as of one moment.

    Attributes:
        counts: Counters whose name begins with `saga_`.
        open_steps: (flow, step, open instances, since when the oldest waits in ms), of started instances.
        open_by_flow: (flow, `open` | `partial` | `stuck` | `uncompensated`, instances).
        late_steps: (flow, step, instances that wait for it past its deadline).
        late_given_up: (flow, step, consumer group or empty, how many of those have a pending dead letter of
            that group).
    """

    counts: Mapping[tuple[str, tuple[str, ...]], float]
    open_steps: Sequence[tuple[str, str, int, int | None]]
    open_by_flow: Sequence[tuple[str, str, int]]
    late_steps: Sequence[tuple[str, str, int]] = ()
    late_given_up: Sequence[tuple[str, str, str, int]] = ()


class Unit(Protocol):
    """What can be done within one transaction."""

    def load_sagas(self, keys: Iterable[SagaKey]) -> dict[SagaKey, SagaRecord]:
        """The instances that exist among `keys`."""
        ...

    def due_sagas(self, until_ms: int, limit: int) -> list[SagaRecord]:
        """Instances whose `next_deadline_ms` has come."""
        ...

    def save_sagas(self, sagas: Iterable[SagaRecord]) -> None:
        """Write instances whole."""
        ...

    def add_events(self, events: Iterable[EventRow]) -> None:
        """Keep events."""
        ...

    def add_dead_letters(self, letters: Iterable[DeadLetterRecord]) -> None:
        """Keep dead letters; one that is there already stays as it is."""
        ...

    def count(self, increments: Counts) -> None:
        """Add to counters."""
        ...

    def advance(self, advances: Iterable[Advance]) -> None:
        """Move positions.

        Raises:
            FencedError: A stored position isn't the expected one: somebody else has moved it.
        """
        ...


class Store(Protocol):
    """Reads, and units of work."""

    def unit(self) -> AbstractContextManager[Unit]:
        """A transaction: everything done with the unit happens, or nothing.

        Raises:
            StoreError: Nothing happened.
        """
        ...

    def positions(self) -> dict[tuple[str, int], Position]:
        """How far every partition was read, by (topic, partition)."""
        ...

    def forget_topics(self, ids: Mapping[str, str | None]) -> None:
        """Drop ids and positions of topics that are gone, unless one is known under another id by now."""
        ...

    def topic_ids(self) -> dict[str, str]:
        """The id each topic had when it was last looked at."""
        ...

    def remember_topic_ids(self, ids: Mapping[str, str]) -> None:
        """Note the ids of topics; the positions of one that had another id before are dropped with it."""
        ...

    def saga_figures(self) -> SagaFigures:
        """Counters and open instances, consistent with each other."""
        ...

    def counters(self, prefix: str) -> Counts:
        """The counters whose name begins with `prefix`."""
        ...

    def pending_dead_letters(self) -> list[tuple[str, str, str, int, int | None]]:
        """(dead letter topic, source topic, group, pending, timestamp of the oldest in ms)."""
        ...

    def size_bytes(self) -> int:
        """Size of the store on disk."""
        ...
