"""Why instances are stuck, by cause: one for each flow, step, and reason that lies in the instance itself.

How the group is that a step waits for is no part of a cause: it is alike for all instances that wait for it, and may
be another one a minute later. So a cause keeps its name for as long as there are instances of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from flowtrail_collector.causes import fingerprint, trend_of
from flowtrail_collector.sagas.model.view import SagaRow, SagaView, StepView

__all__ = ["LATE", "STATES", "TIMED_OUT", "Shape", "StuckCause", "Wait", "held_up_by", "merged"]

LATE, TIMED_OUT = "late", "timed_out"
STATES = (LATE, TIMED_OUT)
"""Past the deadline of a step and still open; ended by its flow's own time, within the last day."""


class Wait(StrEnum):
    """What an instance waits for at a step."""

    DONE = "done"
    """That the step is done."""
    ASKED = "asked"
    """That somebody asks for it."""
    CANCELLED = "cancelled"
    """The step failed, and the cancellation that should follow hasn't come."""
    CHILDREN = "children"
    """Instances of another flow."""
    UNDONE = "undone"
    """It was cancelled, and what was done has still to be taken back."""
    NOTHING = "nothing"
    """Every step is done, and what completes the flow hasn't come."""


class Shape(NamedTuple):
    """Instances that are alike in all that the store can tell apart. Times are milliseconds since the epoch.

    Attributes:
        state: One of `STATES`.
        flow: Name of the flow.
        step: The late step; empty where an instance has to be looked at for that.
        size: Bytes that their events take up, 0 where that tells nothing: nearly always it stands for one history.
        letter: The cause of the dead letter that holds them up, if one does; empty for one whose cause isn't known.
        instances: How many there are.
        first_ms: Since when the first of them is late, or when it timed out.
        last_ms: The same of the last one.
        half_hour: How many of them became so within the last 30 minutes.
        half_hour_before: How many within the 30 minutes before.
        hour_before: How many within the hour before that.
        lately_ms: When the first of those within the last 30 minutes did; None if there are none.
        key: Of the last one.
    """

    state: str
    flow: str
    step: str
    size: int
    letter: str | None
    instances: int
    first_ms: int
    last_ms: int
    half_hour: int
    half_hour_before: int
    hour_before: int
    lately_ms: int | None
    key: str


class StuckCause(NamedTuple):
    """Instances that are stuck for one cause; for what isn't told here see `Shape`.

    Attributes:
        cause: Its fingerprint.
        wait: What they wait for at the step.
        sizes: Those of their shapes.
        example: The last one.
    """

    cause: str
    state: str
    flow: str
    step: str
    wait: Wait
    letter: str | None
    sizes: frozenset[int]
    instances: int
    first_ms: int
    last_ms: int
    half_hour: int
    half_hour_before: int
    hour_before: int
    lately_ms: int | None
    example: SagaRow

    @property
    def last_hour(self) -> int:
        """How many became so within the last hour."""
        return self.half_hour + self.half_hour_before

    @property
    def trend(self) -> str:
        """See `trend_of`."""
        return trend_of(self.last_hour, self.hour_before)

    @property
    def step_view(self) -> StepView | None:
        """The step as it is in the example."""
        return next((step for step in self.example.saga.steps if step.name == self.step), None)


def held_up_by(saga: SagaView, step: str) -> tuple[str, Wait]:
    """The step that an instance is stuck at, and what it waits for there.

    Args:
        saga: The instance.
        step: The late step; empty for the first one that it waits for.
    """
    if step:
        found = next((each for each in saga.steps if each.name == step), None)
        return step, Wait.DONE if found is None else _wait(found)
    for each in saga.steps:
        if each.state == "open" or each.uncancelled:
            return each.name, _wait(each)
    owed = next((each.name for each in saga.steps if each.undo), None)
    return (owed, Wait.UNDONE) if owed is not None else ("", Wait.NOTHING)


def _wait(step: StepView) -> Wait:
    if step.uncancelled:
        return Wait.CANCELLED
    if step.children:
        return Wait.CHILDREN
    return Wait.ASKED if step.asked is False else Wait.DONE


def merged(shapes: Iterable[tuple[Shape, SagaRow]]) -> list[StuckCause]:
    """Shapes of one cause put together, the cause of the instance that was last to be stuck first.

    Args:
        shapes: Each with an instance of it. In whatever order they come, the result is the same.
    """
    found: dict[str, StuckCause] = {}
    for shape, example in shapes:
        cause = _cause_of(shape, example)
        known = found.get(cause.cause)
        found[cause.cause] = cause if known is None else _together(known, cause)
    return sorted(found.values(), key=lambda cause: (-cause.last_ms, cause.cause))


def _cause_of(shape: Shape, example: SagaRow) -> StuckCause:
    step, wait = held_up_by(example.saga, shape.step)
    name = fingerprint(shape.state, shape.flow, step, wait.value, shape.letter)
    return StuckCause(
        name, shape.state, shape.flow, step, wait, shape.letter, frozenset((shape.size,)), shape.instances,
        shape.first_ms, shape.last_ms, shape.half_hour, shape.half_hour_before, shape.hour_before, shape.lately_ms,
        example,
    )  # fmt: skip


def _together(one: StuckCause, other: StuckCause) -> StuckCause:
    newer = max(one, other, key=lambda cause: (cause.last_ms, cause.example.saga.key))
    return newer._replace(
        sizes=one.sizes | other.sizes,
        instances=one.instances + other.instances,
        first_ms=min(one.first_ms, other.first_ms),
        half_hour=one.half_hour + other.half_hour,
        half_hour_before=one.half_hour_before + other.half_hour_before,
        hour_before=one.hour_before + other.hour_before,
        lately_ms=min((at for at in (one.lately_ms, other.lately_ms) if at is not None), default=None),
    )
