"""Puts trails together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flowtrail_collector.lag.model.progress import GroupProgressOf
from flowtrail_collector.runtime.slices import Wired
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.spans.ports import SpanReader
from flowtrail_collector.trails.finder import TrailFinder
from flowtrail_collector.trails.ports import TrailReader
from flowtrail_collector.trails.web import trail_routes

__all__ = ["Trails", "wire"]


@dataclass(frozen=True, slots=True)
class Trails:
    """Trails, put together.

    Attributes:
        finder: Finds them.
        wired: Routes.
    """

    finder: TrailFinder
    wired: Wired


def wire(
    reads: TrailReader,
    spans: SpanReader,
    flows: Flows,
    progress_of: GroupProgressOf,
    is_dead_letter_topic: Callable[[str], bool],
) -> Trails:
    """Put them together."""
    finder = TrailFinder(
        reads, spans, flows, progress_of=progress_of, is_dead_letter_topic=is_dead_letter_topic
    )
    return Trails(finder, Wired(routes=trail_routes(finder)))
