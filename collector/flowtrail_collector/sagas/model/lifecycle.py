"""What happens to a kept instance: events are added, time decides, and each change is counted once.

The events alone decide how an instance stands; what has been counted once stays counted. Whatever depends on
what has *not* been read (an end that no earlier end precedes, a missed deadline) is declared only when the
watermark has passed it: an event of another topic, read a moment later, may still show otherwise. So every
counter comes out the same in whatever order, and in whatever portions, the events were read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial

from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.model.assessment import (
    Outcome,
    Progress,
    StepProgress,
    StepState,
    assess,
    completed_ms,
)
from flowtrail_collector.sagas.model.deadlines import as_of, look_for_late, uncounted
from flowtrail_collector.sagas.model.flows import Flow
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lateness import Lateness, renamed
from flowtrail_collector.sagas.model.recurrence import end_of, follows_at, parted
from flowtrail_collector.sagas.model.seen import Seen

__all__ = [
    "DURATION_BUCKETS_SECONDS",
    "bring_up_to_date",
    "observe",
    "settle",
    "step_durations",
]

_NOT_DONE = (StepState.FAILED, StepState.SKIPPED)
# Asked of its class with every event, a member would cost six times as much.
_OPEN, _FAILED = Outcome.OPEN, StepState.FAILED

DURATION_BUCKETS_SECONDS = (
    0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400, 604_800,
)  # fmt: skip
_BOUNDS = (*map(str, DURATION_BUCKETS_SECONDS), "+Inf")
_bucket = partial(bisect_left, [bound * 1000 for bound in DURATION_BUCKETS_SECONDS])


def bring_up_to_date(flow: Flow, saga: SagaRecord, counts: Counter[CountKey]) -> Progress:
    """Let an instance say what its events say; count what no other event can take back."""
    progress, _ = _bring(flow, saga, counts)
    if saga.breached:
        lateness = Lateness(saga.breached)
        lateness.keep(progress.steps)
        saga.breached = lateness.words()
    _look_again(flow, saga, progress)
    return progress


def settle(flow: Flow, saga: SagaRecord, watermark_ms: int, counts: Counter[CountKey]) -> list[SagaRecord]:
    """Declare what time has decided: ends, missed deadlines, time-outs, and that another instance follows.

    Args:
        flow: What is said of the instance.
        saga: The newest instance under its key; changed, and it may become the one that follows it.
        watermark_ms: Everything written until then has been read.
        counts: Added to.

    Returns:
        Instances that have ended and are followed by another one, the oldest first.
    """
    known_ms = watermark_ms - flow.settling_ms  # earlier than this, nothing new will show
    earlier: list[SagaRecord] = []
    while (follows_ms := _settle(flow, saga, known_ms, counts)) is not None and follows_ms < known_ms:
        earlier.append(parted(saga, follows_ms))
    return earlier


def _settle(flow: Flow, saga: SagaRecord, known_ms: int, counts: Counter[CountKey]) -> int | None:
    """Declare what is known of one instance; returns when the next one begins, if this one has ended."""
    progress, follows_ms = _bring(flow, saga, counts)
    ended_ms = saga.ended_ms
    if saga.outcome is _OPEN and saga.started_ms is not None:
        outcome, ended_ms = end_of(flow, saga.started_ms, progress)
        if ended_ms is not None and ended_ms < known_ms:
            then = as_of(flow, saga, progress, ended_ms)
            look_for_late(flow, saga, then, ended_ms, counts)
            if saga.started_ms < known_ms:  # clocks may put an end before its start
                _finish(flow, saga, then, outcome, ended_ms, counts)
        else:
            then = as_of(flow, saga, progress, known_ms)
            look_for_late(flow, saga, then, known_ms, counts, progress.steps)
    own_ms = known_ms if follows_ms is None else min(known_ms, follows_ms - 1)
    _count_restarts(flow, saga, progress, own_ms if ended_ms is None else min(own_ms, ended_ms), counts)
    if saga.outcome in (Outcome.OPEN, Outcome.RETIRED):
        follows_ms = None
    else:
        _count_behind(flow, saga, own_ms, counts)
    _look_again(flow, saga, progress)
    return follows_ms


def _bring(flow: Flow, saga: SagaRecord, counts: Counter[CountKey]) -> tuple[Progress, int | None]:
    """What an instance's own events say, and when the next one begins."""
    progress, follows_ms = assess(flow, saga.events), None
    if progress.restarts:
        follows_ms = follows_at(flow, saga, progress)
        progress = progress if follows_ms is None else as_of(flow, saga, progress, follows_ms - 1)
    if saga.started_ms is None and progress.started_ms is not None:
        counts["saga_started", (flow.name,)] += 1
    # A start that was counted stays one, whatever a changed flow file calls a start.
    saga.started_ms = saga.started_ms if progress.started_ms is None else progress.started_ms
    saga.not_undone = bool(progress.not_undone)
    if saga.breached and flow.renamed:
        saga.breached = renamed(saga.breached, flow.renamed)
    return progress, follows_ms


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
    _count_conflict(flow, saga, progress, counts)
    if outcome is Outcome.TIMED_OUT:
        if progress.cancelled_ms is not None and progress.cancelled_ms <= ended_ms:
            # Had everything been undone in time, it would have ended by its events.
            counts["saga_incomplete_compensations", (flow.name,)] += 1
        return
    observe("saga_duration_seconds", labels, [ended_ms - (saga.started_ms or 0)], counts)
    for item, took_ms in step_durations(progress, ended_ms):
        observe("saga_step_duration_seconds", (flow.name, item.step.name), [took_ms], counts)


