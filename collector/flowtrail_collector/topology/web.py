"""`/api/v1/topology`: which service reacts to which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.topology.model import Edge, EdgeKey
from flowtrail_collector.web.json import json_response

Edges = Callable[[], Mapping[EdgeKey, Edge]]


def topology_routes(edges: Edges) -> list[BaseRoute]:
    """The route that lists edges."""

    def topology(request: Request) -> Response:
        """Which service reacts to which, learned from causation ids."""
        return json_response({"edges": edges_json(edges)})

    return [Route("/api/v1/topology", topology, methods=["GET"])]


def edges_json(edges: Edges) -> list[dict[str, Any]]:
    """All edges, the busiest first."""
    rows = sorted(edges().items(), key=lambda item: (-item[1].events, item[0]))
    return [
        {
            "source": key.source,
            "topic": key.topic,
            "target": key.target,
            "events": edge.events,
            "mean_latency_seconds": round(edge.latency_seconds / edge.events, 6) if edge.events else None,
        }
        for key, edge in rows
    ]
