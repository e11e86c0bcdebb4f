"""Instances and flows, as lists and trails show them."""

from __future__ import annotations

from dataclasses import dataclass

from flowtrail_collector.dead_letters.model.letter import DeadLetter


@dataclass(frozen=True, slots=True)
class SagaView:
    """A saga instance. `outcome` is `open` until it ended; `reason` says why it doesn't move."""

    flow: str
    key: str
    outcome: str = "open"
    started_ms: int | None = None
    ended_ms: int | None = None
    partial: bool = False
    steps: tuple[StepView, ...] = ()
    reason: str | None = None
    correlation_id: str | None = None


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


@dataclass(frozen=True, slots=True)
class SagaFilter:
    """Which sagas; None or False filters nothing.

    Attributes:
        flow: Name of the flow.
        outcome: `open` or how it ended.
        step: A step that is open.
        stuck: Only those past the deadline of a step.
        limit: At most so many.
        offset: Skip so many.
    """

    flow: str | None = None
    outcome: str | None = None
    step: str | None = None
    stuck: bool = False
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class SagaRow:
    """A saga instance in a list, with the pending dead letters of its flow if it is stuck."""

    saga: SagaView
    stuck: bool
    correlation_id: str | None = None
    dead_letters: tuple[DeadLetter, ...] = ()


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
