"""How simple instances went: those whose events are of the same types in the same order stand alike.

Most instances of most flows are simple: nothing failed, was taken back or missed. What `assess` says of those
depends on the order of their events alone; each moment that it names is the first or the last of some events', or that
and a limit of the flow file, so that of events at once either may come first. It is asked once for each such way, with
moments so far apart that they can be told from what it answers (as in `shapes`, which looks at many instances as
columns; these come one by one).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.model.assessment import Outcome, Progress, assess
from flowtrail_collector.sagas.model.flows import Flow
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.steps import StepState

__all__ = ["Way", "Ways"]

_APART_MS = 10**30
"""Longer than any limit of a flow file."""
_MAX_WAYS = 5_000
# Asked of its class with every instance, a member would cost six times as much.
_OPEN, _COMPLETED = Outcome.OPEN, Outcome.COMPLETED
_NOT_DONE = (StepState.FAILED, StepState.SKIPPED)


class Way(NamedTuple):
    """How instances went. A place is that of an event among all of its instance, in the order of time.

    Attributes:
        started: Place of the start; None while that has not been seen.
        ended: Place of the end; None while they are open.
        waiting: Steps that they wait for.
        since: Places with which the turns of those came.
        due: Of those that have deadlines: (place with which its turn came, how long it may take in ms).
        kept: Deadlines of steps that were done: (place of its turn, how long it may take, place with which it was done).
        limits: All deadlines, as in `due`.
        done: Steps that were done: (name, place of its turn, place with which it was done).
    """

    started: int | None
    ended: int | None
    waiting: tuple[str, ...]
    since: tuple[int, ...]
    due: tuple[tuple[int, int], ...]
    kept: tuple[tuple[int, int, int], ...]
    limits: tuple[tuple[int, int], ...]
    done: tuple[tuple[str, int, int], ...]


class Ways:
    """The ways of a flow's instances.

    Args:
        flow: What is said of them.
    """

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._plain = flow.plain and not flow.depth
        self._settling_ms, self._within_ms = flow.settling_ms, flow.within_ms
        self._telling = flow.undoing.union(flow.ending, flow.cancels, flow.renewing)
        self._known: dict[tuple[str, ...], Way | None] = {}

    def of(self, saga: SagaRecord) -> tuple[Way, list[int]] | None:
        """How an instance went, and when each of its events was; None if it isn't a simple one."""
        if not self._plain or not _is_simple(saga):
            return None
        marks = sorted(saga.events.values())
        kinds = tuple([mark[1] for mark in marks])
        try:
            way = self._known[kinds]
        except KeyError:
            way = self._learned(kinds)
            if len(self._known) < _MAX_WAYS:
                self._known[kinds] = way
        return None if way is None else (way, [mark[0] for mark in marks])

    def bring_up_to_date(self, saga: SagaRecord, counts: Counter[CountKey]) -> bool:
        """Do what `lifecycle.bring_up_to_date` does, to a simple instance.

        Args:
            saga: The instance; changed only if it is one.
            counts: Added to.

        Returns:
            Whether it is one.
        """
        found = self.of(saga)
        if found is None:
            return False
        way, moments = found
        if way.started is None:
            if saga.started_ms is not None:  # by other rules
                return False
            due_ms = None
        else:
            for turn, span_ms, until in way.kept:
                if moments[turn] + span_ms < moments[until]:
                    return False
            due_ms = self._due_ms(way, moments, moments[way.started])
            if saga.started_ms is None:
                counts["saga_started", (saga.flow,)] += 1
            saga.started_ms = moments[way.started]
        saga.waiting = way.waiting
        saga.waiting_since_ms = min([moments[place] for place in way.since]) if way.since else None
        saga.next_deadline_ms = None if due_ms is None else due_ms + self._settling_ms + 1
        return True

    def _due_ms(self, way: Way, moments: Sequence[int], started_ms: int) -> int | None:
        """When something is to be decided of an instance that has started."""
        due = [moments[place] + span_ms for place, span_ms in way.due]
        ended_ms = None if way.ended is None else moments[way.ended]
        if self._within_ms is not None:
            over_ms = started_ms + self._within_ms
            ended_ms = over_ms if ended_ms is None else min(ended_ms, over_ms)
        if ended_ms is not None:
            due.append(max(ended_ms, started_ms))
        return min(due) if due else None

    def _learned(self, kinds: tuple[str, ...]) -> Way | None:
        if not kinds or not self._telling.isdisjoint(kinds):
            return None
        progress = assess(
            self._flow, {place: (place * _APART_MS, kind, 0) for place, kind in enumerate(kinds)}
        )
        if (
            progress.outcome not in (_OPEN, _COMPLETED)
            or progress.cancelled_ms is not None
            or progress.restarts
        ):
            return None
        return _way(progress)


def _place(symbolic_ms: int) -> int:
    return symbolic_ms // _APART_MS


def _way(progress: Progress) -> Way:
    waits = [item for item in progress.steps if item.waits]
    limited = [
        (item, _place(item.deadline_ms), item.deadline_ms % _APART_MS)
        for item in progress.steps
        if item.deadline_ms is not None
    ]
    return Way(
        None if progress.started_ms is None else _place(progress.started_ms),
        None if progress.ended_ms is None else _place(progress.ended_ms),
        tuple(item.step.name for item in waits),
        tuple(_place(item.since_ms) for item in waits if item.since_ms is not None),
        tuple((turn, span_ms) for item, turn, span_ms in limited if item.waits),
        tuple(
            (turn, span_ms, _place(item.until_ms))
            for item, turn, span_ms in limited
            if item.until_ms is not None
        ),
        tuple((turn, span_ms) for _, turn, span_ms in limited),
        tuple(
            (item.step.name, _place(item.since_ms), _place(item.until_ms))
            for item in progress.steps
            if item.since_ms is not None and item.until_ms is not None and item.state not in _NOT_DONE
        ),
    )


def _is_simple(saga: SagaRecord) -> bool:
    """Whether nothing is known of an open instance besides its events."""
    return (
        saga.outcome is _OPEN
        and not saga.breached
        and not saga.conflict
        and not saga.not_undone
        and not saga.completed_late
        and not saga.repeated_starts
        and not saga.late_events
    )
