"""Puts the console together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowtrail_collector.console._console import Console, Views
from flowtrail_collector.console._dead_letters import DeadLetterPages
from flowtrail_collector.console._links import Links
from flowtrail_collector.console._trouble import TroublePages
from flowtrail_collector.dead_letters.wire import DeadLetters
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.oncall.service import OnCall
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
    oncall: OnCall,
    problems: Callable[[], Mapping[str, str]],
    status: Callable[[], Mapping[str, Any]],
    topics: Callable[[], Sequence[Mapping[str, Any]]],
    pulse: Callable[[], object],
) -> Wired:
    """All pages; for the arguments see `Console`."""
    dead_letters = DeadLetterPages(
        views,
        letters.desk,
        FormTokens(config.write_token),
        writable=access.is_writable,
        problem=lambda: letters.redriver.problem,
    )
    console = Console(
        finder,
        views,
        lag,
        problems,
        edges=topology.edges,
        progress_of=lag.progress,
        links=Links(config.trace_link, config.grafana_link),
        rates=topology.rates.rates,
        status=status,
        topics=topics,
        pulse=pulse,
    )
    trouble = TroublePages(views, lag.progress, oncall)
    return Wired(routes=[*dead_letters.routes(), *trouble.routes(), *console.routes()])
