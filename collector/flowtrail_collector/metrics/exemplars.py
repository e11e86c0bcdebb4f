"""Exemplars: for each bucket of a histogram a trace of something that fell into it lately."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from flowtrail_collector.events.model import StoredEvent
from flowtrail_collector.sagas.model.assessment import Outcome, assess
from flowtrail_collector.sagas.model.flows import Flow, Flows
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.state import DURATION_BUCKETS_SECONDS, step_durations
from flowtrail_collector.topology.model import LATENCY_BUCKETS_SECONDS, Reaction, edge_of

__all__ = ["EdgeExemplars", "ExemplarOf", "SagaExemplars", "no_exemplar"]

ExemplarOf = Callable[[tuple[str, ...], str], Exemplar | None]
"""The exemplar of a bucket, by label values and upper bound."""

# One exemplar every ten seconds and bucket is what scrapers see anyway.
_LEAST_SECONDS = 10.0
# Finding the traces of an instance is a query, and most have nothing new to show.
_LEAST_SECONDS_BETWEEN_LOOKS = 0.2
_MOST_SERIES = 2_000


def no_exemplar(labels: tuple[str, ...], bound: str) -> Exemplar | None:
    """For histograms without."""
    return None


class _Buckets:
    """The exemplars of one histogram."""

    def __init__(self, bounds: Sequence[str], clock: Callable[[], float]) -> None:
        self._bounds = (*bounds, "+Inf")
        self._clock = clock
        self._found: dict[tuple[tuple[str, ...], str], Exemplar] = {}

    def wants(self, labels: tuple[str, ...], place: int) -> bool:
        """Whether a bucket's exemplar is missing or old."""
        known = self._found.get((labels, self._bounds[place]))
        if known is None:
            return len(self._found) < _MOST_SERIES
        return self._clock() - float(known.timestamp or 0) >= _LEAST_SECONDS

    def keep(self, labels: tuple[str, ...], place: int, trace_id: str, seconds: float) -> None:
        """Take note of a trace."""
        exemplar = Exemplar({"trace_id": trace_id}, seconds, round(self._clock(), 3))
        self._found[labels, self._bounds[place]] = exemplar

    def of(self, labels: tuple[str, ...], bound: str) -> Exemplar | None:
        """See `ExemplarOf`."""
        return self._found.get((labels, bound))


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
        self._durations = _Buckets(bounds, clock)
        self._steps = _Buckets(bounds, clock)
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
        for item, took_ms in step_durations(assess(flow, saga.events), saga.ended_ms or 0):
            place = bisect_left(DURATION_BUCKETS_SECONDS, took_ms / 1000)
            if self._steps.wants((saga.flow, item.step.name), place):
                yield item.step.name, item.step.done, place, took_ms / 1000


class EdgeExemplars:
    """A trace per bucket of the latency of edges.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._latencies = _Buckets(list(map(floatToGoString, LATENCY_BUCKETS_SECONDS)), clock)
        self.of = self._latencies.of

    def reacted(self, reactions: Iterable[Reaction]) -> None:
        """Take note of reactions whose event says in which trace it was published."""
        for reaction in reactions:
            if reaction.trace_id:
                key = edge_of(reaction)
                labels = (key.source, key.topic, key.target)
                seconds = max(0.0, reaction.latency_seconds)
                place = bisect_left(LATENCY_BUCKETS_SECONDS, seconds)
                if self._latencies.wants(labels, place):
                    self._latencies.keep(labels, place, reaction.trace_id, seconds)
