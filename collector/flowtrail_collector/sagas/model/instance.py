"""An instance of a flow, as it is kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from flowtrail_collector.sagas.model.assessment import Outcome, SagaEvents

__all__ = ["SagaKey", "SagaRecord", "earlier_key", "key_of", "late_steps"]


class SagaKey(NamedTuple):
    """Names an instance: the flow, and what its events have in common (`Correlate`)."""

    flow: str
    key: str


@dataclass(slots=True)
class SagaRecord:
    """An instance as it is kept. Times in ms since the epoch.

    Attributes:
        flow: The flow's name.
        key: What its events have in common, e.g. the correlation id.
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
        instance: Which one it is under its key, counted from 1.
        followed: Another one follows it.
        repeated_starts: How many starts after its first one were counted.
        late_events: How many events after its end were counted.
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
    instance: int = 1
    followed: bool = False
    repeated_starts: int = 0
    late_events: int = 0

    @property
    def row_key(self) -> str:
        """What it is kept under: the newest instance under its key, those before it with their number behind."""
        return earlier_key(self.key, self.instance) if self.followed else self.key

    @property
    def late(self) -> tuple[str, ...]:
        """Steps that it waits for past their deadline."""
        if self.outcome is not Outcome.OPEN:
            return ()
        return late_steps(self.waiting, self.breached)

    @property
    def partial(self) -> bool:
        """Whether its start has not been seen."""
        return self.started_ms is None

    @property
    def stuck(self) -> bool:
        """Whether it started and waits for a step past its deadline."""
        return bool(self.late) and not self.partial


_NUMBERED = "\x1f"


def earlier_key(key: str, instance: int) -> str:
    """What an instance is kept under that another one follows."""
    return f"{key}{_NUMBERED}{instance}"


def key_of(row_key: str) -> tuple[str, bool]:
    """The key in what an instance is kept under, and whether another one follows it."""
    if _NUMBERED in row_key:
        return row_key.partition(_NUMBERED)[0], True
    return row_key, False


def late_steps(waiting: Iterable[str], breached: Collection[str]) -> tuple[str, ...]:
    """Of the steps that an open instance waits for, those whose deadline was missed."""
    return tuple(step for step in waiting if step in breached)
