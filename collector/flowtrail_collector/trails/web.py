"""`/api/v1/trails/{id}`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.trails.finder import TrailFinder
from flowtrail_collector.trails.json import found_json
from flowtrail_collector.web.json import MAX_ID_LENGTH, ApiError, json_response


def trail_routes(finder: TrailFinder) -> list[BaseRoute]:
    """The route that finds a trail by order, event, correlation or trace id."""

    def trail(request: Request) -> Response:
        """The trail of an order, event, correlation or trace id; of an id with several flows, which ones."""
        wanted = request.path_params["id"]
        if len(wanted) > MAX_ID_LENGTH:
            raise ApiError(400, f"an id has at most {MAX_ID_LENGTH} characters")
        found = finder.find(wanted)
        if found is None:
            raise ApiError(404, f"nothing is known of {wanted!r}: {finder.why_unknown()}")
        return json_response(found_json(found))

    # An id may hold slashes (`convertor` path): the services choose it, not we.
    return [Route("/api/v1/trails/{id:path}", trail, methods=["GET"])]
