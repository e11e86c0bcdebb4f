"""`GET /api/v1/lag`: how far behind every group is."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.lag.view import LagView
from flowtrail_collector.web.json import ApiError, int_param, json_response
from flowtrail_collector.wording import did_you_mean, unmistakable

__all__ = ["lag_routes"]

_ALL = 1_000_000
_MOST_MEANT = 3


def lag_routes(view: LagView) -> list[BaseRoute]:
    """The lag API on the poller's last collection.

    `GET /api/v1/lag` lists all groups, those that need attention first (`?name=TEXT`: those with that in their name,
    `?limit=N`: so many at most); `?group=NAME` shows one with its partitions, also the one whose name is empty.
    """

    def lag(request: Request) -> Response:
        """All groups, those that need attention first; one of them with its partitions.

        Query: group, name, limit.
        """
        if view.collected_at is None:
            raise ApiError(503, "lag has not been collected yet")
        # Kafka takes any name: the empty one, and ones longer than any id.
        group = request.query_params.get("group")
        if group is None:
            limit = int_param(request, "limit", _ALL, _ALL)
            return json_response(view.overview(request.query_params.get("name"), limit))
        found = view.detail(group)
        if found is None:
            raise ApiError(404, f"no group {group!r}{_meant(view.names(), group)}")
        return json_response(found)

    return [Route("/api/v1/lag", lag, methods=["GET"])]


def _meant(names: Sequence[str], asked: str) -> str:
    """Groups that have it in their name, such as a queue without its broker; else the one that is most like it."""
    near = [name for name in names if asked and asked in name][:_MOST_MEANT]
    return f" (did you mean {' or '.join(map(unmistakable, near))}?)" if near else did_you_mean(asked, names)
