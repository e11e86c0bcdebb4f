"""A saga instance: the events of one flow that carry one correlation id.

The state of an instance is nothing but the set of its distinct events. A union of sets doesn't care about
order or repetition, so neither does the saga: `merge` is associative, commutative and idempotent. Whatever
is said of an instance (`assess`) is a function of that set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

from flowtrail_collector.domain.flows import Flow, Step

__all__ = ["SETTLE_MS", "Mark", "Outcome", "Progress", "SagaEvents", "StepProgress", "StepState", "add_event",
           "assess", "id_hash", "merge"]  # fmt: skip

Mark = tuple[int, str, int]
"""(record timestamp in milliseconds since the epoch, event type, hash of the causing event's id or 0).

The record's timestamp rather than the event's own time: it says when others could know of it. An event that
lay in an outbox for an hour was an hour late for everybody else."""

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


class StepState(StrEnum):
    """How a step stands."""

    WAITING = "waiting"
    """Its turn hasn't come."""
    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"


class StepProgress(NamedTuple):
    """How one step of an instance stands. Times are milliseconds since the epoch.

    Attributes:
        step: What the flow file says of it.
        state: How it stands.
        since_ms: When its turn came.
        until_ms: When it was done or failed.
        deadline_ms: By when it should be done; None if there is no limit or its turn hasn't come.
        undone_ms: When it was taken back.
    """

    step: Step
    state: StepState
    since_ms: int | None = None
    until_ms: int | None = None
    deadline_ms: int | None = None
    undone_ms: int | None = None


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

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Names of the steps whose turn it is."""
        return tuple(item.step.name for item in self.steps if item.state is StepState.OPEN)


def id_hash(text: str) -> int:
    """64 bits of an id, signed; 0 is left for "none"."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1


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


def merge(one: Mapping[int, Mark], other: Mapping[int, Mark]) -> SagaEvents:
    """The union of two views of an instance."""
    merged = dict(one)
    for event, mark in other.items():
        add_event(merged, event, mark)
    return merged


def assess(flow: Flow, events: Mapping[int, Mark]) -> Progress:
    """What the events say of an instance of `flow`."""
    first = _first_times(events)
    started = _earliest(first, flow.starts)
    completed = _earliest(first, flow.completes)
    cancelled = _earliest(first, flow.ending)
    steps = _steps(flow, first, started, ended=completed is not None or cancelled is not None)
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
    # What was done only after the end is late: it doesn't open the instance again.
    done = [
        item
        for item in steps
        if item.state in (StepState.DONE, StepState.UNDONE) and (item.until_ms or 0) <= cancelled + SETTLE_MS
    ]
    not_undone = tuple(i.step.name for i in done if i.state is StepState.DONE and i.step.undone)
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


def _earliest(first: Mapping[str, int], types: tuple[str, ...]) -> int | None:
    if len(types) == 1:  # nearly always; this is called for every step of every event
        return first.get(types[0])
    earliest = None
    for kind in types:
        moment = first.get(kind)
        if moment is not None and (earliest is None or moment < earliest):
            earliest = moment
    return earliest


def _steps(
    flow: Flow, first: Mapping[str, int], started: int | None, *, ended: bool
) -> tuple[StepProgress, ...]:
    finished = {step.name: _earliest(first, step.done) for step in flow.steps}
    return tuple([_step(step, first, finished, started, ended) for step in flow.steps])


def _step(
    step: Step,
    first: Mapping[str, int],
    finished: Mapping[str, int | None],
    started: int | None,
    ended: bool,
) -> StepProgress:
    since = _turn(step, finished, started)
    deadline = None if since is None or step.within_ms is None else since + step.within_ms
    done = finished[step.name]
    undone = _earliest(first, step.undone) if step.undone else None
    if undone is not None:
        # By its taking back, too, it is known to have been done; whichever shows first.
        until = undone if done is None else min(done, undone)
        return StepProgress(step, StepState.UNDONE, since, until, deadline, undone)
    if done is not None:
        return StepProgress(step, StepState.DONE, since, done, deadline)
    failed = _earliest(first, step.failed) if step.failed else None
    if failed is not None:
        return StepProgress(step, StepState.FAILED, since, failed, deadline)
    waits = since is not None and not ended and not step.optional
    return StepProgress(step, StepState.OPEN if waits else StepState.WAITING, since, None, deadline)


def _turn(step: Step, finished: Mapping[str, int | None], started: int | None) -> int | None:
    """When the step's turn came: with the start, or when the last of the steps before it was done."""
    if not step.after:
        return started
    latest: int | None = None
    for name in step.after:
        moment = finished[name]
        if moment is None:
            return None
        if latest is None or moment > latest:
            latest = moment
    return latest
