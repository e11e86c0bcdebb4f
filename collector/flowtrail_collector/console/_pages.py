"""The console's pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.console._live import Live
from flowtrail_collector.console._map import flow_map
from flowtrail_collector.console._render import (
    STATIC_FILES,
    load_templates,
    render,
    static_text,
    trail_values,
)
from flowtrail_collector.dead_letters.model.letter import Selection
from flowtrail_collector.dead_letters.ports import DeadLetterLists
from flowtrail_collector.dead_letters.web.json import listed_json
from flowtrail_collector.lag.model.progress import GroupProgressOf
from flowtrail_collector.sagas.model.view import SagaFilter
from flowtrail_collector.sagas.ports import SagaLists
from flowtrail_collector.sagas.web import OUTCOMES, saga_query, saga_row_json
from flowtrail_collector.topology.model import EdgeKey
from flowtrail_collector.topology.rates import EdgeRate
from flowtrail_collector.topology.web import Edges
from flowtrail_collector.trails.finder import TrailFinder
from flowtrail_collector.trails.json import found_json
from flowtrail_collector.web.json import MAX_ID_LENGTH, ApiError
from flowtrail_collector.wording import format_seconds

_PAGE_ROWS = 50
_OVERVIEW_ROWS = 8
_MAP_LETTERS = 500
_AROUND_SECONDS = 60


class LagOverview(Protocol):
    """The lag figures that the console shows."""

    def overview(self) -> dict[str, Any]:
        """All groups, those that need attention first."""
        ...


@dataclass(frozen=True, slots=True)
class Links:
    """Where else things can be looked at. Empty: no link.

    Attributes:
        trace: A trace, usually in Jaeger; `{trace_id}` is filled in.
        grafana: A dashboard; `{from}` and `{to}` (milliseconds since the epoch), `{trace_id}` and `{id}` (what
            was asked for) are filled in.
    """

    trace: str = ""
    grafana: str = ""

    def of(self, trace_id: str) -> str | None:
        """The address of a trace elsewhere."""
        return self.trace.replace("{trace_id}", quote(trace_id, safe="")) if self.trace else None

    def of_trail(self, wanted: str, trail: Mapping[str, Any]) -> str | None:
        """The address of a dashboard about the time of a trail, with some time around it."""
        if not self.grafana:
            return None
        start, end = (datetime.fromisoformat(trail[name]).timestamp() for name in ("start", "end"))
        values = {
            "from": str(int((start - _AROUND_SECONDS) * 1000)),
            "to": str(int((end + _AROUND_SECONDS) * 1000)),
            "trace_id": next(iter(trail["trace_ids"]), ""),
            "id": wanted,
        }
        address = self.grafana
        for name, value in values.items():
            address = address.replace(f"{{{name}}}", quote(value, safe=""))
        return address


class Views(SagaLists, DeadLetterLists, Protocol):
    """What the pages list."""


class Console:
    """Pages over the same reads as the API.

    Args:
        finder: Finds trails.
        views: Lists sagas, dead letters and flows.
        lag: Lag figures.
        problems: What keeps which part of the collector from working.
        edges: Who feeds whom.
        progress_of: How a consumer group is.
        links: Where else a trace can be looked at.
        rates: What went over the edges lately.
        status: Figures about the collector, by name.
        pulse: Differs when something has changed since it was asked last.
    """

    def __init__(
        self,
        finder: TrailFinder,
        views: Views,
        lag: LagOverview,
        problems: Callable[[], Mapping[str, str]],
        *,
        edges: Edges,
        progress_of: GroupProgressOf,
        links: Links | None = None,
        rates: Callable[[], Mapping[EdgeKey, EdgeRate]] = dict,
        status: Callable[[], Mapping[str, Any]] = dict,
        pulse: Callable[[], object] = lambda: None,
    ) -> None:
        self._finder = finder
        self._views = views
        self._lag = lag
        self._problems = problems
        self._edges = edges
        self._progress_of = progress_of
        self._links = links or Links()
        self._rates = rates
        self._status = status
        self._live = Live(pulse)
        load_templates()

    def routes(self) -> list[BaseRoute]:
        """The pages and what they load."""
        pages = {
            "/": self._overview,
            "/search": self._search,
            "/trails/{id:path}": self._trail,
            "/sagas": self._sagas,
            "/map": self._map,
            "/lag": self._lag_page,
            "/collector": self._health,
            "/live": self._live.stream,
        }
        routes: list[BaseRoute] = [Route(path, page, methods=["GET"]) for path, page in pages.items()]
        return [*routes, Route("/static/{name}", _static, methods=["GET"])]

    def _overview(self, request: Request) -> Response:
        """Overview: flows, what is stuck, dead letters, who is behind."""
        stuck = self._views.list_sagas(SagaFilter(stuck=True, limit=_OVERVIEW_ROWS))
        letters = self._views.list_dead_letters(Selection(), _OVERVIEW_ROWS)
        lag = self._lag.overview()
        return _page(
            "overview.html",
            request,
            flows=self._views.list_flows(),
            outcomes=OUTCOMES,
            stuck=[saga_row_json(row, self._progress_of) for row in stuck],
            letters=[listed_json(letter) for letter in letters],
            groups=lag["groups"][:_OVERVIEW_ROWS],
            problems=self._problems(),
        )

    def _search(self, request: Request) -> Response:
        """Leads to the trail of an id.

        Query: q.
        """
        wanted = (request.query_params.get("q") or "").strip()
        if not wanted:
            return RedirectResponse("/", 303)
        return RedirectResponse(f"/trails/{quote(wanted[:MAX_ID_LENGTH], safe='')}", 303)

    def _trail(self, request: Request) -> Response:
        """The trail of an id."""
        wanted = request.path_params["id"]
        found = self._finder.find(wanted) if 0 < len(wanted) <= MAX_ID_LENGTH else None
        if found is None:
            raise ApiError(
                404,
                f"Nothing is known of “{wanted[:80]}”. Any order id, event id, correlation id or trace id"
                " works; an event shows up a moment after it was published.",
            )
        data = found_json(found)
        if "matches" in data:
            return _page("matches.html", request, wanted=wanted, matches=data["matches"])
        trace_links = {trace_id: self._links.of(trace_id) for trace_id in data["trail"]["trace_ids"]}
        return _page(
            "trail.html",
            request,
            wanted=wanted,
            matched_by=data["matched_by"],
            trace_links=trace_links,
            grafana=self._links.of_trail(wanted, data["trail"]),
            **trail_values(data["trail"]),
        )

    def _sagas(self, request: Request) -> Response:
        """Saga instances.

        Query: flow, outcome, step, stuck, limit, offset.
        """
        query = saga_query(request)
        query = replace(query, limit=min(query.limit, _PAGE_ROWS) + 1)
        rows = [saga_row_json(row, self._progress_of) for row in self._views.list_sagas(query)]
        return _page(
            "sagas.html",
            request,
            sagas=rows[: query.limit - 1],
            query=query,
            flows=self._views.list_flows(),
            outcomes=OUTCOMES,
            **_paging(request, query.offset, query.limit - 1, len(rows)),
        )

    def _map(self, request: Request) -> Response:
        """The flow map: who feeds whom."""
        letters = self._views.list_dead_letters(Selection(), _MAP_LETTERS)
        drawn = flow_map(self._edges(), self._rates(), self._lag.overview()["groups"], letters)
        return _page("map.html", request, map=drawn)

    def _lag_page(self, request: Request) -> Response:
        """Consumer groups."""
        return _page("lag.html", request, **self._lag.overview())

    def _health(self, request: Request) -> Response:
        """How the collector itself is."""
        facts = [(_FACTS.get(name, name), _fact(name, value)) for name, value in self._status().items()]
        return _page("health.html", request, problems=self._problems(), facts=facts)


def error_page(request: Request, status: int, message: str) -> Response:
    """An error for people."""
    return _page(
        "error.html", request, status, message=message, title=_TITLES.get(status, "That didn't work")
    )


_FACTS = {
    "version": "Version",
    "uptime_seconds": "Running for",
    "store_bytes": "Store",
    "bootstrap_servers": "Kafka",
    "spans_received": "Spans stored",
    "spans_waiting": "Spans waiting for the store",
    "spans_refused": "Spans told to come back",
    "spans_rejected": "Spans that made no sense",
}


def _fact(name: str, value: Any) -> str:
    if name.endswith("_seconds"):
        return format_seconds(value)
    return f"{value / 1e6:,.1f} MB" if name.endswith("_bytes") else str(value)


_TITLES = {404: "Not found", 401: "Access token needed", 400: "That can't be asked", 500: "Internal error"}


def _page(template: str, request: Request, status: int = 200, /, **values: Any) -> Response:
    wanted = values.pop("wanted", "")
    values.setdefault("live", status == 200)
    return HTMLResponse(render(template, path=request.url.path, wanted=wanted, **values), status)


def _paging(request: Request, offset: int, limit: int, found: int) -> dict[str, str | None]:
    def address(to: int) -> str:
        return "?" + str(request.url.include_query_params(offset=to).query)

    return {
        "previous_page": address(max(0, offset - limit)) if offset else None,
        "next_page": address(offset + limit) if found > limit else None,
    }


def _static(request: Request) -> Response:
    """What the pages load: style sheet, scripts, picture."""
    name = request.path_params["name"]
    if name not in STATIC_FILES:
        raise ApiError(404, "no such file")
    # Revalidated on every load: an upgraded collector must not meet an old style sheet.
    return Response(
        static_text(name), headers={"cache-control": "no-cache", "content-type": STATIC_FILES[name]}
    )
