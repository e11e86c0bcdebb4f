"""What the events of instances that didn't complete mean: failed, taken back, cancelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowtrail_collector.sagas.learning.histories import History
from flowtrail_collector.sagas.learning.steps import MainStep

__all__ = ["Branches", "sort_branches"]

_NEARLY_ALL = 0.95
_MOST = 0.5


@dataclass(frozen=True, slots=True)
class Branches:
    """Types of instances that didn't complete.

    Attributes:
        failed: By the step that could not be done.
        undone: By the step that was taken back.
        cancels: What ends the flow otherwise than well.
        unplaced: What fits nowhere.
    """

    failed: Mapping[MainStep, tuple[str, ...]]
    undone: Mapping[MainStep, tuple[str, ...]]
    cancels: tuple[str, ...] = ()
    unplaced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Branch:
    kind: str
    source: str | None
    causes: Counter[str]
    histories: Sequence[History]

    @property
    def cause(self) -> str | None:
        return self.causes.most_common(1)[0][0] if self.causes else None


def sort_branches(
    start: str,
    steps: Sequence[MainStep],
    completed: Sequence[History],
    broken: Sequence[History],
    kinds: frozenset[str],
) -> Branches:
    """Say of each branch type what it is, as far as it can be told."""
    failed: dict[MainStep, tuple[str, ...]] = {}
    undone: dict[MainStep, tuple[str, ...]] = {}
    cancels: list[str] = []
    unplaced: list[str] = []
    starter = Counter(history.start.source for history in completed).most_common(1)[0][0]
    for branch in (_branch(kind, broken) for kind in sorted(kinds)):
        covers = len(branch.histories) >= _MOST * len(broken)
        if (step := _failed(branch, steps, completed)) is not None:
            failed[step] = (*failed.get(step, ()), branch.kind)
        elif covers and starter is not None and branch.source == starter:
            cancels.append(branch.kind)
        elif (step := _undone(branch, steps)) is not None:
            undone[step] = (*undone.get(step, ()), branch.kind)
        elif covers and (branch.cause is None or branch.cause in kinds):
            cancels.append(branch.kind)
        else:
            unplaced.append(branch.kind)
    return Branches(failed, undone, tuple(cancels), tuple(unplaced))


def _branch(kind: str, broken: Sequence[History]) -> _Branch:
    histories = [history for history in broken if kind in history.times]
    sources = Counter(event.source for h in histories for event in h.events if event.type == kind)
    causes = Counter(h.causes[kind][0] for h in histories if kind in h.causes)
    return _Branch(kind, sources.most_common(1)[0][0], causes, histories)


def _failed(branch: _Branch, steps: Sequence[MainStep], completed: Sequence[History]) -> MainStep | None:
    """The step that its source should have done and didn't, when it was that step's turn."""
    for step in steps:
        if step.source != branch.source or not _share(step, branch, done=False):
            continue
        if branch.cause is not None:
            if branch.cause in _causes_of(step, completed):
                return step
        elif all(_share(earlier, branch, done=True) for earlier in step.after):
            return step
    return None


def _undone(branch: _Branch, steps: Sequence[MainStep]) -> MainStep | None:
    """The last step that its source had done."""
    for step in reversed(steps):
        if step.source == branch.source and _share(step, branch, done=True):
            return step
    return None


def _share(step: MainStep, branch: _Branch, *, done: bool) -> bool:
    """Whether the step was done, or not done, nearly everywhere before the branch was taken."""
    hits = 0
    for history in branch.histories:
        moment = step.done_ms(history)
        hits += (moment is not None and moment <= history.times[branch.kind]) is done
    return hits >= _NEARLY_ALL * len(branch.histories)


def _causes_of(step: MainStep, completed: Sequence[History]) -> set[str]:
    return {h.causes[kind][0] for h in completed for kind in step.types if kind in h.causes}
