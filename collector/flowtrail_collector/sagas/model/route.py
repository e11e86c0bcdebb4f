"""The way of a flow from its start to its end: its steps as a graph, and where one instance stands in it.

A step and its alternatives are one stage: whichever is done, the flow goes on from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flowtrail_collector.sagas.model.assessment import Mark, Progress
from flowtrail_collector.sagas.model.flows import Flow
from flowtrail_collector.sagas.model.rounds import first_turn_ms
from flowtrail_collector.sagas.model.steps import StepProgress, StepState

__all__ = ["Ahead", "Route", "Stage", "Standing", "Waiting", "standing_of"]


class Stage(NamedTuple):
    """A step, together with what may be done instead of it.

    Attributes:
        name: Of the step.
        members: Names of the step and its alternatives.
        after: Stages that come before it.
        optional: Nobody waits for it.
        completes: Its being done ends the flow well.
    """

    name: str
    members: tuple[str, ...]
    after: tuple[str, ...]
    optional: bool
    completes: bool


class Route:
    """The stages of a flow.

    Args:
        flow: The flow.

    Attributes:
        stages: In the order of the flow file, which has none before those that it comes after.
        stage_of: For each step, the name of its stage.
        places: Of each stage, its place among them.
        limits: Of each stage, how long it may take, in ms; None for no limit.
        shape: The same for two flows only if times that were taken in one say something of the other.
    """

    def __init__(self, flow: Flow) -> None:
        self.stage_of = {step.name: step.instead_of or step.name for step in flow.steps}
        ends = set(flow.completes)
        stages = []
        for step in flow.steps:
            if step.instead_of:
                continue
            group = flow.alternatives.get(step.name, (step,))
            after = tuple(dict.fromkeys(self.stage_of[name] for name in step.after))
            completes = any(not ends.isdisjoint(member.done) for member in group)
            members = tuple(member.name for member in group)
            stages.append(Stage(step.name, members, after, step.optional, completes))
        self.stages = tuple(stages)
        self.limits = {stage.name: _limit(flow, stage) for stage in stages}
        self.places = {stage.name: place for place, stage in enumerate(stages)}
        self.shape = hashlib.sha256(repr((flow.starts, stages, flow.completes)).encode()).hexdigest()[:16]

    def ahead(self, done: Mapping[str, int], begun: Mapping[str, int], started_ms: int) -> Ahead:
        """What lies ahead of an instance.

        Args:
            done: Stages that are done, and when.
            begun: Of those whose turn it is: since when.
            started_ms: When the instance started.
        """
        passed: list[int | None] = []
        todo: list[_Todo] = []
        finishes = [done[stage.name] for stage in self.stages if stage.completes and stage.name in done]
        done_last = max(done.values(), default=started_ms)
        for place, stage in enumerate(self.stages):
            after = [self.places[name] for name in stage.after]
            turn = begun.get(stage.name)
            if turn is None:
                turn = latest([started_ms, *(passed[before] for before in after)])
            passed.append(turn if stage.optional else done.get(stage.name))
            if stage.name not in done:
                todo.append(_Todo(place, turn, after, stage.optional, stage.completes))
        return Ahead(passed, todo, min(finishes, default=None), done_last)


def _limit(flow: Flow, stage: Stage) -> int | None:
    """None of the alternatives is late before all are."""
    spans = [step.within_ms for step in flow.steps if step.name in stage.members]
    return None if None in spans else max(span for span in spans if span is not None)


class _Todo(NamedTuple):
    place: int
    turn: int | None
    after: Sequence[int]
    optional: bool
    completes: bool


class Ahead(NamedTuple):
    """The stages that are not done yet.

    Attributes:
        passed: Of each stage, since when it holds up nobody; None if it still does.
        todo: The stages, in their order.
        completed_ms: When a stage was done that completes the flow.
        last_ms: When the last stage was done until now.
    """

    passed: Sequence[int | None]
    todo: Sequence[_Todo]
    completed_ms: int | None
    last_ms: int

    def end_ms(self, took: Sequence[int | None]) -> int:
        """When the last stage is done: that which completes the flow, where one does.

        Args:
            took: How long each stage takes from its turn, None for never.
        """
        passed = list(self.passed)
        ends, last = self.completed_ms, self.last_ms
        for place, begun_ms, after, optional, completes in self.todo:
            turn = latest([passed[before] for before in after]) if begun_ms is None else begun_ms
            if turn is None:
                continue
            if optional:
                passed[place] = turn
            span = took[place]
            if span is None:
                continue
            finish = turn + span
            if not optional:
                passed[place] = finish
            if finish > last:
                last = finish
            if completes and (ends is None or finish < ends):
                ends = finish
        return last if ends is None else ends


def latest(moments: Sequence[int | None]) -> int | None:
    """The last of some moments; None if one of them hasn't come."""
    return None if None in moments else max(moments)  # type: ignore[type-var]


