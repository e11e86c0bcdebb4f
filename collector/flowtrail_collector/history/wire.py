"""Puts history together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flowtrail_collector.dead_letters.lists import DeadLetterLists
from flowtrail_collector.history.ports import Source
from flowtrail_collector.history.sampler import HistoryKeeper, Sampler
from flowtrail_collector.history.sources import (
    KINDS,
    DeadLetterSource,
    EdgeSource,
    LagSource,
    OutcomeSource,
    StepSource,
)
from flowtrail_collector.history.sql import SqlSamples
from flowtrail_collector.history.view import History
from flowtrail_collector.history.web import history_routes
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.metrics.counts import Counters
from flowtrail_collector.runtime.slices import Wired
from flowtrail_collector.store.sql import Database
from flowtrail_collector.topology.model import Edge, EdgeKey

__all__ = ["Kept", "wire"]


@dataclass(frozen=True, slots=True)
class Kept:
    """History, put together.

    Attributes:
        view: Reads it.
        keeper: Thins it out, for whoever forgets what is old.
        wired: Parts and routes.
    """

    view: History
    keeper: HistoryKeeper
    wired: Wired


def wire(
    database: Database,
    *,
    lag: LagView,
    lag_interval_seconds: float,
    counters: Counters,
    edges: Callable[[], Mapping[EdgeKey, Edge]],
    letters: DeadLetterLists,
    is_read: Callable[[], bool],
    time_seconds: Callable[[], float] = time.time,
) -> Kept:
    """Put it together.

    Args:
        database: The collector's database.
        lag: Lag figures.
        lag_interval_seconds: Pause between two collections of them.
        counters: The store's.
        edges: Reads all edges.
        letters: Lists causes of dead letters.
        is_read: Whether events are being read.
        time_seconds: Wall clock, seconds since the epoch.
    """
    samples = SqlSamples(database)
    sources: list[Source] = [
        LagSource(lag, lag_interval_seconds),
        OutcomeSource(counters, is_read),
        StepSource(counters, is_read),
        DeadLetterSource(letters, is_read),
        EdgeSource(edges, is_read),
    ]
    view = History(samples)
    return Kept(
        view,
        HistoryKeeper(samples, KINDS, time_seconds=time_seconds),
        Wired(
            parts_for_all=[Sampler(sources, samples, time_seconds=time_seconds)],
            routes=history_routes(view, time_seconds=time_seconds),
        ),
    )
