"""Exemplars of the durations of instances and steps: a trace of one that fell into each bucket lately."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.metrics.exemplars import BucketExemplars
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.flows import Flow, Flows
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lifecycle import DURATION_BUCKETS_SECONDS, step_durations
from flowtrail_collector.sagas.model.recurrence import stand

__all__ = ["SagaExemplars"]

# Finding the traces of an instance is a query, and most have nothing new to show.
_LEAST_SECONDS_BETWEEN_LOOKS = 0.2


class SagaExemplars:
    """A trace per bucket of the durations of instances and of their steps.

    Args:
        flows: What the steps are.
        events: Finds the events of correlation ids, at most so many.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        flows: Flows,
        events: Callable[[Sequence[str], int], list[StoredEvent]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._flows = flows
        self._events = events
        self._clock = clock
        self._looked_at: dict[str, float] = {}
        bounds = [str(bound) for bound in DURATION_BUCKETS_SECONDS]
        self._durations = BucketExemplars(bounds, clock)
        self._steps = BucketExemplars(bounds, clock)
        self.of = self._durations.of
        self.of_step = self._steps.of

    def ended(self, sagas: Iterable[SagaRecord]) -> None:
        """Take note of instances that have just ended; those that timed out have no duration."""
        for saga in sagas:
            flow = self._flows.by_name.get(saga.flow)
            if (
                flow
                and saga.started_ms is not None
                and saga.ended_ms is not None
                and saga.outcome is not Outcome.TIMED_OUT
            ):
                self._ended(flow, saga, max(0, saga.ended_ms - saga.started_ms) / 1000)

    def _ended(self, flow: Flow, saga: SagaRecord, seconds: float) -> None:
        labels = (saga.flow, saga.outcome.value)
        place = bisect_left(DURATION_BUCKETS_SECONDS, seconds)
        due = self._durations.wants(labels, place)
        if not due and self._clock() - self._looked_at.get(saga.flow, 0) < _LEAST_SECONDS_BETWEEN_LOOKS:
            return
        self._looked_at[saga.flow] = self._clock()
        steps = list(self._due_steps(flow, saga))
        if not due and not steps:
            return
        traced = [event for event in self._events([saga.key], 20) if event.trace_id]
        if not traced:
            return
        last = traced[-1].trace_id or ""
        if due:
            self._durations.keep(labels, place, last, seconds)
        for name, types, step_place, took_seconds in steps:
            own = next((event.trace_id for event in traced if event.type in types), None)
            self._steps.keep((saga.flow, name), step_place, own or last, took_seconds)

    def _due_steps(self, flow: Flow, saga: SagaRecord) -> Iterable[tuple[str, tuple[str, ...], int, float]]:
        for item, took_ms in step_durations(stand(flow, saga), saga.ended_ms or 0):
            place = bisect_left(DURATION_BUCKETS_SECONDS, took_ms / 1000)
            if self._steps.wants((saga.flow, item.step.name), place):
                yield item.step.name, item.step.done, place, took_ms / 1000
