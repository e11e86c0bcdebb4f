"""`GET /api/v1/dead-letters`: list them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.dead_letters.ports import DeadLetterLists
from flowtrail_collector.dead_letters.web.json import listed_json
from flowtrail_collector.dead_letters.web.query import list_query
from flowtrail_collector.web.json import json_response

__all__ = ["dead_letter_routes"]


def dead_letter_routes(views: DeadLetterLists) -> list[BaseRoute]:
    """The route that lists dead letters."""

    def dead_letters(request: Request) -> Response:
        """Dead letters, the newest first.

        Query: topic, source, group, error, id, flow, since, until, state, limit, offset.
        """
        selection, limit, offset = list_query(request)
        found = [listed_json(letter) for letter in views.list_dead_letters(selection, limit, offset)]
        return json_response({"dead_letters": found, "limit": limit, "offset": offset})

    return [Route("/api/v1/dead-letters", dead_letters, methods=["GET"])]
