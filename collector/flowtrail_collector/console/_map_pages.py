"""The pages of the service map: the map, an edge, a topic."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.console._history import Sparks
from flowtrail_collector.console._map import flow_map
from flowtrail_collector.console._map_details import crossing_rows, edge_values, topic_values
from flowtrail_collector.console._map_health import Health, health_of
from flowtrail_collector.console._map_lit import Lit, of_flow, of_trail
from flowtrail_collector.console._pages import html_page
from flowtrail_collector.dead_letters.lists import DeadLetterLists
from flowtrail_collector.dead_letters.model.letter import PENDING, Selection
from flowtrail_collector.lag.model.progress import GroupProgressOf
from flowtrail_collector.sagas.ports import SagaLists
from flowtrail_collector.sagas.stuck import diagnose_cause
from flowtrail_collector.topology.view import EdgeView, TopologyView
from flowtrail_collector.trails.finder import TrailFinder
from flowtrail_collector.web.json import ApiError, text_param
from flowtrail_collector.wording import unmistakable

__all__ = ["MapPages"]

_CAUSES = 1_000
_CROSSINGS = 50


class _Lists(SagaLists, DeadLetterLists, Protocol):
    """What is wrong at nodes."""


class MapPages:
    """Pages over the same model of edges as the API.

    Args:
        view: Which service reacts to which.
        views: Lists dead letters and instances.
        groups: Lag by consumer group and topic, those that need attention first.
        progress_of: How a consumer group is.
        finder: Finds trails.
        topics: What was read of each topic, as the API answers it.
        sparks: How figures went over the last hours; None to do without.
    """

    def __init__(
        self,
        view: TopologyView,
        views: _Lists,
        groups: Callable[[], Sequence[Mapping[str, Any]]],
        *,
        progress_of: GroupProgressOf = lambda group: None,
        finder: TrailFinder | None = None,
        topics: Callable[[], Sequence[Mapping[str, Any]]] = tuple,
        sparks: Sparks | None = None,
    ) -> None:
        self._view = view
        self._views = views
        self._groups = groups
        self._progress_of = progress_of
        self._finder = finder
        self._topics = topics
        self._sparks = sparks

    def routes(self) -> list[BaseRoute]:
        """The pages."""
        pages = {"/map": self._map, "/map/edge": self._edge, "/map/topic": self._topic}
        return [Route(path, page, methods=["GET"]) for path, page in pages.items()]

    def _map(self, request: Request) -> Response:
        """The service map: which service reacts to which; the edges of a flow or a trail stand out.

        Query: flow, trail.
        """
        views = self._view.edges()
        lit = self._lit(request, views)
        drawn = flow_map(views, self._health(views), lit)
        return html_page(
            "map.html",
            request,
            map=drawn,
            lit=lit,
            trail=text_param(request, "trail"),
            flow=text_param(request, "flow"),
            flows=[flow.name for flow in self._views.list_flows()],
            sparks=self._sparks.edges() if self._sparks else {},
        )

    def _edge(self, request: Request) -> Response:
        """What goes over an edge: types, rates, percentiles, and the trails that went over it last.

        Query: source, topic, target, service.
        """
        service = text_param(request, "service")
        source, topic = text_param(request, "source"), text_param(request, "topic")
        target = text_param(request, "target")
        views = self._view.between(source, topic, target)
        if service is not None:
            views = [view for view in views if service in (view.key.source, view.key.target)]
        if not views:
            raise ApiError(404, "No event has gone over this edge. The map shows those there are: /map")
        asked = {"source": source, "topic": topic, "target": target, "service": service}
        return html_page(
            "map_edge.html",
            request,
            asked=asked,
            crossings=crossing_rows(self._view.crossings(views, _CROSSINGS)),
            most=_CROSSINGS,
            **edge_values(views),
        )

    def _topic(self, request: Request) -> Response:
        """A topic: who writes it, who reads it and how far, its dead letters.

        Query: name.
        """
        name = text_param(request, "name") or ""
        views = self._view.between(topic=name)
        facts = next((topic for topic in self._topics() if topic["topic"] == name), None)
        health = health_of(self._groups(), [name])
        if facts is None and not views and not any(topic == name for topic, _ in health.readings):
            raise ApiError(
                404, f"No topic {unmistakable(name)} is known: /collector lists those that were read"
            )
        selection = Selection(source_topic=name, state=PENDING)
        causes = self._views.list_causes(selection, int(time.time() * 1000), _CAUSES)
        return html_page(
            "map_topic.html",
            request,
            name=name,
            facts=facts,
            pending=sum(row.letters for row in causes),
            letters=urlencode({"source": name, "state": PENDING}),
            **topic_values(name, views, health),
        )

    def _health(self, views: Sequence[EdgeView]) -> Health:
        now_ms = int(time.time() * 1000)
        causes = self._views.list_causes(Selection(state=PENDING), now_ms, _CAUSES)
        stuck = [(row, diagnose_cause(row, self._progress_of).by) for row in self._views.stuck_causes()]
        return health_of(self._groups(), {view.key.topic for view in views}, causes, stuck)

    def _lit(self, request: Request, views: Sequence[EdgeView]) -> Lit | None:
        """What was asked to stand out.

        Raises:
            ApiError: There is no such flow or trail.
        """
        name, wanted = text_param(request, "flow"), text_param(request, "trail")
        if name is not None and wanted is not None:
            raise ApiError(400, "ask for a flow or for a trail, not for both")
        if name is not None:
            flows = {flow.name: flow for flow in self._views.list_flows()}
            if name not in flows:
                there = ", ".join(flows) or "none: name a flow file with --flows"
                raise ApiError(400, f"no flow is called {unmistakable(name)}: there are {there}")
            return of_flow(flows[name], views)
        if wanted is None or self._finder is None:
            return None
        found = self._finder.find(wanted)
        if found is None or found.trail is None:
            raise ApiError(
                404,
                f"no single trail is known of {unmistakable(wanted[:80])}: /trails/ID tells which there are",
            )
        return of_trail(found.trail, wanted)
