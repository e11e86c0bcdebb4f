"""`/api/v1/dead-letters`."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.dead_letters.model.record import DeadLetterFilter, DeadLetterRow
from flowtrail_collector.dead_letters.model.redrive import Letter
from flowtrail_collector.dead_letters.ports import DeadLetterLists
from flowtrail_collector.dead_letters.query import selection_of
from flowtrail_collector.units import iso_time_ms
from flowtrail_collector.web.json import ApiError, int_param, json_response

STATES = ("pending", "redriven", "quarantined", "dismissed")
MAX_LIMIT = 1_000
MAX_OFFSET = 100_000


def dead_letter_query(request: Request) -> DeadLetterFilter:
    """The filters of a request.

    Raises:
        ApiError: 400, one of them makes no sense.
    """
    selection = selection_of(request.query_params, state=None)
    if selection.state is not None and selection.state not in STATES:
        raise ApiError(400, f"state is one of {', '.join(STATES)}")
    return DeadLetterFilter(
        topic=selection.topic,
        source_topic=selection.source_topic,
        group=selection.group,
        error_type=selection.error_type,
        id=selection.id,
        flow=selection.flow,
        since_ms=selection.since_ms,
        until_ms=selection.until_ms,
        state=selection.state,
        limit=int_param(request, "limit", 50, MAX_LIMIT),
        offset=int_param(request, "offset", 0, MAX_OFFSET),
    )


def dead_letter_routes(views: DeadLetterLists) -> list[BaseRoute]:
    """The route that lists dead letters."""

    def dead_letters(request: Request) -> Response:
        """Dead letters, the newest first.

        Query: topic, source, group, error, id, flow, since, until, state, limit, offset.
        """
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


def letter_json(letter: Letter) -> dict[str, Any]:
    """Everything that is stored of a dead letter."""
    return {
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "arrived": iso_time_ms(letter.timestamp_ms),
        "event_id": letter.event_id,
        "event_type": letter.event_type,
        "subject": letter.subject,
        "correlation_id": letter.correlation_id,
        "convention": letter.convention,
        "source_topic": letter.source_topic,
        "source_partition": letter.source_partition,
        "source_offset": letter.source_offset,
        "group": letter.group,
        "attempts": letter.attempts,
        "replays": letter.replays or 0,
        "error_type": letter.error_type,
        "error_message": letter.error_message,
        "failed": iso_time_ms(letter.failed_ms if letter.failed_ms is not None else letter.timestamp_ms),
        "state": letter.state,
    }
