"""An instance of a flow, as it is kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from flowtrail_collector.sagas.model.assessment import Outcome, SagaEvents

__all__ = ["SagaKey", "SagaRecord", "late_steps"]


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
        return late_steps(self.waiting, self.breached)

    @property
    def partial(self) -> bool:
        """Whether its start has not been seen."""
        return self.started_ms is None

    @property
    def stuck(self) -> bool:
        """Whether it started and waits for a step past its deadline."""
        return bool(self.late) and not self.partial


def late_steps(waiting: Iterable[str], breached: Collection[str]) -> tuple[str, ...]:
    """Of the steps that an open instance waits for, those whose deadline was missed."""
    return tuple(step for step in waiting if step in breached)
