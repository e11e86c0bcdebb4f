"""`GET /api/v1/lag`: how far behind every group is."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.lag.view import LagView
from flowtrail_collector.web.json import ApiError, json_response, text_param

__all__ = ["lag_routes"]


def lag_routes(view: LagView) -> list[BaseRoute]:
    """The lag API on the poller's last collection.

    `GET /api/v1/lag` lists all groups, those that need attention first; `?group=NAME` shows one with its
    partitions.
    """

    def lag(request: Request) -> Response:
        """All groups, those that need attention first; one of them with its partitions.

        Query: group.
        """
        if view.collected_at is None:
            raise ApiError(503, "lag has not been collected yet")
        group = text_param(request, "group")
        if group is None:
            return json_response(view.overview())
        found = view.detail(group)
        if found is None:
            raise ApiError(404, f"no group {group!r}")
        return json_response(found)

    return [Route("/api/v1/lag", lag, methods=["GET"])]
