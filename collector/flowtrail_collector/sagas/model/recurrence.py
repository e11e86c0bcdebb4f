"""Instances of a flow that follow each other under one key: a start after the end is a new instance.

What counts is the time of the events. An instance has those up to the first start that comes after its end, and
after its own first start; what comes from then on belongs to the next one. A start before that is a repeated one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowtrail_collector.sagas.model.assessment import Outcome, Progress, SagaEvents, assess
from flowtrail_collector.sagas.model.flows import Flow
from flowtrail_collector.sagas.model.instance import SagaRecord

__all__ = ["MOST_EARLIER", "end_of", "follows_at", "instance_of", "own_events", "parted", "stand"]

MOST_EARLIER = 16
"""In so many instances before the newest an event finds its place, or its copy."""


def end_of(flow: Flow, started_ms: int, progress: Progress) -> tuple[Outcome, int | None]:
    """How and when an instance ends: as its events say, unless its own time was over by then."""
    if flow.within_ms is not None:
        over_ms = started_ms + flow.within_ms
        if progress.ended_ms is None or progress.ended_ms > over_ms:
            return Outcome.TIMED_OUT, over_ms
    return progress.outcome, progress.ended_ms


def follows_at(flow: Flow, saga: SagaRecord, progress: Progress) -> int | None:
    """When the next instance begins, as far as it is among the events of this one; None if there is none.

    Args:
        flow: What is said of the instance.
        saga: The instance.
        progress: What all of its events say.
    """
    if not progress.restarts or progress.started_ms is None or saga.followed:
        return None
    is_open = saga.outcome in (Outcome.OPEN, Outcome.RETIRED)
    restarts, started_ms, ended_ms = progress.restarts, progress.started_ms, saga.ended_ms
    if is_open:
        _, ended_ms = end_of(flow, started_ms, progress)
    while ended_ms is not None:
        over_ms = max(ended_ms, started_ms)  # clocks may put an end before its start
        follows_ms = next((at for at in restarts if at > over_ms), None)
        if follows_ms is None or not is_open:
            return follows_ms
        # What the next one does within the second after a cancellation is nothing that this one owes.
        own = {unique: mark for unique, mark in saga.events.items() if mark[0] < follows_ms}
        before_ms = ended_ms
        _, ended_ms = end_of(flow, started_ms, assess(flow, own))
        if ended_ms == before_ms:
            return follows_ms
    return None


def stand(flow: Flow, saga: SagaRecord) -> Progress:
    """What an instance's own events say, without those of one that follows it."""
    progress = assess(flow, saga.events)
    if not progress.restarts:
        return progress
    return assess(flow, own_events(flow, saga, progress))


def own_events(flow: Flow, saga: SagaRecord, progress: Progress | None = None) -> SagaEvents:
    """An instance's events without those of one that follows it.

    Args:
        flow: What is said of the instance.
        saga: The instance.
        progress: What all of its events say, if that is known.
    """
    follows_ms = follows_at(flow, saga, progress or assess(flow, saga.events))
    if follows_ms is None:
        return saga.events
    return {unique: mark for unique, mark in saga.events.items() if mark[0] < follows_ms}


def parted(saga: SagaRecord, follows_ms: int) -> SagaRecord:
    """Part an instance that has ended from the one that follows it.

    Args:
        saga: The instance; becomes the one that follows.
        follows_ms: When that one begins.

    Returns:
        The one that has ended.
    """
    events = saga.events
    own = {unique: mark for unique, mark in events.items() if mark[0] < follows_ms}
    earlier = replace(
        saga,
        events=own,
        followed=True,
        next_deadline_ms=None,
        updated_ms=max(mark[0] for mark in own.values()),
    )
    fresh = SagaRecord(
        saga.flow,
        saga.key,
        saga.subject,
        updated_ms=saga.updated_ms,
        instance=saga.instance + 1,
        events={unique: mark for unique, mark in events.items() if mark[0] >= follows_ms},
    )
    for name in SagaRecord.__slots__:
        setattr(saga, name, getattr(fresh, name))
    return earlier


def instance_of(saga: SagaRecord, earlier: Sequence[SagaRecord], unique: int, moment_ms: int) -> SagaRecord:
    """Which of the instances under a key an event belongs to.

    Args:
        saga: The newest instance.
        earlier: Those before it, the oldest first.
        unique: The event's hash; a copy belongs where the event is.
        moment_ms: Its time.
    """
    for known in (saga, *reversed(earlier)):
        if unique in known.events:
            return known
    for known in (saga, *reversed(earlier)):
        if known.started_ms is not None and known.started_ms <= moment_ms:
            return known
    return earlier[0] if earlier else saga
