"""Instances and flows as lists and trails show them: each step, what it waits for, and who should move it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.sagas.model.assessment import (
    Mark,
    Outcome,
    Progress,
    StepProgress,
    StepState,
    asked_ms,
)
from flowtrail_collector.sagas.model.filters import SagaPlace
from flowtrail_collector.sagas.model.flows import Correlate, Flow, OwnerOf, Step
from flowtrail_collector.sagas.model.forecast import Forecast
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.occurrences import settlement
from flowtrail_collector.sagas.model.recurrence import own_events, stand
from flowtrail_collector.sagas.model.rounds import earlier_rounds

__all__ = [
    "STATES",
    "ChildView",
    "FlowRow",
    "FlowStepRow",
    "ForecastOf",
    "RoundView",
    "SagaRow",
    "SagaView",
    "StepView",
    "flow_row",
    "saga_view",
]

PARTIAL = "partial"
STATES = (Outcome.OPEN.value, PARTIAL, *(outcome.value for outcome in Outcome if outcome is not Outcome.OPEN))
"""What lists and counts tell apart: an open instance whose start was never seen is none of the open ones."""
_MOST_IDS = 20

ForecastOf = Callable[[SagaRecord, Progress], Forecast | None]
"""What comes next in an instance, and when, by what its events say."""


@dataclass(frozen=True, slots=True)
class SagaView:
    """A saga instance.

    `outcome` is `open` until it ended; `reason` says why it doesn't move; `forecast` what comes next, and when;
    `instance` counts those that followed each other under its key, from 1; `repeated_starts` its starts after the
    first one.
    """

    flow: str
    key: str
    outcome: str = "open"
    started_ms: int | None = None
    ended_ms: int | None = None
    partial: bool = False
    steps: tuple[StepView, ...] = ()
    reason: str | None = None
    correlation_id: str | None = None
    instance: int = 1
    repeated_starts: int = 0
    forecast: Forecast | None = None

    @property
    def state(self) -> str:
        """One of `STATES`."""
        return PARTIAL if self.partial and self.outcome == Outcome.OPEN else self.outcome


@dataclass(frozen=True, slots=True)
class RoundView:
    """An earlier round of a step: how it stood when the next one began.

    Attributes:
        state: As in `StepView`.
        since_ms: When its turn came.
        until_ms: When it was done, or failed; None if neither.
    """

    state: str
    since_ms: int | None
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class StepView:
    """A step of a saga.

    Attributes:
        name: As in the flow file.
        state: `done`, `failed`, `undone`, `skipped` (another was done instead), `open` (its turn has come), or
            `waiting` (it hasn't).
        expects: Event types that would end it.
        by: The group that should move it, if the flow file says.
        deadline_ms: By when, None if the flow file doesn't say or it can't be known yet.
        late: Its deadline has passed, and everything written until then has been read.
        since_ms: When its turn came, or, if it should be undone, when the saga was cancelled.
        optional: The saga goes on without it.
        undo: Event types that would take it back, where the saga was cancelled and that hasn't happened yet.
        uncancelled: It failed, and the cancellation that should follow hasn't come: that is what it expects.
        owed: Which ids should be taken back, where its events have ids; at most 20.
        so_far: How often it was done, where that isn't once.
        times: How often it takes; None beside `so_far` if no event has said so yet.
        asked: Whether it was asked for, where a command has to; until then that is what it expects.
        children: Instances of another flow that it waits for and that haven't ended well; at most 20, those that
            need attention first.
        until_ms: When it was done, or failed.
        rounds: Earlier rounds, the first one first.
        owed_times: How often it has still to be undone, where the saga was cancelled.
    """

    name: str
    state: str
    expects: tuple[str, ...] = ()
    by: str | None = None
    deadline_ms: int | None = None
    late: bool = False
    since_ms: int | None = None
    optional: bool = False
    undo: tuple[str, ...] = ()
    uncancelled: bool = False
    owed: tuple[str, ...] = ()
    so_far: int | None = None
    times: int | None = None
    children: tuple[ChildView, ...] = ()
    until_ms: int | None = None
    rounds: tuple[RoundView, ...] = ()
    owed_times: int = 0
    asked: bool | None = None


@dataclass(frozen=True, slots=True)
class ChildView:
    """An instance that a step of another one waits for, with the pending dead letters of its flow if it is stuck."""

    saga: SagaView
    stuck: bool
    dead_letters: tuple[DeadLetter, ...] = ()


@dataclass(frozen=True, slots=True)
class SagaRow:
    """A saga instance in a list, at its place, with the pending dead letters of its flow if it is stuck."""

    saga: SagaView
    stuck: bool
    correlation_id: str | None = None
    dead_letters: tuple[DeadLetter, ...] = ()
    place: SagaPlace = (0, 0, "", "")


@dataclass(frozen=True, slots=True)
class FlowRow:
    """A flow with how many instances are in which state."""

    name: str
    starts: tuple[str, ...]
    completes: tuple[str, ...]
    cancels: tuple[str, ...]
    within_seconds: float | None
    steps: tuple[FlowStepRow, ...]
    instances: dict[str, int]


@dataclass(frozen=True, slots=True)
class FlowStepRow:
    """A step as the flow file says."""

    name: str
    done: tuple[str, ...]
    failed: tuple[str, ...]
    undone: tuple[str, ...]
    by: str | None
    within_seconds: float | None


def saga_view(
    flow: Flow | None,
    record: SagaRecord,
    owner_of: OwnerOf,
    forecast_of: ForecastOf = lambda record, progress: None,
) -> SagaView:
    """An instance as lists and trails show it.

    Args:
        flow: Its flow; None if that has left the flow file: then there are no steps to tell.
        record: The instance.
        owner_of: Who should do a step.
        forecast_of: What comes next.
    """
    progress = None if flow is None else stand(flow, record)
    return SagaView(
        flow=record.flow,
        key=record.subject or record.key,
        outcome=record.outcome.value,
        started_ms=record.started_ms,
        ended_ms=record.ended_ms,
        partial=record.partial,
        correlation_id=_correlation_of(flow, record),
        steps=() if flow is None or progress is None else _steps(flow, record, progress, owner_of),
        forecast=None if progress is None else forecast_of(record, progress),
        instance=record.instance,
        repeated_starts=0 if progress is None else len(progress.restarts),
    )


def flow_row(flow: Flow, instances: dict[str, int]) -> FlowRow:
    """A flow with how many instances are in which state."""
    return FlowRow(
        name=flow.name,
        starts=flow.starts,
        completes=flow.completes,
        cancels=flow.cancels,
        within_seconds=_seconds(flow.within_ms),
        steps=tuple(
            FlowStepRow(step.name, step.done, step.failed, step.undone, step.by, _seconds(step.within_ms))
            for step in flow.steps
        ),
        instances=instances,
    )


def _correlation_of(flow: Flow | None, record: SagaRecord) -> str | None:
    """An instance's correlation id, where that is what its events have in common."""
    return record.key if flow is None or flow.correlate is Correlate.CORRELATION else None


def _steps(flow: Flow, record: SagaRecord, progress: Progress, owner_of: OwnerOf) -> tuple[StepView, ...]:
    owed: Mapping[str, int] = {}
    events = own_events(flow, record)
    if progress.not_undone and progress.cancelled_ms is not None:
        owed = settlement(flow, events, progress.cancelled_ms).owed
    return tuple(
        replace(
            _step(flow, record, progress, item, owner_of),
            rounds=_rounds(flow, events, item) if item.round_ms else (),
            owed_times=owed.get(item.step.name, 0),
        )
        for item in progress.steps
    )


def _rounds(flow: Flow, events: Mapping[int, Mark], item: StepProgress) -> tuple[RoundView, ...]:
    return tuple(
        RoundView(earlier.state.value, earlier.since_ms, earlier.until_ms)
        for earlier in earlier_rounds(flow, events, item)
    )


def _step(
    flow: Flow, record: SagaRecord, progress: Progress, item: StepProgress, owner_of: OwnerOf
) -> StepView:
    step = item.step
    uncancelled = item.waits and item.state is StepState.FAILED
    asked = asked_ms(item, record.events) if step.asks else None
    # Whoever should do it can't before somebody asks.
    unasked = bool(step.asks) and asked is None and item.waits and not uncancelled
    return StepView(
        name=step.name,
        state=item.state.value,
        expects=step.asks if unasked else _expects(flow, step, uncancelled),
        by=None if uncancelled else owner_of(step.asking if unasked else step),
        deadline_ms=item.due_ms if uncancelled else item.deadline_ms,
        late=step.name in record.late,
        since_ms=progress.cancelled_ms if step.name in progress.not_undone else _since(item, asked),
        optional=step.optional,
        undo=step.undone if step.name in progress.not_undone else (),
        uncancelled=uncancelled,
        owed=progress.owed_ids.get(step.name, ())[:_MOST_IDS],
        so_far=None if item.tally is None else item.tally.so_far,
        times=None if item.tally is None else item.tally.times,
        until_ms=item.until_ms,
        asked=asked is not None if step.asks else None,
    )


def _since(item: StepProgress, asked: int | None) -> int | None:
    """Since when there is something to wait for: an answer, since it was asked for."""
    since = item.waits_since_ms
    return since if since is None or asked is None or item.state is StepState.FAILED else max(since, asked)


def _expects(flow: Flow, step: Step, uncancelled: bool) -> tuple[str, ...]:
    if uncancelled:
        return (*flow.cancels, *flow.again.get(step.name, ()))
    return (*step.done, *step.failed)


def _seconds(span_ms: int | None) -> float | None:
    return None if span_ms is None else span_ms / 1000