class Waiting(NamedTuple):
    """A stage whose turn it is.

    Attributes:
        stage: Its name.
        since_ms: Since when, in this round.
        first_ms: Since when, in the first round.
        step: The step that is waited for.
        due_ms: By when it should be done.
    """

    stage: str
    since_ms: int
    first_ms: int
    step: str
    due_ms: int | None


class Standing(NamedTuple):
    """Where an instance stands on its route.

    Attributes:
        started_ms: When it started.
        done: Stages that are done, and when.
        via: For each of them, the step that was done.
        waiting: Those whose turn it is.
        remaining: Steps that are still to be done, the next ones first.
        cancelled_ms: When it was cancelled.
        uncancelled: A step failed, and its cancellation hasn't come.
    """

    started_ms: int
    done: Mapping[str, int]
    via: Mapping[str, str]
    waiting: Sequence[Waiting]
    remaining: tuple[str, ...]
    cancelled_ms: int | None = None
    uncancelled: bool = False


def standing_of(flow: Flow, route: Route, events: Mapping[int, Mark], progress: Progress) -> Standing | None:
    """Where an instance stands; None if its start was not seen.

    Args:
        flow: Its flow.
        route: Of the flow.
        events: Its events.
        progress: What they say of it.
    """
    if progress.started_ms is None:
        return None
    done: dict[str, int] = {}
    via: dict[str, str] = {}
    waiting: dict[str, Waiting] = {}
    ahead: dict[str, str] = {}
    for item in progress.steps:
        stage, name = route.stage_of[item.step.name], item.step.name
        if item.state in (StepState.DONE, StepState.UNDONE) and item.until_ms is not None:
            if stage not in done or item.until_ms < done[stage]:
                done[stage], via[stage] = item.until_ms, name
        elif _goes_on(flow, item) and item.since_ms is not None and stage not in waiting:
            # What failed and may have its turn anew is waited for like what was never tried.
            due_ms = item.due_ms if item.state is StepState.OPEN else None
            first_ms = first_turn_ms(flow, events, item)
            waiting[stage] = Waiting(stage, item.since_ms, first_ms, name, due_ms)
        elif item.state is StepState.WAITING and not item.step.optional and not item.step.instead_of:
            ahead[stage] = name
    open_ones = {stage: item for stage, item in waiting.items() if stage not in done}
    remaining = [item.step for item in open_ones.values()]
    remaining += [name for stage, name in ahead.items() if stage not in done and stage not in open_ones]
    return Standing(
        progress.started_ms,
        done,
        via,
        tuple(open_ones.values()),
        progress.not_undone if progress.cancelled_ms is not None else tuple(remaining),
        progress.cancelled_ms,
        any(item.waits and not _goes_on(flow, item) for item in progress.steps),
    )


def _goes_on(flow: Flow, item: StepProgress) -> bool:
    """Whether a step that is waited for can still be done."""
    return item.waits and (item.state is StepState.OPEN or item.step.name in flow.again)
