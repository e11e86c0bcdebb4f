"""`/api/v1/sagas` and `/api/v1/flows`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.causes import common_words
from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.lag.model.progress import GroupProgressOf
from flowtrail_collector.sagas.json import late_json, saga_json
from flowtrail_collector.sagas.model.causes import STATES as CAUSE_STATES
from flowtrail_collector.sagas.model.causes import StuckCause
from flowtrail_collector.sagas.model.filters import SagaFilter, SagaPlace
from flowtrail_collector.sagas.model.view import STATES, SagaRow
from flowtrail_collector.sagas.ports import SagaLists, SagaName
from flowtrail_collector.sagas.stuck import Reason, diagnose, diagnose_cause, stuck_reason
from flowtrail_collector.units import iso_time_ms
from flowtrail_collector.web.cursors import cursor_of, key_in
from flowtrail_collector.web.json import ApiError, bool_param, int_param, json_response, text_param
from flowtrail_collector.wording import did_you_mean, unmistakable

MAX_LIMIT = 1_000
MAX_OFFSET = 100_000
_NAMED = 20
_MOST_NAMES = 100
_MOST_CAUSES = 200


def saga_query(
    request: Request,
    known: Mapping[str, tuple[str, ...] | None],
    causes: Callable[[], Iterable[StuckCause]] = tuple,
) -> SagaFilter:
    """The filters of a request.

    Args:
        request: What is asked for.
        known: The flows there are, with the names of their steps; None for one that has left the flow file.
        causes: Why instances are stuck; asked only where one of them is asked for.

    Raises:
        ApiError: 400, one of them makes no sense, or there is no flow at all.
    """
    outcome = text_param(request, "outcome")
    if outcome is not None and outcome not in STATES:
        raise ApiError(400, f"outcome is one of {', '.join(STATES)}")
    if not known:
        raise ApiError(400, "this collector has no flow file, so there are no sagas: name one with --flows")
    flow, step = text_param(request, "flow"), text_param(request, "step")
    if flow is not None and flow not in known:
        raise ApiError(400, _no_such("flow", flow, known))
    chosen = known.values() if flow is None else [known[flow]]
    steps = dict.fromkeys(name for names in chosen for name in names or ())
    # Which steps a flow had that has left the flow file, nobody knows.
    if step is not None and step not in steps and (flow is None or known[flow] is not None):
        raise ApiError(400, _no_such("step", step, steps))
    cause = text_param(request, "cause")
    if cause is not None and cause not in (known_causes := [row.cause for row in causes()]):
        raise ApiError(400, _no_such("cause", cause, known_causes))
    return SagaFilter(
        flow=flow,
        outcome=outcome,
        step=step,
        stuck=bool_param(request, "stuck"),
        predicted=bool_param(request, "predicted"),
        cause=text_param(request, "cause"),
        limit=int_param(request, "limit", 50, MAX_LIMIT),
        offset=int_param(request, "offset", 0, MAX_OFFSET),
        after=_place(request, "after"),
        before=_place(request, "before"),
    )


def _place(request: Request, name: str) -> SagaPlace | None:
    found = key_in(request.query_params, name, (int, int, str, str))
    if found is None:
        return None
    if request.query_params.get("offset"):
        raise ApiError(400, f"{name} can't be combined with offset")
    if None in found:
        raise ApiError(400, f"{name} takes what this list says for its next page")
    return cast("SagaPlace", found)


def cause_query(request: Request, views: SagaLists) -> tuple[list[StuckCause], int]:
    """The causes that a request asks for, and how many it wants at most.

    Raises:
        ApiError: 400, one of its filters makes no sense, or there is no flow at all.
    """
    state = text_param(request, "state")
    if state is not None and state not in CAUSE_STATES:
        raise ApiError(400, f"state is one of {', '.join(CAUSE_STATES)}")
    query = saga_query(request, views.known_flows())
    limit = min(query.limit, _MOST_CAUSES)
    found = [
        row
        for row in views.stuck_causes()
        if query.flow in (None, row.flow) and query.step in (None, row.step) and state in (None, row.state)
    ]
    return found[:limit], limit


def _no_such(what: str, name: str, known: Iterable[str]) -> str:
    known = list(known)
    there = ", ".join(known[:_NAMED]) + (", ..." if len(known) > _NAMED else "") or "none"
    return f"no {what} is called {unmistakable(name)}{did_you_mean(name, known)}: there are {there}"


def saga_routes(views: SagaLists, progress_of: GroupProgressOf = lambda group: None) -> list[BaseRoute]:
    """The routes that list sagas and flows.

    Args:
        views: Where the lists come from.
        progress_of: How a consumer group is, to tell why a saga doesn't move.
    """

    def sagas(request: Request) -> Response:
        """Saga instances, those that need attention first; a stuck one says why.

        Query: flow, outcome, step, stuck, predicted, cause, limit, after, offset.
        """
        query = saga_query(request, views.known_flows(), views.stuck_causes)
        found = views.list_sagas(replace(query, limit=query.limit + 1))
        shown, more = _page(found, query.limit)
        rows = [saga_row_json(row, progress_of) for row in shown]
        return json_response({"sagas": rows, "limit": query.limit, "offset": query.offset, "next": more})

    def causes(request: Request) -> Response:
        """Why instances are stuck, the cause of the last one first: how many, since when, and one example.

        Query: flow, step, state, limit.
        """
        found, limit = cause_query(request, views)
        return json_response({"causes": [cause_json(row, progress_of) for row in found], "limit": limit})

    def flows(request: Request) -> Response:
        """The flow file as understood, with instances by outcome."""
        return json_response({"flows": [asdict(flow) for flow in views.list_flows()]})

    def search(request: Request) -> Response:
        """Instances whose order id or key begins so: for an id of which only the beginning is known.

        Query: prefix, limit.
        """
        prefix = text_param(request, "prefix")
        if prefix is None:
            raise ApiError(400, "prefix is needed: how an order id or a correlation id begins")
        limit = int_param(request, "limit", 20, _MOST_NAMES)
        return json_response({"found": [_name_json(name) for name in views.begins_with(prefix, limit)]})

    return [
        Route("/api/v1/search", search, methods=["GET"]),
        Route("/api/v1/sagas", sagas, methods=["GET"]),
        Route("/api/v1/sagas/causes", causes, methods=["GET"]),
        Route("/api/v1/flows", flows, methods=["GET"]),
    ]


def _page(found: Sequence[SagaRow], limit: int) -> tuple[Sequence[SagaRow], str | None]:
    """The rows that a page has room for, and the place behind which the next one begins if there are others."""
    shown = found[:limit]
    return shown, cursor_of(shown[-1].place) if shown and len(found) > limit else None


def _name_json(name: SagaName) -> dict[str, Any]:
    return {
        "id": name.id,
        "key": name.key,
        "flow": name.flow,
        "outcome": name.outcome,
        "started": iso_time_ms(name.started_ms),
    }


def saga_row_json(row: SagaRow, progress_of: GroupProgressOf) -> dict[str, Any]:
    """A saga of a list; a stuck one says why."""
    reason = stuck_reason(row.saga, row.dead_letters, progress_of) if row.stuck else None
    late = diagnose(row.saga, row.dead_letters, progress_of) if row.stuck else ()
    saga = saga_json(replace(row.saga, reason=reason))
    return {
        **saga,
        "stuck": row.stuck,
        "stuck_at": [late_json(item) for item in late],
        "correlation_id": row.correlation_id,
    }


def cause_json(row: StuckCause, progress_of: GroupProgressOf) -> dict[str, Any]:
    """Why some instances are stuck: what they have in common, how many there are, and the last of them."""
    found, example = diagnose_cause(row, progress_of), row.example
    blocked = found.reason is Reason.DEAD_LETTER
    letter = next(iter(example.dead_letters), None) if blocked else None
    step = row.step_view
    return {
        "cause": row.cause,
        "state": row.state,
        "flow": row.flow,
        "step": row.step or None,
        "by": found.by,
        "waits_for": row.wait.value,
        "reason": found.reason.value,
        "text": found.text,
        "error": _error_json(letter),
        "waits_for_flow": step.children[0].saga.flow if step is not None and step.children else None,
        "dead_letter_cause": (row.letter or None) if blocked else None,
        "count": row.instances,
        "first": iso_time_ms(row.first_ms),
        "last": iso_time_ms(row.last_ms),
        "last_hour": row.last_hour,
        "hour_before": row.hour_before,
        "trend": row.trend,
        "example": {
            "key": example.saga.key,
            "instance": example.saga.instance,
            "correlation_id": example.correlation_id,
            "started": iso_time_ms(example.saga.started_ms),
            "dead_letter": None
            if letter is None
            else {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset},
        },
    }


def _error_json(letter: DeadLetter | None) -> dict[str, Any] | None:
    """Of the dead letter that holds them up, in the words that all of them have in common."""
    if letter is None or not (letter.error_type or letter.error_message):
        return None
    return {"type": letter.error_type, "message": common_words(letter.error_message)}
