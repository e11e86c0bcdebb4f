"""The service map as API and console tell it: one model of an edge, whoever draws it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from flowtrail_collector.quantiles import at_most
from flowtrail_collector.topology.lately import Crossing, TypePair
from flowtrail_collector.topology.model import LATENCY_BUCKETS_SECONDS, Edge, EdgeKey, Reading
from flowtrail_collector.topology.rates import EdgeRate

__all__ = [
    "LONGEST_SECONDS", "PERCENTILES", "EdgeView", "TopologyView", "finite", "merged", "percentiles",
]  # fmt: skip

PERCENTILES = {"p50": 50, "p95": 95, "p99": 99}
"""Percentiles of latencies by the names they have."""
LONGEST_SECONDS = LATENCY_BUCKETS_SECONDS[-1]
"""Of latencies beyond it, only that is known."""


@dataclass(frozen=True, slots=True)
class EdgeView:
    """An edge as it is now.

    Attributes:
        keys: The edges it is made of: one, or several that are told as one.
        edge: All that was ever counted.
        lately: What was counted within the last minute; None while that isn't known yet.
        per_second: Reactions a second over the last minute; None while that isn't known yet.
        types: Which types went over it.
    """

    keys: tuple[EdgeKey, ...]
    edge: Edge
    lately: Edge | None = None
    per_second: float | None = None
    types: Mapping[TypePair, Reading] = field(default_factory=dict)

    @property
    def key(self) -> EdgeKey:
        """The edge it is, or the first one of those it is made of."""
        return self.keys[0]

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing went over it within the last minute."""
        return self.lately is not None and not self.lately.events

    @property
    def cause_types(self) -> tuple[str, ...]:
        """Types that were reacted to, the most frequent first."""
        counts: dict[str, int] = {}
        for pair, reading in self.types.items():
            counts[pair.cause] = counts.get(pair.cause, 0) + reading.events
        return tuple(sorted(counts, key=lambda name: (-counts[name], name)))


class TopologyView:
    """All edges as they are now.

    Args:
        edges: Reads what was counted.
        rates: What was counted lately.
        types: Which types went over which edge.
        crossings: What went over some edges last.
    """

    def __init__(
        self,
        edges: Callable[[], Mapping[EdgeKey, Edge]],
        *,
        rates: Callable[[], Mapping[EdgeKey, EdgeRate]] = dict,
        types: Callable[[], Mapping[EdgeKey, Mapping[TypePair, Reading]]] = dict,
        crossings: Callable[[Iterable[EdgeKey]], Sequence[Crossing]] = lambda keys: (),
    ) -> None:
        self._edges = edges
        self._rates = rates
        self._types = types
        self._crossings = crossings

    def edges(self) -> list[EdgeView]:
        """All edges, the busiest first."""
        rates, types = self._rates(), self._types()
        rows = sorted(self._edges().items(), key=lambda item: (-item[1].events, item[0]))
        return [_view(key, edge, rates, types.get(key, {})) for key, edge in rows]

    def between(
        self, source: str | None = None, topic: str | None = None, target: str | None = None
    ) -> list[EdgeView]:
        """Edges from a service, through a topic, to a service; None for any."""
        wanted = (source, topic, target)
        return [
            view
            for view in self.edges()
            if all(
                name in (None, own)
                for name, own in zip(wanted, (view.key.source, view.key.topic, view.key.target), strict=True)
            )
        ]

    def crossings(self, views: Iterable[EdgeView], most: int) -> list[Crossing]:
        """What went over some edges last, the newest first; of each only the last few are kept."""
        return list(self._crossings([key for view in views for key in view.keys]))[:most]


def merged(views: Sequence[EdgeView]) -> EdgeView:
    """Several edges as one: at least one."""
    if len(views) == 1:
        return views[0]
    known = [view.lately for view in views if view.lately is not None]
    rates = [view.per_second for view in views if view.per_second is not None]
    types: dict[TypePair, Reading] = {}
    for view in views:
        for pair, reading in view.types.items():
            events, last_ms = types.get(pair, (0, 0))
            types[pair] = Reading(events + reading.events, max(last_ms, reading.last_ms))
    return EdgeView(
        tuple(key for view in views for key in view.keys),
        _sum([view.edge for view in views]),
        _sum(known) if known else None,
        sum(rates) if rates else None,
        types,
    )


def percentiles(edge: Edge | None) -> dict[str, float] | None:
    """What 50, 95 and 99 of a hundred reactions took at most, in seconds, for certain.

    A reaction is known by its bucket, so the narrowest bound that holds is told; infinite beyond the last one.

    Returns:
        By the names in `PERCENTILES`; None without reactions.
    """
    if edge is None:
        return None
    found = at_most(list(PERCENTILES.values()), LATENCY_BUCKETS_SECONDS, edge.buckets)
    return None if found is None else dict(zip(PERCENTILES, found, strict=True))


def finite(bounds: Mapping[str, float] | None) -> dict[str, float | None] | None:
    """Percentiles for JSON, which has no infinity: None where it took longer than can be told."""
    if bounds is None:
        return None
    return {name: None if math.isinf(seconds) else seconds for name, seconds in bounds.items()}


def _view(
    key: EdgeKey, edge: Edge, rates: Mapping[EdgeKey, EdgeRate], types: Mapping[TypePair, Reading]
) -> EdgeView:
    rate = rates.get(key)
    if rate is None:
        return EdgeView((key,), edge, types=types)
    return EdgeView((key,), edge, rate.lately, rate.per_second, types)


def _sum(edges: Sequence[Edge]) -> Edge:
    return Edge(
        sum(edge.events for edge in edges),
        sum(edge.latency_seconds for edge in edges),
        [sum(counts) for counts in zip(*(edge.buckets for edge in edges), strict=True)],
        max(edge.last_ms for edge in edges),
    )
