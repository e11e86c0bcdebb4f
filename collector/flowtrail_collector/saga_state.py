"""Bringing a kept instance up to date with its events, and counting what changed.

The events alone decide how an instance stands; what has been counted once stays counted. A cancelled instance
is ended only when the watermark has passed its last event (`settle`): until then an event of another topic,
read a moment later, may still show that there was something to undo.
"""

from __future__ import annotations

from collections import Counter

from flowtrail_collector.domain.flows import Flow
from flowtrail_collector.domain.sagas import SETTLE_MS, Outcome, Progress, StepProgress, StepState, assess
from flowtrail_collector.ports.store import SagaRecord

__all__ = ["DURATION_BUCKETS_SECONDS", "CountKey", "bring_up_to_date", "settle"]

CountKey = tuple[str, tuple[str, ...]]
"""(metric name without prefix and `_total`, label values)."""

DURATION_BUCKETS_SECONDS = (
    0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400, 604_800,
)  # fmt: skip


def bring_up_to_date(flow: Flow, saga: SagaRecord, counts: Counter[CountKey]) -> Progress:
    """Let an instance say what its events say; count a start and an undisputed completion, once each."""
    progress = assess(flow, saga.events)
    if saga.started_ms is None and progress.started_ms is not None:
        counts["saga_started", (flow.name,)] += 1
    saga.started_ms = progress.started_ms
    if progress.conflict and not saga.conflict:
        saga.conflict = True
        counts["saga_conflicts", (flow.name,)] += 1
    saga.not_undone = bool(progress.not_undone)
    if saga.outcome is Outcome.TIMED_OUT:
        _count_late_completion(flow, saga, progress, counts)
    elif progress.outcome is Outcome.COMPLETED and not progress.cancelled:
        _finish(flow, saga, progress, counts)
    _look_again(flow, saga, progress)
    return progress


def settle(flow: Flow, saga: SagaRecord, watermark_ms: int, counts: Counter[CountKey]) -> None:
    """Declare what time has decided: cancellations, missed deadlines, time-outs.

    Args:
        watermark_ms: Everything written until then has been read.
    """
    progress = bring_up_to_date(flow, saga, counts)
    if saga.outcome is Outcome.OPEN and saga.started_ms is not None:
        if progress.ended_ms is not None and progress.ended_ms + SETTLE_MS <= watermark_ms:
            _finish(flow, saga, progress, counts)
        elif _over(flow, saga, watermark_ms):
            _time_out(flow, saga, progress, counts)
        else:
            _count_breaches(flow, saga, progress, watermark_ms, counts)
    _look_again(flow, saga, progress)


def _over(flow: Flow, saga: SagaRecord, moment_ms: int) -> bool:
    return flow.within_ms is not None and (saga.started_ms or 0) + flow.within_ms < moment_ms


def _finish(flow: Flow, saga: SagaRecord, progress: Progress, counts: Counter[CountKey]) -> None:
    """End an instance as its events say, unless its own time was over by then."""
    if saga.outcome is not Outcome.OPEN or saga.started_ms is None or progress.ended_ms is None:
        return
    if _over(flow, saga, progress.ended_ms):
        _time_out(flow, saga, progress, counts)
        _count_late_completion(flow, saga, progress, counts)
    else:
        _end(flow, saga, progress, counts)


def _count_late_completion(
    flow: Flow, saga: SagaRecord, progress: Progress, counts: Counter[CountKey]
) -> None:
    if progress.outcome is Outcome.COMPLETED and not saga.completed_late:
        saga.completed_late = True
        counts["saga_late_completions", (flow.name,)] += 1


def _end(flow: Flow, saga: SagaRecord, progress: Progress, counts: Counter[CountKey]) -> None:
    saga.outcome, saga.ended_ms = progress.outcome, progress.ended_ms
    labels = (flow.name, progress.outcome.value)
    counts["saga_ended", labels] += 1
    _observe("saga_duration_seconds", labels, (progress.ended_ms or 0) - (saga.started_ms or 0), counts)
    for item in progress.steps:
        if item.since_ms is not None and item.until_ms is not None and item.state is not StepState.FAILED:
            _observe("saga_step_duration_seconds", (flow.name, item.step.name), _took(item), counts)


def _took(item: StepProgress) -> int:
    return (item.until_ms or 0) - (item.since_ms or 0)


def _time_out(flow: Flow, saga: SagaRecord, progress: Progress, counts: Counter[CountKey]) -> None:
    if progress.not_undone:
        counts["saga_incomplete_compensations", (flow.name,)] += 1
    saga.outcome = Outcome.TIMED_OUT
    saga.ended_ms = (saga.started_ms or 0) + (flow.within_ms or 0)
    counts["saga_ended", (flow.name, Outcome.TIMED_OUT.value)] += 1


def _count_breaches(
    flow: Flow, saga: SagaRecord, progress: Progress, watermark_ms: int, counts: Counter[CountKey]
) -> None:
    for item in progress.steps:
        name = item.step.name
        missed = item.deadline_ms is not None and item.deadline_ms <= watermark_ms
        if item.state is StepState.OPEN and missed and name not in saga.breached:
            saga.breached = (*saga.breached, name)
            counts["saga_deadline_breaches", (flow.name, name)] += 1


def _look_again(flow: Flow, saga: SagaRecord, progress: Progress) -> None:
    """Note what an open instance waits for, and when the sweep should look at it next."""
    if saga.outcome is not Outcome.OPEN:
        saga.next_deadline_ms = saga.waiting_since_ms = None
        saga.waiting = ()
        return
    open_steps = [item for item in progress.steps if item.state is StepState.OPEN]
    saga.waiting = tuple(item.step.name for item in open_steps)
    saga.waiting_since_ms = min((i.since_ms for i in open_steps if i.since_ms is not None), default=None)
    moments = [i.deadline_ms for i in open_steps if i.step.name not in saga.breached]
    if progress.ended_ms is not None:
        moments.append(progress.ended_ms + SETTLE_MS)
    if saga.started_ms is not None and flow.within_ms is not None:
        moments.append(saga.started_ms + flow.within_ms + 1)
    # A partial instance has nothing to wait for: its deadlines count from a start that was never seen.
    known = [moment for moment in moments if moment is not None]
    saga.next_deadline_ms = min(known, default=None) if saga.started_ms is not None else None


def _observe(name: str, labels: tuple[str, ...], took_ms: int, counts: Counter[CountKey]) -> None:
    """One observation of a histogram, kept as counters: its buckets (not cumulative), `_sum`, `_count`."""
    seconds = max(took_ms, 0) / 1000
    bound = next((str(bound) for bound in DURATION_BUCKETS_SECONDS if seconds <= bound), "+Inf")
    counts[f"{name}_bucket", (*labels, bound)] += 1
    counts[f"{name}_count", labels] += 1
    counts[f"{name}_sum", labels] += seconds  # type: ignore[assignment]
