"""What is remembered of an instance that ended, to tell how long others like it will take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from flowtrail_collector.sagas.model.assessment import Outcome, assess
from flowtrail_collector.sagas.model.flows import Flow
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.rounds import first_turn_ms
from flowtrail_collector.sagas.model.route import Route
from flowtrail_collector.sagas.model.steps import StepProgress, StepState

__all__ = ["History", "history_of"]


@dataclass(frozen=True, slots=True)
class History:
    """How an instance went. Spans of time are milliseconds.

    Attributes:
        completed: It ended well.
        ended_ms: When it ended, ms since the epoch.
        took: For each stage that was done (where it wasn't: that failed), how long after its first turn.
        again: The same after its last turn, of stages that had their turn anew.
        waited: How long the others whose turn had come had waited when it ended.
        via: Of stages with alternatives: the step that was done.
        closing: From the last stage to the end.
        undoing: From its cancellation to its end, if it was compensated.
    """

    completed: bool
    ended_ms: int
    took: Mapping[str, int]
    again: Mapping[str, int] = field(default_factory=dict)
    waited: Mapping[str, int] = field(default_factory=dict)
    via: Mapping[str, str] = field(default_factory=dict)
    closing: int = 0
    undoing: int | None = None

    def lasted(self, stage: str) -> int | None:
        """How long a stage was waited for after its last turn, whatever came of it; None if it had none."""
        return self.again.get(stage, self.took.get(stage, self.waited.get(stage)))

    def text(self) -> str:
        """As it is kept."""
        rest = {"took": self.took, "again": self.again, "waited": self.waited, "via": self.via}
        kept: dict[str, object] = {name: dict(value) for name, value in rest.items() if value}
        if self.closing:
            kept["closing"] = self.closing
        if self.undoing is not None:
            kept["undoing"] = self.undoing
        return json.dumps(kept, separators=(",", ":"))

    @classmethod
    def read(cls, completed: bool, ended_ms: int, text: str) -> History:
        """What `text` wrote."""
        kept = {"took": {}, **json.loads(text)}
        return cls(completed, ended_ms, **kept)


def history_of(flow: Flow, route: Route, saga: SagaRecord) -> History | None:
    """What is remembered of an instance that ended; None if it hasn't, or its start was not seen.

    Args:
        flow: Its flow.
        route: Of the flow.
        saga: The instance.
    """
    outcome, ended_ms = saga.outcome, saga.ended_ms
    if ended_ms is None or outcome in (Outcome.OPEN, Outcome.RETIRED):
        return None
    events = {unique: mark for unique, mark in saga.events.items() if mark[0] <= ended_ms}
    progress = assess(flow, events)
    if progress.started_ms is None:
        return None
    completed = outcome is Outcome.COMPLETED
    took: dict[str, int] = {}
    again: dict[str, int] = {}
    waited: dict[str, int] = {}
    via: dict[str, str] = {}
    for item in progress.steps:
        stage = route.stage_of[item.step.name]
        if item.since_ms is None or item.since_ms > ended_ms:
            continue
        first_ms = first_turn_ms(flow, events, item) if item.round_ms else item.since_ms
        if not _answered(item, ended_ms, completed=completed):
            waited[stage] = max(0, ended_ms - first_ms)
            continue
        until_ms = item.until_ms or 0
        if stage not in took or until_ms - first_ms < took[stage]:
            took[stage] = max(0, until_ms - first_ms)
            if item.round_ms:
                again[stage] = max(0, until_ms - item.since_ms)
        if item.step.name in flow.alternatives and item.state in (StepState.DONE, StepState.UNDONE):
            via[stage] = item.step.name
    waited = {stage: span for stage, span in waited.items() if stage not in took}
    ahead = route.ahead({}, {}, progress.started_ms)
    last_ms = ahead.end_ms([took.get(stage.name) for stage in route.stages])
    undoing = None
    if outcome is Outcome.COMPENSATED and progress.cancelled_ms is not None:
        undoing = max(0, ended_ms - progress.cancelled_ms)
    closing = ended_ms - last_ms if completed else 0
    return History(completed, ended_ms, took, again, waited, via, closing, undoing)


def _answered(item: StepProgress, ended_ms: int, *, completed: bool) -> bool:
    """Whether a step was done before the end, or, where it didn't end well, failed."""
    if item.until_ms is None or item.until_ms > ended_ms:
        return False
    return item.state is not StepState.FAILED or not completed
