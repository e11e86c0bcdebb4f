"""A saga instance: the events of one flow that carry one correlation id.

The state of an instance is nothing but the set of its distinct events. A union of sets doesn't care about
order or repetition, so neither does the saga, however its events are added (`add_event`). Whatever is said of
an instance (`assess`) is a function of that set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from flowtrail_collector.sagas.model.flows import Flow
from flowtrail_collector.sagas.model.steps import Mark, StepProgress, Steps, StepState, earliest

__all__ = ["SETTLE_MS", "Mark", "Outcome", "Progress", "SagaEvents", "StepProgress", "StepState", "add_event",
           "assess"]  # fmt: skip

SagaEvents = dict[int, Mark]
"""An instance's events by the hash of source, id and type."""

SETTLE_MS = 1_000
"""How much clocks of brokers and producers may disagree before an end is taken as final."""


class Outcome(StrEnum):
    """How an instance stands."""

    OPEN = "open"
    COMPLETED = "completed"
    COMPENSATED = "compensated"
    """Cancelled, and every step that had been done and can be undone was undone."""
    FAILED = "failed"
    """Cancelled before any step was done that would have to be undone."""
    TIMED_OUT = "timed_out"
    """Still open when the flow's own time was over. Only the sweep says so, never the events."""


class Progress(NamedTuple):
    """What an instance's events say.

    Attributes:
        started_ms: When it started; None if its start has not been seen (a partial instance).
        outcome: `open`, `completed`, `compensated` or `failed`.
        ended_ms: When it ended.
        steps: In the order of the flow.
        conflict: It both completed and was cancelled; its outcome is whichever end came first.
        not_undone: Steps of a cancelled instance that were done and should have been undone.
        cancelled_ms: When it was cancelled.
    """

    started_ms: int | None
    outcome: Outcome
    ended_ms: int | None
    steps: tuple[StepProgress, ...]
    conflict: bool = False
    not_undone: tuple[str, ...] = ()
    cancelled_ms: int | None = None


def add_event(events: SagaEvents, event: int, mark: Mark) -> bool:
    """Put one event into an instance.

    Returns:
        False if it was there already (a duplicate).
    """
    known = events.get(event)
    if known is None:
        events[event] = mark
        return True
    if mark < known:
        # Two events under one id: which of them counts must not depend on which came first.
        events[event] = mark
    return False


def assess(flow: Flow, events: Mapping[int, Mark]) -> Progress:
    """What the events say of an instance of `flow`."""
    first = _first_times(events)
    started = earliest(first, flow.starts)
    completed = earliest(first, flow.completes)
    cancelled = earliest(first, flow.ending)
    steps = Steps(flow, events, first, started, ended=completed is not None or cancelled is not None).all()
    conflict = completed is not None and cancelled is not None
    outcome, ended, not_undone = _cancellation(steps, cancelled)
    # Whichever end comes first counts: nothing that is read later can change it.
    if completed is not None and (ended is None or completed <= ended):
        outcome, ended = Outcome.COMPLETED, completed
    return Progress(started, outcome, ended, steps, conflict, not_undone, cancelled)


def _cancellation(
    steps: Iterable[StepProgress], cancelled: int | None
) -> tuple[Outcome, int | None, tuple[str, ...]]:
    """How and when a cancellation ends the instance, and which steps have still to be undone."""
    if cancelled is None:
        return Outcome.OPEN, None, ()
    # What was done only after the end is late: it doesn't open the instance again. What should happen several
    # times has to be undone as soon as it happened once.
    done = [item for item in steps if item.begun_ms is not None and item.begun_ms <= cancelled + SETTLE_MS]
    not_undone = tuple(i.step.name for i in done if i.undone_ms is None and i.step.undone)
    if not_undone:
        return Outcome.OPEN, None, not_undone
    undone = [item.undone_ms for item in done if item.undone_ms is not None]
    return (Outcome.COMPENSATED if undone else Outcome.FAILED), max([cancelled, *undone]), ()


def _first_times(events: Mapping[int, Mark]) -> dict[str, int]:
    first: dict[str, int] = {}
    for time_ms, kind, _ in events.values():
        known = first.get(kind)
        if known is None or time_ms < known:
            first[kind] = time_ms
    return first
