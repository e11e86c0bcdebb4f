"""Deadlines of an instance that were missed, each to be counted once, whenever somebody looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.model.assessment import Progress, StepProgress, assess
from flowtrail_collector.sagas.model.flows import Flow
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lateness import Lateness, missed

__all__ = ["as_of", "look_for_late", "uncounted"]


def as_of(flow: Flow, saga: SagaRecord, progress: Progress, until_ms: int) -> Progress:
    """How an instance stood at a moment: what came later may, or may not, have been read yet."""
    if _newest_ms(saga) <= until_ms:
        return progress
    return assess(flow, {unique: mark for unique, mark in saga.events.items() if mark[0] <= until_ms})


def _newest_ms(saga: SagaRecord) -> int:
    """Time of the newest event; a mark begins with its time."""
    return max(saga.events.values())[0] if saga.events else 0


def look_for_late(
    flow: Flow,
    saga: SagaRecord,
    progress: Progress,
    until_ms: int,
    counts: Counter[CountKey],
    now: Sequence[StepProgress] = (),
) -> None:
    """Count the steps that were not done by their deadline, of the deadlines before `until_ms`.

    Args:
        progress: Of everything up to `until_ms`.
        now: Of everything that was read: which of the steps are late.
    """
    # Where a step's turn came anew, what was missed in the round before can't be told from how it stands now.
    turning_points = _turning_points(flow, saga, until_ms)
    if not (saga.breached or turning_points or _due(progress.steps, until_ms) or _due(now, until_ms)):
        return
    lateness = Lateness(saga.breached)
    for moment in turning_points:
        _count_breaches(flow, lateness, as_of(flow, saga, progress, moment - 1), moment, counts)
    _count_breaches(flow, lateness, progress, until_ms, counts)
    lateness.look(now, until_ms)
    saga.breached = lateness.words()


def _due(items: Sequence[StepProgress], until_ms: int) -> bool:
    """Whether any limit lay before `until_ms`, kept or not."""
    for item in items:
        deadline_ms, due_ms = item.deadline_ms, item.due_ms
        if deadline_ms is not None and deadline_ms < until_ms:
            return True
        if due_ms is not None and due_ms < until_ms:
            return True
    return False


def _count_breaches(
    flow: Flow, lateness: Lateness, progress: Progress, until_ms: int, counts: Counter[CountKey]
) -> None:
    if progress.cancelled_ms is not None:
        until_ms = min(until_ms, progress.cancelled_ms)  # from then on nobody has to do anything but undo
    for item in progress.steps:
        if missed(item, until_ms) and lateness.count(item):
            counts["saga_deadline_breaches", (flow.name, item.step.name)] += 1


def _turning_points(flow: Flow, saga: SagaRecord, until_ms: int) -> list[int]:
    """Moments up to `until_ms` at which a step's turn may have come anew, ascending."""
    since: int | None = None
    for mark in saga.events.values():
        if mark[1] in flow.renewing and (since is None or mark[0] < since):
            since = mark[0]
    if since is None:
        return []
    found = {mark[0] for mark in saga.events.values() if mark[1] in flow.turning}
    return sorted(moment for moment in found if since <= moment <= until_ms)


def uncounted(flow: Flow, saga: SagaRecord, progress: Progress) -> list[int]:
    """Deadlines that were missed before anybody looked, and have still to be counted."""
    found = _missed_behind(saga, progress, None)
    if any(item.round_ms for item in progress.steps):
        for moment in _turning_points(flow, saga, _newest_ms(saga)):
            found += _missed_behind(saga, as_of(flow, saga, progress, moment - 1), moment)
    return found


def _missed_behind(saga: SagaRecord, progress: Progress, until_ms: int | None) -> list[int]:
    """Those of steps that nobody waits for any more."""
    found = []
    for item in progress.steps:
        over_ms = until_ms if item.until_ms is None else item.until_ms
        if over_ms is None:
            over_ms = progress.cancelled_ms
        if over_ms is None or item.deadline_ms is None or item.deadline_ms >= over_ms:
            continue
        if progress.cancelled_ms is not None and item.deadline_ms >= progress.cancelled_ms:
            continue
        if not item.step.optional and not Lateness(saga.breached).counted(item):
            found.append(item.deadline_ms)
    return found
