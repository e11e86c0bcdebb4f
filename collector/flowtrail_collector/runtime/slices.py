"""What every slice brings along, so that they are put together alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.routing import BaseRoute

from flowtrail_collector.metrics.exposition import MetricSource
from flowtrail_collector.runtime.supervisor import Part

__all__ = ["Wired"]


@dataclass(frozen=True, slots=True)
class Wired:
    """What a slice runs, exports and answers.

    Attributes:
        parts: What each worker runs.
        parts_for_all: What only one worker does, for all of them.
        sources: Metrics of this worker.
        sources_for_all: Metrics of what concerns all workers; only the leader exports them.
        routes: What it answers over HTTP.
    """

    parts: Sequence[Part] = ()
    parts_for_all: Sequence[Part] = ()
    sources: Sequence[MetricSource] = ()
    sources_for_all: Sequence[MetricSource] = ()
    routes: Sequence[BaseRoute] = ()
