"""Exemplars of the latency of edges: a trace of a reaction that fell into each bucket lately."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from prometheus_client.utils import floatToGoString

from flowtrail_collector.metrics.exemplars import BucketExemplars
from flowtrail_collector.topology.model import LATENCY_BUCKETS_SECONDS, Alike, buckets_of, edge_of

__all__ = ["EdgeExemplars"]


class EdgeExemplars:
    """A trace per bucket of the latency of edges.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._latencies = BucketExemplars(list(map(floatToGoString, LATENCY_BUCKETS_SECONDS)), clock)
        self.of = self._latencies.of

    def reacted(self, kinds: Iterable[Alike]) -> None:
        """Take note of reactions whose event says in which trace it was published."""
        for kind in kinds:
            traced = [reaction for reaction in kind.reactions if reaction.trace_id]
            if not traced:
                continue
            key = edge_of(traced[0])
            labels = (key.source, key.topic, key.target)
            last = dict(zip(buckets_of(traced), traced, strict=True))  # of many, few are looked at
            for place, reaction in last.items():
                if self._latencies.wants(labels, place):
                    seconds = max(0.0, reaction.latency_seconds)
                    self._latencies.keep(labels, place, reaction.trace_id or "", seconds)
