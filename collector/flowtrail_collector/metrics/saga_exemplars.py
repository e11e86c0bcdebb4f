"""Exemplars of the saga histograms: for each bucket a trace of an instance that fell into it lately."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

from prometheus_client.samples import Exemplar

from flowtrail_collector.domain.trails_model import TrailEvent
from flowtrail_collector.ports.store import SagaRecord
from flowtrail_collector.saga_state import DURATION_BUCKETS_SECONDS

__all__ = ["SagaExemplars"]

# Finding a trace is a query; one exemplar every ten seconds and bucket is what scrapers see anyway.
_LEAST_SECONDS = 10.0


class SagaExemplars:
    """Remembers a trace id per flow, outcome and bucket.

    Args:
        events: Finds the events of correlation ids, at most so many.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        events: Callable[[Sequence[str], int], list[TrailEvent]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._events = events
        self._clock = clock
        self._found: dict[tuple[tuple[str, ...], str], Exemplar] = {}

    def ended(self, sagas: Iterable[SagaRecord]) -> None:
        """Take note of instances that have just ended."""
        for saga in sagas:
            if saga.started_ms is None or saga.ended_ms is None:
                continue
            seconds = max(0, saga.ended_ms - saga.started_ms) / 1000
            place = bisect_left(DURATION_BUCKETS_SECONDS, seconds)
            bounds = (*map(str, DURATION_BUCKETS_SECONDS), "+Inf")
            key = ((saga.flow, saga.outcome.value), bounds[place])
            known = self._found.get(key)
            now = self._clock()
            if known is not None and now - float(known.timestamp or 0) < _LEAST_SECONDS:
                continue
            traces = [event.trace_id for event in self._events([saga.key], 20) if event.trace_id]
            if traces:
                self._found[key] = Exemplar({"trace_id": traces[-1]}, seconds, round(now, 3))

    def of(self, labels: tuple[str, ...], bound: str) -> Exemplar | None:
        """The exemplar of a bucket; `labels` are flow and outcome."""
        return self._found.get((labels, bound))
