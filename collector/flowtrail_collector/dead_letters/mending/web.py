"""`/api/v1/dead-letters/TOPIC/PARTITION/OFFSET/payload` and `.../edit`.

Both are POST, so that the guard asks for the write token: looking at a payload is a right of those who may write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.dead_letters.mending.desk import Change, Draft, MendingDesk, Payload
from flowtrail_collector.dead_letters.mending.form import Shown
from flowtrail_collector.dead_letters.model.audit import EditLine
from flowtrail_collector.dead_letters.web.json import job_json, letter_json
from flowtrail_collector.dead_letters.web.posting import posted
from flowtrail_collector.dead_letters.web.query import flag_of, place_of, reason_of
from flowtrail_collector.units import iso_time_ms
from flowtrail_collector.web.json import ApiError, json_response
from flowtrail_collector.web.security import actor_of, remote_of

__all__ = [
    "MAX_BODY_BYTES",
    "NO_PAYLOADS",
    "draft_json",
    "mending_routes",
    "no_mending_routes",
    "payload_json",
]

MAX_BODY_BYTES = 4_194_304
"""A value of a megabyte, and what quoting adds to it."""
NO_PAYLOADS = (
    "payloads can't be seen here: start the collector with --show-payloads to look at them and edit them"
)
_PLACE = "/api/v1/dead-letters/{topic}/{partition}/{offset}"


def mending_routes(desk: MendingDesk) -> list[BaseRoute]:
    """The routes of a collector that shows payloads."""

    def payload(request: Request, values: Mapping[str, Any]) -> Response:
        """A dead letter's key, headers and decoded value, and what was edited; written down in the audit.

        Body: by.
        """
        found = desk.payload(place_of(request), actor_of(request, _text(values, "by")), remote_of(request))
        if found is None:
            raise ApiError(404, "no such dead letter")
        return json_response(payload_json(found))

    def edit(request: Request, values: Mapping[str, Any]) -> Response:
        """Sends a dead letter with changes (202 and the redrive); with `dry_run` only shows them.

        Body: value, key, headers, reason, to, dry_run, by.
        """
        place, change = place_of(request), _change_of(values)
        actor = actor_of(request, _text(values, "by"))
        if flag_of(values, "dry_run"):
            draft = desk.draft(place, change, actor)
            answer = None if draft is None else json_response(draft_json(draft))
        else:
            job = desk.send(place, change, actor, remote_of(request))
            answer = None if job is None else json_response(job_json(job, None), 202)
        if answer is None:
            raise ApiError(404, "no such dead letter")
        return answer

    return _routes(posted(payload), posted(edit, MAX_BODY_BYTES))


def no_mending_routes() -> list[BaseRoute]:
    """What a collector answers that doesn't show payloads."""

    def refused(request: Request) -> Response:
        """Payloads aren't shown; says how they are."""
        raise ApiError(404, NO_PAYLOADS)

    return _routes(refused, refused)


def _routes(payload: Any, edit: Any) -> list[BaseRoute]:
    return [
        Route(f"{_PLACE}/payload", payload, methods=["POST"]),
        Route(f"{_PLACE}/edit", edit, methods=["POST"]),
    ]


def payload_json(payload: Payload) -> dict[str, Any]:
    """What a dead letter holds, for those who may see it."""
    form = payload.form
    return {
        "dead_letter": letter_json(payload.letter),
        "key": _shown_json(payload.key),
        "headers": [{"name": name, **(_shown_json(value) or _NULL)} for name, value in payload.headers],
        "value": {
            "format": form.kind,
            "contract": form.contract_name,
            "bytes": payload.value_bytes,
            "text": payload.value.text,
            "encoding": payload.value.encoding,
            "problem": payload.value.problem,
            "editable": form.is_editable,
        },
        "problem": payload.problem,
        "edits": edits_json(payload.edits),
    }


def draft_json(draft: Draft) -> dict[str, Any]:
    """What an edit would send."""
    return {
        "changed": draft.replacement.named,
        "diff": draft.diff,
        "topic": draft.outgoing.topic,
        "partition": draft.outgoing.partition,
        "checked_by": draft.checked_by,
    }


def edits_json(edits: Sequence[EditLine]) -> list[dict[str, Any]]:
    """Who changed what of a dead letter, and why."""
    return [
        {"redrive": e.job, "at": iso_time_ms(e.at_ms), "by": e.actor, "reason": e.reason, "diff": e.diff}
        for e in edits
    ]


_NULL = {"text": None, "encoding": "text"}


def _shown_json(shown: Shown | None) -> dict[str, Any] | None:
    return None if shown is None else {"text": shown.text, "encoding": shown.encoding}


def _change_of(values: Mapping[str, Any]) -> Change:
    headers = values.get("headers", {})
    if not isinstance(headers, dict) or not all(
        text is None or isinstance(text, str) for text in headers.values()
    ):
        raise ApiError(400, "headers takes an object with a text for each name, or null to take it away")
    key = values.get("key")
    if key is not None and not isinstance(key, str):
        raise ApiError(400, "key takes a text, or null for none")
    return Change(
        reason_of(values),
        value=_text(values, "value"),
        key=[key] if "key" in values else (),
        headers=headers,
        to=_text(values, "to") or None,
    )


def _text(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    if value is not None and not isinstance(value, str):
        raise ApiError(400, f"{name} takes a text")
    return value
