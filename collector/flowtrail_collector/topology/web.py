"""`/api/v1/topology`: which service reacts to which, and what went over an edge last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.topology.lately import Crossing
from flowtrail_collector.topology.model import Edge, EdgeKey
from flowtrail_collector.topology.view import EdgeView, TopologyView, finite, percentiles
from flowtrail_collector.units import iso_time_ms
from flowtrail_collector.web.json import int_param, json_response, text_param

__all__ = ["Edges", "edge_json", "topology_routes"]

Edges = Callable[[], Mapping[EdgeKey, Edge]]
_LIMIT, _MAX_LIMIT = 20, 200


def topology_routes(view: TopologyView) -> list[BaseRoute]:
    """The routes that list edges, and what went over them."""

    def topology(request: Request) -> Response:
        """Which service reacts to which, learned from causation ids."""
        return json_response({"edges": [edge_json(each) for each in view.edges()]})

    def crossings(request: Request) -> Response:
        """What went over an edge last, the newest first; of each edge the last 20 are kept.

        Query: source, topic, target, limit.
        """
        chosen = view.between(
            text_param(request, "source"), text_param(request, "topic"), text_param(request, "target")
        )
        limit = int_param(request, "limit", _LIMIT, _MAX_LIMIT)
        found = [_crossing_json(each) for each in view.crossings(chosen, limit)]
        return json_response({"crossings": found, "limit": limit})

    return [
        Route("/api/v1/topology", topology, methods=["GET"]),
        Route("/api/v1/topology/crossings", crossings, methods=["GET"]),
    ]


def edge_json(view: EdgeView) -> dict[str, Any]:
    """An edge; spans of time in seconds, of latencies what is certain: so long at most, null beyond an hour."""
    edge, lately = view.edge, view.lately
    return {
        "source": view.key.source,
        "topic": view.key.topic,
        "target": view.key.target,
        "events": edge.events,
        "types": [
            {"cause": pair.cause, "effect": pair.effect, "events": reading.events}
            for pair, reading in view.types.items()
        ],
        "last": iso_time_ms(edge.last_ms or None),
        "mean_latency_seconds": round(edge.latency_seconds / edge.events, 6) if edge.events else None,
        "latency_at_most_seconds": finite(percentiles(edge)),
        "last_minute": None
        if lately is None or view.per_second is None
        else {
            "events": lately.events,
            "per_second": round(view.per_second, 3),
            "latency_at_most_seconds": finite(percentiles(lately)),
        },
    }


def _crossing_json(each: Crossing) -> dict[str, Any]:
    return {
        "at": iso_time_ms(each.at_ms or None),
        "latency_seconds": each.latency_seconds,
        "cause_type": each.cause_type,
        "effect_type": each.effect_type,
        "event_id": each.event_id,
        "subject": each.subject,
    }
