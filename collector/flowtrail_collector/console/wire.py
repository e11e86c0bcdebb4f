"""Puts the console together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute

from flowtrail_collector.conditions import Condition
from flowtrail_collector.console._console import Console, Views
from flowtrail_collector.console._dead_letter_list import DeadLetterList
from flowtrail_collector.console._dead_letters import DeadLetterPages
from flowtrail_collector.console._forms import FormPages
from flowtrail_collector.console._groups import GroupPages
from flowtrail_collector.console._history import HistoryPages, Sparks
from flowtrail_collector.console._links import Links
from flowtrail_collector.console._login import LoginPages
from flowtrail_collector.console._map_pages import MapPages
from flowtrail_collector.console._mending import MendingPages
from flowtrail_collector.console._trouble import TroublePages
from flowtrail_collector.dead_letters.wire import DeadLetters
from flowtrail_collector.history.view import History
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.runtime.slices import Wired
from flowtrail_collector.settings import WebConfig
from flowtrail_collector.topology.wire import Topology
from flowtrail_collector.trails.finder import TrailFinder
from flowtrail_collector.web.access.model import Access
from flowtrail_collector.web.form_tokens import FormTokens

if TYPE_CHECKING:
    from flowtrail_collector.web.access.login import Login

__all__ = ["reading_routes", "wire"]


def wire(
    config: WebConfig, access: Access, letters: DeadLetters, trouble: TroublePages, pages: Sequence[BaseRoute]
) -> Wired:
    """All pages: those of `reading_routes`, those about trouble, and those about redriving and dismissing."""
    forms, mending = _forms(config, access), letters.mending
    desk = DeadLetterPages(
        letters.desk, forms, problem=lambda: letters.redriver.problem, payloads=mending is not None
    )
    payloads = [] if mending is None else MendingPages(mending, forms).routes()
    return Wired(routes=[*desk.routes(), *payloads, *trouble.routes(), *pages])


def reading_routes(
    config: WebConfig,
    access: Access,
    login: Login | None = None,
    *,
    finder: TrailFinder,
    views: Views,
    lag: LagView,
    topology: Topology,
    history: History,
    conditions: Callable[[], Mapping[str, Condition]],
    status: Callable[[], Mapping[str, Any]],
    topics: Callable[[], Sequence[Mapping[str, Any]]],
    pulse: Callable[[], object],
) -> list[BaseRoute]:
    """The pages that only need the store and what is told of lag; for the arguments see `Console`."""
    links, sparks = Links(config.trace_link, config.grafana_link, config.grafana_url), Sparks(history)
    console = Console(
        finder,
        views,
        lag,
        conditions,
        progress_of=lag.progress,
        links=links,
        status=status,
        topics=topics,
        pulse=pulse,
        sparks=sparks,
    )
    listed = DeadLetterList(views, _forms(config, access), sparks=sparks.causes)
    drawn = MapPages(
        topology.view,
        views,
        lambda: lag.overview()["groups"],
        progress_of=lag.progress,
        finder=finder,
        topics=topics,
        sparks=sparks,
    )
    pages = (listed, drawn, GroupPages(lag, sparks.groups), HistoryPages(history, links), console)
    people = [] if login is None else LoginPages(login, config.oidc.issuer, access).routes()
    return [*(route for each in pages for route in each.routes()), *people]


def _forms(config: WebConfig, access: Access) -> FormPages:
    return FormPages(FormTokens(config.shared_secret), writable=access.is_writable)
