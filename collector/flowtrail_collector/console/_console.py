"""The console's pages about flows, trails, lag, and the collector itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.conditions import Condition, remarks, unready
from flowtrail_collector.console._history import Sparks
from flowtrail_collector.console._links import Links
from flowtrail_collector.console._live import Live
from flowtrail_collector.console._pages import PAGE_ROWS, html_page, pages, paging, static_file, turned
from flowtrail_collector.console._render import load_templates, trail_values
from flowtrail_collector.console._search import MOST_NAMES, leads_to, listed, near
from flowtrail_collector.console._trail_next import next_of
from flowtrail_collector.console._trouble import linked_cause, steps_of
from flowtrail_collector.dead_letters.lists import DeadLetterLists
from flowtrail_collector.dead_letters.model.letter import Selection
from flowtrail_collector.dead_letters.web.json import listed_json
from flowtrail_collector.lag.model.progress import GroupProgressOf
from flowtrail_collector.lag.words import needs_attention
from flowtrail_collector.sagas.model.filters import SagaFilter
from flowtrail_collector.sagas.model.view import STATES
from flowtrail_collector.sagas.ports import SagaLists
from flowtrail_collector.sagas.web import MAX_OFFSET, cause_json, saga_query, saga_row_json
from flowtrail_collector.trails.finder import TrailFinder
from flowtrail_collector.trails.json import found_json
from flowtrail_collector.web.cursors import cursor_of
from flowtrail_collector.web.json import MAX_ID_LENGTH, int_param
from flowtrail_collector.web.prefix import prefix
from flowtrail_collector.wording import format_seconds

_OVERVIEW_ROWS = 8
_TURNS = ("after", "before", "offset")
# A browser and a template draw so many at once; a trail of thousands would take both seconds.
_TRAIL_ROWS = 500


class LagOverview(Protocol):
    """The lag figures that the console shows."""

    def overview(self) -> dict[str, Any]:
        """All groups, those that need attention first."""
        ...

    def detail(self, group: str) -> dict[str, Any] | None:
        """One group with its partitions, None if it isn't known."""
        ...


class Views(SagaLists, DeadLetterLists, Protocol):
    """What the pages list."""


