"""`/api/v1/dead-letters`."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.ports.views import DeadLetterFilter, DeadLetterRow, Views
from flowtrail_collector.web._json import ApiError, int_param, json_response, text_param
from flowtrail_collector.web.trail_json import iso_time_ms

STATES = ("pending", "redriven", "dismissed")
MAX_LIMIT = 1_000
MAX_OFFSET = 100_000


def dead_letter_query(request: Request) -> DeadLetterFilter:
    """The filters of a request.

    Raises:
        ApiError: 400, one of them makes no sense.
    """
    state = text_param(request, "state")
    if state is not None and state not in STATES:
        raise ApiError(400, f"state is one of {', '.join(STATES)}")
    return DeadLetterFilter(
        topic=text_param(request, "topic"),
        group=text_param(request, "group"),
        error_type=text_param(request, "error"),
        state=state,
        limit=int_param(request, "limit", 50, MAX_LIMIT),
        offset=int_param(request, "offset", 0, MAX_OFFSET),
    )


def dead_letter_routes(views: Views) -> list[BaseRoute]:
    """The route that lists dead letters."""

    def dead_letters(request: Request) -> Response:
        query = dead_letter_query(request)
        rows = [dead_letter_json(row) for row in views.list_dead_letters(query)]
        return json_response({"dead_letters": rows, "limit": query.limit, "offset": query.offset})

    return [Route("/api/v1/dead-letters", dead_letters, methods=["GET"])]


def dead_letter_json(row: DeadLetterRow) -> dict[str, Any]:
    """A dead letter of a list."""
    letter = row.letter
    return {
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "event_id": letter.event_id,
        "event_type": letter.event_type,
        "subject": row.subject,
        "correlation_id": row.correlation_id,
        "source_topic": letter.source_topic,
        "group": letter.group,
        "attempts": letter.attempts,
        "error_type": letter.error_type,
        "error_message": letter.error_message,
        "failed": iso_time_ms(letter.failed_ms),
        "state": letter.state,
    }
