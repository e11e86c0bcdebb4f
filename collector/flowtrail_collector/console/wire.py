"""Puts the console together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowtrail_collector.console._console import Console, Views
from flowtrail_collector.console._dead_letters import DeadLetterPages
from flowtrail_collector.console._history import HistoryPages, Sparks
from flowtrail_collector.console._links import Links
from flowtrail_collector.dead_letters.wire import DeadLetters
from flowtrail_collector.history.view import History
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.runtime.slices import Wired
from flowtrail_collector.settings import WebConfig
from flowtrail_collector.topology.wire import Topology
from flowtrail_collector.trails.finder import TrailFinder
from flowtrail_collector.web.security import Access, FormTokens

__all__ = ["wire"]


def wire(
    config: WebConfig,
    access: Access,
    *,
    finder: TrailFinder,
    views: Views,
    letters: DeadLetters,
    lag: LagView,
    topology: Topology,
    history: History,
    problems: Callable[[], Mapping[str, str]],
    status: Callable[[], Mapping[str, Any]],
    topics: Callable[[], Sequence[Mapping[str, Any]]],
    pulse: Callable[[], object],
) -> Wired:
    """All pages; for the arguments see `Console`."""
    links = Links(config.trace_link, config.grafana_link, config.grafana_url)
    sparks = Sparks(history)
    dead_letters = DeadLetterPages(
        views,
        letters.desk,
        FormTokens(config.write_token),
        writable=access.is_writable,
        problem=lambda: letters.redriver.problem,
        sparks=sparks.causes,
    )
    console = Console(
        finder,
        views,
        lag,
        problems,
        edges=topology.edges,
        progress_of=lag.progress,
        links=links,
        rates=topology.rates.rates,
        status=status,
        topics=topics,
        pulse=pulse,
        sparks=sparks,
    )
    pages = HistoryPages(history, links)
    return Wired(routes=[*dead_letters.routes(), *pages.routes(), *console.routes()])