class Console:
    """Pages over the same reads as the API.

    Args:
        finder: Finds trails.
        views: Lists sagas, dead letters and flows.
        lag: Lag figures.
        conditions: How each part of the collector is.
        progress_of: How a consumer group is.
        links: Where else a trace can be looked at.
        status: Figures about the collector, by name.
        topics: What was read of each topic, as the API answers it.
        pulse: Differs when something has changed since it was asked last.
        sparks: How figures went over the last hours; None to do without.
    """

    def __init__(
        self,
        finder: TrailFinder,
        views: Views,
        lag: LagOverview,
        conditions: Callable[[], Mapping[str, Condition]],
        *,
        progress_of: GroupProgressOf,
        links: Links | None = None,
        status: Callable[[], Mapping[str, Any]] = dict,
        topics: Callable[[], Sequence[Mapping[str, Any]]] = tuple,
        pulse: Callable[[], object] = lambda: None,
        sparks: Sparks | None = None,
    ) -> None:
        self._finder = finder
        self._views = views
        self._lag = lag
        self._conditions = conditions
        self._progress_of = progress_of
        self._links = links or Links()
        self._status = status
        self._topics = topics
        self._live = Live(pulse)
        self._sparks = sparks
        load_templates()

    def routes(self) -> list[BaseRoute]:
        """The pages and what they load."""
        pages = {
            "/": self._overview,
            "/search": self._search,
            "/trails/{id:path}": self._trail,
            "/sagas": self._sagas,
            "/collector": self._health,
            "/live": self._live.stream,
        }
        routes: list[BaseRoute] = [Route(path, page, methods=["GET"]) for path, page in pages.items()]
        return [*routes, Route("/static/{name}", static_file, methods=["GET"])]

    def _overview(self, request: Request) -> Response:
        """Overview: flows, what is stuck, dead letters, who is behind."""
        stuck = self._views.list_sagas(SagaFilter(stuck=True, limit=_OVERVIEW_ROWS))
        letters = self._views.list_dead_letters(Selection(), _OVERVIEW_ROWS)
        lag = self._lag.overview()
        return html_page(
            "overview.html",
            request,
            flows=self._views.list_flows(),
            stuck_counts=self._views.stuck_counts(),
            outcomes=STATES,
            stuck=[saga_row_json(row, self._progress_of) for row in stuck],
            letters=[listed_json(letter) for letter in letters],
            pending=max(len(letters), self._views.count_pending()),
            troubled=sum(needs_attention(group["status"]) for group in lag["groups"]),
            groups=lag["groups"][:_OVERVIEW_ROWS],
            group_sparks=self._sparks.groups() if self._sparks else {},
            flow_sparks=self._sparks.flows() if self._sparks else {},
            unready=unready(self._conditions()),
        )

    def _search(self, request: Request) -> Response:
        """Leads to the trail of an id, or of the only one that begins so; lists them where there are several.

        Query: q.
        """
        wanted = (request.query_params.get("q") or "").strip()[:MAX_ID_LENGTH]
        if not wanted:
            return RedirectResponse(f"{prefix()}/", 303)
        names = self._views.begins_with(wanted, MOST_NAMES)
        only = leads_to(wanted, names)
        if only is not None:
            return RedirectResponse(f"{prefix()}/trails/{quote(only, safe='')}", 303)
        return html_page(
            "search.html", request, wanted=wanted, names=listed(names), many=len(names) == MOST_NAMES
        )

    def _trail(self, request: Request) -> Response:
        """The trail of an id, 500 rows at a time.

        Query: offset.
        """
        wanted = request.path_params["id"]
        found = self._finder.find(wanted) if 0 < len(wanted) <= MAX_ID_LENGTH else None
        if found is None:
            return self._unknown(request, wanted[:MAX_ID_LENGTH])
        data = found_json(found)
        if "matches" in data:
            return html_page("matches.html", request, wanted=wanted, matches=data["matches"])
        first = int_param(request, "offset", 0, MAX_OFFSET)
        drawn = trail_values(data["trail"], first, _TRAIL_ROWS)
        trace_links = {trace_id: self._links.of(trace_id) for trace_id in data["trail"]["trace_ids"]}
        grafana = self._links.of_trail(wanted, data["trail"])
        return html_page(
            "trail.html",
            request,
            wanted=wanted,
            matched_by=data["matched_by"],
            trace_links=trace_links,
            grafana=grafana,
            next=next_of(data["trail"], self._group, trace_links, grafana),
            **drawn,
            **paging(lambda at: f"?offset={at}", first, _TRAIL_ROWS, drawn["all_rows"] - first),
        )

    def _unknown(self, request: Request, wanted: str) -> Response:
        names = near(wanted, self._views)
        why = self._finder.why_unknown()
        return html_page("unknown.html", request, 404, wanted=wanted, why=why, names=listed(names))

    def _sagas(self, request: Request) -> Response:
        """Saga instances.

        Query: flow, outcome, step, stuck, predicted, cause, limit, after, before, offset.
        """
        known = self._views.known_flows()
        query = saga_query(request, known, self._views.stuck_causes)
        shown = min(query.limit, PAGE_ROWS)
        query = replace(query, limit=shown + 1)
        found = self._views.list_sagas(query)
        if query.before is not None and len(found) <= shown:
            # That is the first page, and it has room for more.
            query = replace(query, before=None)
            found = self._views.list_sagas(query)
        behind = query.after or query.offset or None
        page, neighbours = turned(
            found, shown, lambda row: cursor_of(row.place), after=behind, before=query.before
        )
        asked = {name: value for name, value in request.query_params.items() if name not in _TURNS}
        return html_page(
            "sagas.html",
            request,
            sagas=[saga_row_json(row, self._progress_of) for row in page],
            causes=[
                linked_cause(cause_json(row, self._progress_of))
                for row in (self._views.stuck_causes() if query.cause else ())
                if row.cause == query.cause
            ],
            query=query,
            flows=self._views.list_flows(),
            steps=steps_of(known, query.flow),
            outcomes=STATES,
            **pages(neighbours, lambda more: "?" + urlencode({**asked, **more})),
        )

    def _group(self, name: str) -> dict[str, Any] | None:
        found = self._lag.detail(name)
        return None if found is None else found["groups"][0]

    def _health(self, request: Request) -> Response:
        """How the collector itself is."""
        facts = [(_FACTS.get(name, name), _fact(name, value)) for name, value in self._status().items()]
        parts, topics = self._conditions(), self._topics()
        found, said = unready(parts), remarks(parts)
        return html_page("health.html", request, unready=found, remarks=said, facts=facts, topics=topics)


_FACTS = {
    "version": "Version",
    "uptime_seconds": "Running for",
    "store_bytes": "Store",
    "bootstrap_servers": "Kafka",
    "rabbitmq": "RabbitMQ",
    "speedups": "flowtrail-speedups",
    "spans_received": "Spans stored",
    "spans_waiting": "Spans waiting for the store",
    "spans_refused": "Spans refused while busy",
    "spans_rejected": "Spans rejected as invalid",
}


def _fact(name: str, value: Any) -> str:
    if name.endswith("_seconds"):
        return format_seconds(value)
    return f"{value / 1e6:,.1f} MB" if name.endswith("_bytes") else str(value)
