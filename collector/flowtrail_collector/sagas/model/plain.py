"""How the steps of a plain instance stand and what it owes: the common case, without an account for each step.

An instance is plain if nothing of it has to be counted: each step takes one event, has no alternatives, no turn
anew, and at most one occurrence to be taken back. What is said here of it is what `steps` and `occurrences`
would say.
"""

from __future__ import annotations

from collections.abc import Mapping

from flowtrail_collector.sagas.model.flows import Flow, Step
from flowtrail_collector.sagas.model.occurrences import SETTLE_MS, Settlement
from flowtrail_collector.sagas.model.seen import Mark, Seen, earliest
from flowtrail_collector.sagas.model.steps import StepProgress, StepState, not_done, turn_of

__all__ = ["is_plain", "plain_settlement", "plain_steps"]

# Asked of its class, a member costs six times as much; here that is once for each step of each event.
_DONE, _UNDONE = StepState.DONE, StepState.UNDONE


def is_plain(flow: Flow, events: Mapping[int, Mark], seen: Seen) -> bool:
    """Whether nothing of the instance has to be counted."""
    if not flow.plain or not (seen.once or flow.undoing.isdisjoint(seen.first)):
        return False
    if flow.renewing.isdisjoint(seen.first):
        return True
    if not flow.again_types.isdisjoint(seen.first):
        return False
    failed = min(moment for kind, moment in seen.first.items() if kind in flow.renewing)
    # Only what brings a step's turn after one has failed can bring it anew.
    return not any(mark[0] > failed and mark[1] in flow.turning for mark in events.values())


def plain_steps(
    flow: Flow, first: Mapping[str, int], started: int | None, *, ended: bool
) -> tuple[StepProgress, ...]:
    """What `Steps.all` says of a plain instance.

    Args:
        flow: What is said of the steps.
        first: When each type was seen.
        started: When the instance started.
        ended: Whether an end was seen, so that nobody waits any more.
    """
    passed: dict[str, int | None] = {}
    items = []
    for step in flow.steps:
        since = turn_of(step, passed, started) if step.after else started
        done = first.get(step.done[0]) if len(step.done) == 1 else earliest(first, step.done)
        undone = first.get(step.undone[0]) if step.undone else None
        if undone is not None and (done is None or undone < done):
            done, undone = undone, None if _done_again(done, undone) else undone
        passed[step.name] = since if step.optional else done
        deadline = None if since is None or step.within_ms is None else since + step.within_ms
        if done is not None:
            state = _DONE if undone is None else _UNDONE
            items.append(StepProgress(step, state, since, done, deadline, undone))
            continue
        failed = earliest(first, step.failed) if step.failed else None
        called_for = None if failed is None else _called_for(flow, step, since, failed)
        items.append(not_done(step, since, deadline, failed, called_for, ended=ended))
    return tuple(items)


def plain_settlement(flow: Flow, first: Mapping[str, int], cancelled_ms: int) -> Settlement | None:
    """What `settlement` says of a plain instance; None where that takes more than a look at each step.

    Args:
        flow: What is said of the steps.
        first: When each type was seen, which was once.
        cancelled_ms: When the instance was cancelled.
    """
    ended_ms = cancelled_ms
    taken_back: list[int] = []
    owed: dict[str, int] = {}
    for step in flow.undoable:
        done, undone = first.get(step.done[0]), first.get(step.undone[0])
        if undone is not None:
            taken_back.append(undone)
        if done is None:
            continue
        if done > cancelled_ms or (undone is not None and undone < done):
            return None
        if undone is None:
            owed[step.name] = 1
        elif undone > ended_ms:
            ended_ms = undone
    if owed:
        return Settlement(None, bool(taken_back), owed)
    return Settlement(ended_ms, bool(taken_back) and min(taken_back) <= ended_ms, {})


def _done_again(done: int | None, undone: int) -> bool:
    """Whether a step was done so long after it was taken back that another taking back belongs to it."""
    return done is not None and done > undone + SETTLE_MS


def _called_for(flow: Flow, step: Step, since: int | None, failed: int) -> int | None:
    """Since when the cancellation, or another round, should follow a failed step; None if neither has to."""
    if since is None or step.optional or not (flow.cancels or step.name in flow.again):
        return None
    return max(since, failed)
