"""What happens to a kept instance: events are added, time decides, and each change is counted once.

The events alone decide how an instance stands; what has been counted once stays counted. Whatever depends on
what has *not* been read (an end that no earlier end precedes, a missed deadline) is declared only when the
watermark has passed it: an event of another topic, read a moment later, may still show otherwise. So every
counter comes out the same in whatever order, and in whatever portions, the events were read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from flowtrail_collector.events.identity import IdHashes
from flowtrail_collector.events.model import EventRow
from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.model.assessment import (
    SETTLE_MS,
    Outcome,
    Progress,
    StepProgress,
    StepState,
    add_event,
    assess,
    completed_ms,
)
from flowtrail_collector.sagas.model.flows import Flow
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lateness import Lateness, missed, renamed
from flowtrail_collector.sagas.model.occurrences import Seen

__all__ = [
    "DURATION_BUCKETS_SECONDS",
    "bring_up_to_date",
    "reopen",
    "retire",
    "settle",
    "step_durations",
    "take_in",
]

_NOT_DONE = (StepState.FAILED, StepState.SKIPPED)


DURATION_BUCKETS_SECONDS = (
    0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400, 604_800,
)  # fmt: skip


def take_in(
    saga: SagaRecord, event: EventRow, hashes: IdHashes, counts: Counter[CountKey], now_ms: int
) -> None:
    """Add an event to an instance; count one that was there, comes after its effect, or after the end.

    Args:
        saga: The instance; changed.
        event: One of its events.
        hashes: Of the batch.
        counts: Added to.
        now_ms: By this machine's clock.
    """
    reopen(saga)
    own = hashes[event.event_id]
    cause = hashes[event.causation_id] if event.causation_id else 0
    # A timestamp from the future would keep the instance open until then.
    moment = min(event.timestamp_ms or now_ms, now_ms)
    effect_known = False
    for mark in saga.events.values():
        if mark[2] == own:
            effect_known = True
            break
    if not add_event(saga.events, hashes.of_event(event), (moment, event.type, cause)):
        counts["saga_duplicate_events", (saga.flow,)] += 1
        return
    if effect_known:
        counts["saga_out_of_order_events", (saga.flow,)] += 1
    if saga.outcome is not Outcome.OPEN and saga.ended_ms is not None and moment > saga.ended_ms:
        counts["saga_late_events", (saga.flow,)] += 1
    saga.updated_ms = max(saga.updated_ms, moment)
    saga.subject = saga.subject or event.subject


def retire(saga: SagaRecord, watermark_ms: int) -> None:
    """Let an open instance rest whose flow has left the flow file."""
    if saga.outcome is Outcome.OPEN:
        saga.outcome, saga.ended_ms = Outcome.RETIRED, watermark_ms
        saga.next_deadline_ms = saga.waiting_since_ms = None
        saga.waiting = ()


def reopen(saga: SagaRecord) -> None:
    """Take up an instance again that was retired, as its flow is back."""
    if saga.outcome is Outcome.RETIRED:
        saga.outcome, saga.ended_ms = Outcome.OPEN, None


def bring_up_to_date(flow: Flow, saga: SagaRecord, counts: Counter[CountKey]) -> Progress:
    """Let an instance say what its events say; count what no other event can take back."""
    progress = _bring(flow, saga, counts)
    if saga.breached:
        lateness = Lateness(saga.breached)
        lateness.keep(progress.steps)
        saga.breached = lateness.words()
    _look_again(flow, saga, progress)
    return progress


def settle(flow: Flow, saga: SagaRecord, watermark_ms: int, counts: Counter[CountKey]) -> None:
    """Declare what time has decided: ends, missed deadlines, time-outs.

    Args:
        watermark_ms: Everything written until then has been read.
    """
    progress = _bring(flow, saga, counts)
    if saga.outcome is Outcome.OPEN and saga.started_ms is not None:
        known_ms = watermark_ms - SETTLE_MS  # earlier than this, nothing new will show
        outcome, ended_ms = _end(flow, saga.started_ms, progress)
        if ended_ms is not None and ended_ms < known_ms:
            then = _as_of(flow, saga, progress, ended_ms)
            _look_for_late(flow, saga, then, ended_ms, counts)
            _finish(flow, saga, then, outcome, ended_ms, counts)
        else:
            then = _as_of(flow, saga, progress, known_ms)
            _look_for_late(flow, saga, then, known_ms, counts, progress.steps)
    _look_again(flow, saga, progress)


def _bring(flow: Flow, saga: SagaRecord, counts: Counter[CountKey]) -> Progress:
    progress = assess(flow, saga.events)
    if saga.started_ms is None and progress.started_ms is not None:
        counts["saga_started", (flow.name,)] += 1
    # A start that was counted stays one, whatever a changed flow file calls a start.
    saga.started_ms = saga.started_ms if progress.started_ms is None else progress.started_ms
    if progress.conflict and not saga.conflict:
        saga.conflict = True
        counts["saga_conflicts", (flow.name,)] += 1
    saga.not_undone = bool(progress.not_undone)
    if saga.breached and flow.renamed:
        saga.breached = renamed(saga.breached, flow.renamed)
    if saga.outcome is Outcome.TIMED_OUT:
        _count_late_completion(flow, saga, counts)
    return progress


def _as_of(flow: Flow, saga: SagaRecord, progress: Progress, until_ms: int) -> Progress:
    """How an instance stood at a moment: what came later may, or may not, have been read yet."""
    if _newest_ms(saga) <= until_ms:
        return progress
    return assess(flow, {unique: mark for unique, mark in saga.events.items() if mark[0] <= until_ms})


def _newest_ms(saga: SagaRecord) -> int:
    """Time of the newest event; a mark begins with its time."""
    return max(saga.events.values())[0] if saga.events else 0


def _end(flow: Flow, started_ms: int, progress: Progress) -> tuple[Outcome, int | None]:
    """How and when an instance ends: as its events say, unless its own time was over by then."""
    if flow.within_ms is not None:
        over_ms = started_ms + flow.within_ms
        if progress.ended_ms is None or progress.ended_ms > over_ms:
            return Outcome.TIMED_OUT, over_ms
    return progress.outcome, progress.ended_ms


def _finish(
    flow: Flow,
    saga: SagaRecord,
    progress: Progress,
    outcome: Outcome,
    ended_ms: int,
    counts: Counter[CountKey],
) -> None:
    saga.outcome, saga.ended_ms = outcome, ended_ms
    labels = (flow.name, outcome.value)
    counts["saga_ended", labels] += 1
    if _newest_ms(saga) > ended_ms:
        counts["saga_late_events", (flow.name,)] += sum(m[0] > ended_ms for m in saga.events.values())
    if outcome is Outcome.TIMED_OUT:
        if progress.cancelled_ms is not None and progress.cancelled_ms <= ended_ms:
            # Had everything been undone in time, it would have ended by its events.
            counts["saga_incomplete_compensations", (flow.name,)] += 1
        _count_late_completion(flow, saga, counts)
        return
    _observe("saga_duration_seconds", labels, ended_ms - (saga.started_ms or 0), counts)
    for item, took_ms in step_durations(progress, ended_ms):
        _observe("saga_step_duration_seconds", (flow.name, item.step.name), took_ms, counts)


def step_durations(progress: Progress, ended_ms: int) -> Iterator[tuple[StepProgress, int]]:
    """The steps that an ended instance's histogram of steps counts, with how many milliseconds each took."""
    for item in progress.steps:
        if _took_part(item, ended_ms):
            yield item, max(0, (item.until_ms or 0) - (item.since_ms or 0))