def step_durations(progress: Progress, ended_ms: int) -> Iterator[tuple[StepProgress, int]]:
    """The steps that an ended instance's histogram of steps counts, with how many milliseconds each took."""
    for item in progress.steps:
        since_ms, until_ms = item.since_ms, item.until_ms
        # What was done before the end, in its turn; what came later may not be known yet.
        if since_ms is None or until_ms is None or until_ms > ended_ms or since_ms > ended_ms:
            continue
        if item.state not in _NOT_DONE:
            yield item, max(0, until_ms - since_ms)


def _count_conflict(flow: Flow, saga: SagaRecord, progress: Progress, counts: Counter[CountKey]) -> None:
    if progress.conflict and not saga.conflict:
        saga.conflict = True
        counts["saga_conflicts", (flow.name,)] += 1


def _count_restarts(
    flow: Flow, saga: SagaRecord, progress: Progress, over_ms: int, counts: Counter[CountKey]
) -> None:
    """Count the starts before the end that were not the first."""
    more = sum(at <= over_ms for at in progress.restarts) - saga.repeated_starts
    if more > 0:
        saga.repeated_starts += more
        counts["saga_repeated_starts", (flow.name,)] += more


def _count_behind(flow: Flow, saga: SagaRecord, own_ms: int, counts: Counter[CountKey]) -> None:
    """Count what came after an end, and before the next instance: late events, and what they say of the end."""
    ended_ms = saga.ended_ms or 0
    more = sum(ended_ms < mark[0] <= own_ms for mark in saga.events.values()) - saga.late_events
    if more <= 0:
        return
    saga.late_events += more
    counts["saga_late_events", (flow.name,)] += more
    events = {unique: mark for unique, mark in saga.events.items() if mark[0] <= own_ms}
    _count_conflict(flow, saga, assess(flow, events), counts)
    # A timed out instance that completed at all did so too late.
    late = saga.outcome is Outcome.TIMED_OUT and not saga.completed_late
    if late and completed_ms(flow, Seen(events)) is not None:
        saga.completed_late = True
        counts["saga_late_completions", (flow.name,)] += 1


def _look_again(flow: Flow, saga: SagaRecord, progress: Progress) -> None:
    """Note what an open instance waits for, and when the sweep should look at it next."""
    if saga.outcome is not _OPEN:
        saga.waiting_since_ms = None
        saga.waiting = ()
        saga.next_deadline_ms = _behind_at(flow, saga)
        return
    waiting, moments, since_ms, behind = [], [], None, False
    cancelled_ms, breached = progress.cancelled_ms, saga.breached
    # Asked with every event: taken apart, a step costs a third of asking it.
    for step, state, turn_ms, until_ms, deadline_ms, _, waits, due_ms, round_ms, _ in progress.steps:
        if waits:
            waiting.append(step.name)
            moment = until_ms if state is _FAILED else turn_ms
            if since_ms is None or (moment is not None and moment < since_ms):
                since_ms = moment
            if due_ms is not None and step.name not in breached:
                moments.append(due_ms)
        over_ms = cancelled_ms if until_ms is None else until_ms
        if round_ms or (over_ms is not None and deadline_ms is not None and deadline_ms < over_ms):
            behind = True
    saga.waiting, saga.waiting_since_ms = tuple(waiting), since_ms
    if saga.started_ms is None:
        # A partial instance has nothing to wait for: its deadlines count from a start that was never seen.
        saga.next_deadline_ms = None
        return
    if behind:
        moments += uncounted(flow, saga, progress)
    _, ended_ms = end_of(flow, saga.started_ms, progress)
    if ended_ms is not None:
        moments.append(max(ended_ms, saga.started_ms))
    if len(progress.restarts) > saga.repeated_starts:
        moments.append(progress.restarts[saga.repeated_starts])
    saga.next_deadline_ms = min(moments) + flow.settling_ms + 1 if moments else None


def _behind_at(flow: Flow, saga: SagaRecord) -> int | None:
    """When what came after an end can be counted, or parted from it."""
    if saga.outcome is Outcome.RETIRED or saga.ended_ms is None or saga.updated_ms <= saga.ended_ms:
        return None
    behind = sorted(mark[0] for mark in saga.events.values() if mark[0] > saga.ended_ms)
    return behind[saga.late_events] + flow.settling_ms + 1 if len(behind) > saga.late_events else None


def observe(name: str, labels: tuple[str, ...], took_ms: Sequence[int], counts: Counter[CountKey]) -> None:
    """Observations of a histogram, kept as counters: its buckets (not cumulative), `_sum`, `_count`."""
    buckets, total, number = _histogram(name, labels)
    spans = took_ms if min(took_ms) >= 0 else [max(span, 0) for span in took_ms]  # clocks may disagree
    places = map(_bucket, spans)
    found = dict.fromkeys(places, 1) if len(spans) == 1 else Counter(places)  # one, for most that call this
    for place, several in found.items():
        counts[buckets[place]] += several
    counts[number] += len(spans)
    counts[total] += sum(spans) / 1000  # type: ignore[assignment]


@lru_cache(maxsize=1_000)  # made anew with every observation, its keys would cost more than counting
def _histogram(name: str, labels: tuple[str, ...]) -> tuple[tuple[CountKey, ...], CountKey, CountKey]:
    """Under which keys a histogram is counted: its buckets, its sum, its number."""
    buckets = tuple((f"{name}_bucket", (*labels, bound)) for bound in _BOUNDS)
    return buckets, (f"{name}_sum", labels), (f"{name}_count", labels)
