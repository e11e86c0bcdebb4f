"""Exemplars of the latency of edges: a trace of a reaction that fell into each bucket lately."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable

from prometheus_client.utils import floatToGoString

from flowtrail_collector.metrics.exemplars import BucketExemplars
from flowtrail_collector.topology.model import LATENCY_BUCKETS_SECONDS, Reaction, edge_of

__all__ = ["EdgeExemplars"]


class EdgeExemplars:
    """A trace per bucket of the latency of edges.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._latencies = BucketExemplars(list(map(floatToGoString, LATENCY_BUCKETS_SECONDS)), clock)
        self.of = self._latencies.of

    def reacted(self, reactions: Iterable[Reaction]) -> None:
        """Take note of reactions whose event says in which trace it was published."""
        known: dict[tuple[str | None, str, str | None], tuple[str, str, str]] = {}
        for reaction in reactions:
            if reaction.trace_id:
                labels = known.get(reaction[:3])
                if labels is None:
                    key = edge_of(reaction)
                    labels = known[reaction[:3]] = (key.source, key.topic, key.target)
                seconds = max(0.0, reaction.latency_seconds)
                place = bisect_left(LATENCY_BUCKETS_SECONDS, seconds)
                if self._latencies.wants(labels, place):
                    self._latencies.keep(labels, place, reaction.trace_id, seconds)