def _took_part(item: StepProgress, ended_ms: int) -> bool:
    """Whether a step had its turn and was done before the end; what came later may not be known yet."""
    if item.since_ms is None or item.until_ms is None or item.state in _NOT_DONE:
        return False
    return item.until_ms <= ended_ms and item.since_ms <= ended_ms


def _count_late_completion(flow: Flow, saga: SagaRecord, counts: Counter[CountKey]) -> None:
    """A timed out instance that completed at all did so too late."""
    if not saga.completed_late and completed_ms(flow, Seen(saga.events)) is not None:
        saga.completed_late = True
        counts["saga_late_completions", (flow.name,)] += 1


def _look_for_late(
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
        _count_breaches(flow, lateness, _as_of(flow, saga, progress, moment - 1), moment, counts)
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
    """Moments before `until_ms` at which a step's turn may have come anew, ascending."""
    since: int | None = None
    for mark in saga.events.values():
        if mark[1] in flow.renewing and (since is None or mark[0] < since):
            since = mark[0]
    if since is None:
        return []
    found = {mark[0] for mark in saga.events.values() if mark[1] in flow.turning}
    return sorted(moment for moment in found if since <= moment < until_ms)


def _look_again(flow: Flow, saga: SagaRecord, progress: Progress) -> None:
    """Note what an open instance waits for, and when the sweep should look at it next."""
    if saga.outcome is not Outcome.OPEN:
        saga.next_deadline_ms = saga.waiting_since_ms = None
        saga.waiting = ()
        return
    open_steps = [item for item in progress.steps if item.waits]
    saga.waiting = tuple([item.step.name for item in open_steps])
    moments = [moment for item in open_steps if (moment := item.waits_since_ms) is not None]
    saga.waiting_since_ms = min(moments) if moments else None
    if saga.started_ms is None:
        # A partial instance has nothing to wait for: its deadlines count from a start that was never seen.
        saga.next_deadline_ms = None
        return
    moments = [
        item.due_ms for item in open_steps if item.due_ms is not None and item.step.name not in saga.breached
    ]
    _, ended_ms = _end(flow, saga.started_ms, progress)
    if ended_ms is not None:
        moments.append(ended_ms)
    saga.next_deadline_ms = min(moments) + SETTLE_MS + 1 if moments else None


def _observe(name: str, labels: tuple[str, ...], took_ms: int, counts: Counter[CountKey]) -> None:
    """One observation of a histogram, kept as counters: its buckets (not cumulative), `_sum`, `_count`."""
    seconds = max(took_ms, 0) / 1000
    bound = next((str(bound) for bound in DURATION_BUCKETS_SECONDS if seconds <= bound), "+Inf")
    counts[f"{name}_bucket", (*labels, bound)] += 1
    counts[f"{name}_count", labels] += 1
    counts[f"{name}_sum", labels] += seconds  # type: ignore[assignment]
