"""A saga instance: the events of one flow that carry one correlation id.

The state of an instance is nothing but the set of its distinct events. A union of sets doesn't care about
order or repetition, so neither does the saga, however its events are added (`add_event`). Whatever is said of
an instance (`assess`) is a function of that set.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from flowtrail_collector.sagas.model.failures import failed_for_good_ms
from flowtrail_collector.sagas.model.flows import Flow
from flowtrail_collector.sagas.model.occurrences import SETTLE_MS, settlement, tally
from flowtrail_collector.sagas.model.plain import is_plain, plain_settlement, plain_steps
from flowtrail_collector.sagas.model.seen import Mark, Seen, earliest
from flowtrail_collector.sagas.model.steps import StepProgress, Steps, StepState, asked_ms

__all__ = ["SETTLE_MS", "Mark", "Outcome", "Progress", "SagaEvents", "StepProgress", "StepState", "add_event",
           "asked_ms", "assess", "completed_ms"]  # fmt: skip

SagaEvents = dict[int, Mark]
"""An instance's events by the hash of source, id and type."""


class Outcome(StrEnum):
    """How an instance stands."""

    OPEN = "open"
    COMPLETED = "completed"
    COMPENSATED = "compensated"
    """Cancelled, and whatever had been done and can be undone was undone, as often as it had been done."""
    FAILED = "failed"
    """Cancelled before any step was done that would have to be undone."""
    TIMED_OUT = "timed_out"
    """Still open when the flow's own time was over. Only the sweep says so, never the events."""
    RETIRED = "retired"
    """Open when its flow left the flow file; should that come back, it is open again."""


# Asked of its class, a member costs six times as much, and this is asked with every event.
_OPEN, _COMPLETED = Outcome.OPEN, Outcome.COMPLETED


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
        restarts: When its start happened again, ascending.
        owed_ids: Of the steps in `not_undone` that have ids, which of them should have been undone.
    """

    started_ms: int | None
    outcome: Outcome
    ended_ms: int | None
    steps: tuple[StepProgress, ...]
    conflict: bool = False
    not_undone: tuple[str, ...] = ()
    cancelled_ms: int | None = None
    owed_ids: Mapping[str, tuple[str, ...]] = {}
    restarts: tuple[int, ...] = ()


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
    seen = Seen(events)
    progress = _assess(flow, events, seen)
    if progress.started_ms is None or (seen.once and len(flow.starts) == 1):
        return progress
    starts = seen.moments(flow.starts)
    return progress._replace(restarts=tuple(starts[1:])) if len(starts) > 1 else progress


def _assess(flow: Flow, events: Mapping[int, Mark], seen: Seen) -> Progress:
    first = seen.first
    started = earliest(first, flow.starts)
    completed = completed_ms(flow, seen)
    cancelled = earliest(first, flow.ending)
    if flow.failing_together:
        moments = (cancelled, failed_for_good_ms(flow, seen))
        cancelled = min((moment for moment in moments if moment is not None), default=None)
    ended = completed is not None or cancelled is not None
    plain = is_plain(flow, events, seen)
    steps = (
        plain_steps(flow, first, started, ended=ended)
        if plain
        else Steps(flow, seen, started, ended=ended).all()
    )
    if cancelled is None:
        outcome = _OPEN if completed is None else _COMPLETED
        return Progress(started, outcome, completed, steps)
    over = plain_settlement(flow, first, cancelled) if plain and seen.once else None
    if over is None:
        over = settlement(flow, events, cancelled)
    # Whichever end comes first counts: nothing that is read later can change it.
    if completed is not None and (over.ended_ms is None or completed <= over.ended_ms):
        owed = tuple(over.owed)
        return Progress(started, Outcome.COMPLETED, completed, steps, True, owed, cancelled, over.ids)
    conflict = completed is not None
    if over.ended_ms is None:
        owed = tuple(over.owed)
        return Progress(started, Outcome.OPEN, None, steps, conflict, owed, cancelled, over.ids)
    outcome = Outcome.COMPENSATED if over.undone else Outcome.FAILED
    return Progress(started, outcome, over.ended_ms, steps, conflict, (), cancelled)


def completed_ms(flow: Flow, seen: Seen) -> int | None:
    """When an instance completed; where that takes several events of a step, with the last of them."""
    if not flow.counted:
        return earliest(seen.first, flow.completes)
    several = {kind for step in flow.counted for kind in step.done}
    moments = [earliest(seen.first, tuple(kind for kind in flow.completes if kind not in several))]
    moments += [tally(step, seen).done_ms for step in flow.counted]
    return min((moment for moment in moments if moment is not None), default=None)
