"""`/api/v1/dead-letters/...` and `/api/v1/redrives`: look at one, send back, dismiss."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail.wire import Header
from flowtrail_collector.dead_letters.desk import Dossier, RedriveDesk
from flowtrail_collector.dead_letters.model.redrive import Place
from flowtrail_collector.dead_letters.ports import AuditLine, Job, WriteLine
from flowtrail_collector.dead_letters.query import order_of, query_of, selection_of
from flowtrail_collector.dead_letters.web import letter_json
from flowtrail_collector.errors import CollectorError, ConfigurationError
from flowtrail_collector.units import iso_time_ms
from flowtrail_collector.web.json import ApiError, int_param, json_response, text_param
from flowtrail_collector.web.security import actor_of, remote_of

__all__ = ["audit_json", "dossier_json", "job_json", "place_of", "redrive_routes"]

MAX_LIMIT = 1_000
_MAX_BODY_BYTES = 65_536
_MAX_HEADER_CHARACTERS = 4_096
_MAX_NOTE = 1_000
Problem = Callable[[], str | None]


def redrive_routes(desk: RedriveDesk, problem: Problem = lambda: None) -> list[BaseRoute]:
    """Routes of the dead letter desk.

    Args:
        desk: What they ask.
        problem: Why redrives don't get on at present.
    """

    def show(request: Request) -> Response:
        """Everything about one dead letter: headers, key, what was done with it; never its payload."""
        dossier = desk.show(place_of(request))
        if dossier is None:
            raise ApiError(404, "no such dead letter")
        return json_response(dossier_json(dossier))

    def find(request: Request) -> Response:
        """The dead letters of an event, a flow or an order.

        Query: id, limit.
        """
        letters = desk.find(_wanted(request), int_param(request, "limit", 20, MAX_LIMIT))
        return json_response({"dead_letters": [letter_json(letter) for letter in letters]})

    def redrive(request: Request, values: Mapping[str, Any]) -> Response:
        """Starts a redrive (202); with `dry_run` only counts what it would do.

        Body: topic, partition, offset, source, group, error, id, flow, since, until, state, all, to, rate, replay_limit, dry_run, by.
        """
        order = order_of(values, actor_of(request, _by(values)))
        if values.get("dry_run") is True:
            return json_response(desk.survey(order))
        if order.selection.is_everything and values.get("all") is not True:
            raise ApiError(400, 'that would be every dead letter: say which ones, or "all": true')
        return json_response(job_json(desk.start(order, remote_of(request)), problem()), 202)

    def dismiss(request: Request, values: Mapping[str, Any]) -> Response:
        """Marks dead letters as dealt with; with `dry_run` only counts them.

        Body: topic, partition, offset, source, group, error, id, flow, since, until, state, all, note, dry_run, by.
        """
        selection = selection_of(values)
        if values.get("dry_run") is True:
            return json_response({"matching": desk.count(selection)})
        if selection.is_everything and values.get("all") is not True:
            raise ApiError(400, 'that would be every dead letter: say which ones, or "all": true')
        note = note_of(values)
        dismissed = desk.dismiss(selection, actor_of(request, _by(values)), note, remote_of(request))
        return json_response({"dismissed": dismissed})

    def jobs(request: Request) -> Response:
        """Redrives, the newest first.

        Query: limit.
        """
        found = desk.jobs(int_param(request, "limit", 20, MAX_LIMIT))
        return json_response({"redrives": [job_json(job, problem()) for job in found]})

    def job(request: Request) -> Response:
        """How far a redrive is."""
        found = desk.job(request.path_params["id"][:64])
        if found is None:
            raise ApiError(404, "no such redrive")
        return json_response(job_json(found, problem()))

    def cancel(request: Request, values: Mapping[str, Any]) -> Response:
        """Ends a redrive after the batch under way.

        Body: by.
        """
        actor = actor_of(request, _by(values))
        found = desk.cancel(request.path_params["id"][:64], actor, remote_of(request))
        if found is None:
            raise ApiError(404, "no such redrive")
        return json_response(job_json(found, problem()))

    def audit(request: Request) -> Response:
        """What was asked for by whom, and where each dead letter went.

        Query: redrive, limit.
        """
        limit = int_param(request, "limit", 50, MAX_LIMIT)
        lines = desk.audit(limit, text_param(request, "redrive"))
        return json_response(
            {
                "moved": [audit_json(line) for line in lines],
                "writes": [write_json(line) for line in desk.writes(limit)],
            }
        )

    letters, redrives = "/api/v1/dead-letters", "/api/v1/redrives"
    return [
        Route(f"{letters}/find", find, methods=["GET"]),
        Route(f"{letters}/audit", audit, methods=["GET"]),
        Route(f"{letters}/redrive", _posted(redrive), methods=["POST"]),
        Route(f"{letters}/dismiss", _posted(dismiss), methods=["POST"]),
        Route(letters + "/{topic}/{partition}/{offset}", show, methods=["GET"]),
        Route(redrives, jobs, methods=["GET"]),
        Route(redrives + "/{id}", job, methods=["GET"]),
        Route(redrives + "/{id}/cancel", _posted(cancel), methods=["POST"]),
    ]


def place_of(request: Request) -> Place:
    """The place in a path.

    Raises:
        ApiError: 404, there can't be such a place.
    """
    params = request.path_params
    numbers = params["partition"], params["offset"]
    if len(params["topic"]) > 249 or not all(n.isascii() and n.isdecimal() and len(n) <= 18 for n in numbers):
        raise ApiError(404, "no such dead letter: a place is TOPIC/PARTITION/OFFSET")
    return params["topic"], int(numbers[0]), int(numbers[1])


def note_of(values: Mapping[str, Any]) -> str:
    """Why something is dismissed.

    Raises:
        ApiError: 400, it isn't said.
    """
    note = values.get("note")
    if not isinstance(note, str) or not note.strip():
        raise ApiError(400, "note says why: it is needed")
    return note.strip()[:_MAX_NOTE]


def job_json(job: Job, problem: str | None) -> dict[str, Any]:
    """A redrive and how far it has got."""
    order = job.order
    return {
        "id": job.id,
        "state": job.state.value,
        "problem": problem if job.state.value == "running" else None,
        "total": job.total,
        "redriven": job.redriven,
        "quarantined": job.quarantined,
        "refused": job.refused,
        "left": job.left,
        "refusals": [{"name": name, "count": count} for name, count in job.refusals.items()],
        "selection": query_of(order.selection),
        "to": order.to,
        "rate": order.rate or None,
        "replay_limit": order.replay_limit,
        "by": order.actor,
        "created": iso_time_ms(job.created_ms),
        "updated": iso_time_ms(job.updated_ms),
        "ended": iso_time_ms(job.ended_ms),
    }


def audit_json(line: AuditLine) -> dict[str, Any]:
    """A line of the audit of dead letters."""
    return {
        "at": iso_time_ms(line.at_ms),
        "redrive": line.job,
        "by": line.actor,
        "action": line.action,
        "topic": line.topic,
        "partition": line.partition,
        "offset": line.offset,
        "event_id": line.event_id,
        "target_topic": line.target_topic,
        "target_partition": line.target_partition,
        "target_offset": line.target_offset,
        "replays": line.replays,
        "note": line.note or None,
    }


def write_json(line: WriteLine) -> dict[str, Any]:
    """A line of the audit of writes."""
    return {"at": iso_time_ms(line.at_ms), "by": line.actor, "from": line.remote, "action": line.action,
            "detail": line.detail}  # fmt: skip


def dossier_json(dossier: Dossier) -> dict[str, Any]:
    """Everything about one dead letter; never its payload."""
    record = dossier.record
    found: dict[str, Any] = {"record": None, "problem": dossier.problem}
    if record is not None:
        found["record"] = {
            "timestamp": iso_time_ms(record.timestamp_ms),
            "key": shown(record.key),
            "key_bytes": None if record.key is None else len(record.key),
            "value_bytes": None if record.value is None else len(record.value),
            "headers": [header_json(header) for header in record.headers],
        }
    history = [audit_json(line) for line in dossier.history]
    return {"dead_letter": letter_json(dossier.letter), **found, "history": history}


def header_json(header: Header) -> dict[str, Any]:
    """A header for people: text where it is text, else hexadecimal."""
    name, value = header
    return {"name": name, "value": shown(value), "bytes": None if value is None else len(value)}


def shown(value: bytes | None) -> str | None:
    """Bytes as people read them."""
    if value is None:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = ""
    if (text or not value) and all(char.isprintable() or char in "\n\t\r" for char in text):
        return text[:_MAX_HEADER_CHARACTERS]
    return "0x" + value[: _MAX_HEADER_CHARACTERS // 2].hex()


def checked(call: Callable[[], Response]) -> Response:
    """The answer, with the collector's own errors as answers.

    Raises:
        ApiError: 400 for nonsense, 503 where Kafka or the store doesn't answer.
    """
    try:
        return call()
    except ConfigurationError as error:
        raise ApiError(400, str(error)) from None
    except CollectorError as error:
        raise ApiError(503, str(error)) from None


def _posted(
    handle: Callable[[Request, Mapping[str, Any]], Response],
) -> Callable[[Request], Awaitable[Response]]:
    @wraps(handle)
    async def endpoint(request: Request) -> Response:
        values = await _body(request)
        return await run_in_threadpool(checked, lambda: handle(request, values))

    return endpoint


async def _body(request: Request) -> Mapping[str, Any]:
    # No form of another site can send this type without being asked first (CORS), and nobody gets a yes.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ApiError(415, "send JSON: Content-Type: application/json")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise ApiError(413, "the request is too large")
    try:
        values = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise ApiError(400, "that isn't JSON") from None
    if not isinstance(values, dict):
        raise ApiError(400, "send a JSON object")
    return values


def _by(values: Mapping[str, Any]) -> str | None:
    by = values.get("by")
    return by if isinstance(by, str) else None


def _wanted(request: Request) -> str:
    wanted = text_param(request, "id")
    if wanted is None:
        raise ApiError(400, "id is needed: of an event, a flow or an order")
    return wanted
