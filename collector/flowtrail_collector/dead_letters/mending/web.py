"""`/api/v1/dead-letters/TOPIC/PARTITION/OFFSET/payload` and `.../edit`.

Both are POST, so that browsers can't be led there from elsewhere, and take a role of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.dead_letters.mending.change import Change
from flowtrail_collector.dead_letters.mending.desk import Draft, MendingDesk, Payload
from flowtrail_collector.dead_letters.mending.form import MAX_TEXT_BYTES, MAX_VALUE_BYTES, Shown
from flowtrail_collector.dead_letters.model.audit import EditLine
from flowtrail_collector.dead_letters.web.json import job_json, letter_json
from flowtrail_collector.dead_letters.web.posting import posted
from flowtrail_collector.dead_letters.web.query import flag_of, place_of, reason_of
from flowtrail_collector.units import iso_time_ms
from flowtrail_collector.web.access.model import Role
from flowtrail_collector.web.callers import actor_of, only_for, remote_of
from flowtrail_collector.web.json import ApiError, json_response

__all__ = [
    "MAX_BODY_BYTES",
    "NO_PAYLOADS",
    "draft_json",
    "mending_routes",
    "payload_json",
]

MAX_BODY_BYTES = 3 * MAX_TEXT_BYTES + 65_536
"""The longest text of a value, and what quoting adds to it."""
NO_PAYLOADS = (
    "payloads can't be seen here: start the collector with --show-payloads to look at them and edit them"
)
T = TypeVar("T")
_PLACE = "/api/v1/dead-letters/{topic}/{partition}/{offset}"


def mending_routes(desk: MendingDesk | None) -> list[BaseRoute]:
    """The routes; without a desk they only say how payloads can be seen."""

    def payload(request: Request, values: Mapping[str, Any]) -> Response:
        """With `--show-payloads`, a dead letter's key, headers and decoded value; written down in the audit.

        Body: by.
        """
        asked = _enabled(desk)
        found = asked.payload(place_of(request), actor_of(request, _text(values, "by")), remote_of(request))
        return json_response(payload_json(_known(found)))

    def edit(request: Request, values: Mapping[str, Any]) -> Response:
        """With `--show-payloads`, sends a dead letter with changes (202); with `dry_run` only shows them.

        Body: value, key, headers, reason, to, dry_run, by.
        """
        asked, place, change = _enabled(desk), place_of(request), _change_of(values)
        actor = actor_of(request, _text(values, "by"))
        if flag_of(values, "dry_run"):
            return json_response(draft_json(_known(asked.review(place, change, actor, remote_of(request)))))
        return json_response(
            job_json(_known(asked.send(place, change, actor, remote_of(request))), None), 202
        )

    return [
        Route(f"{_PLACE}/payload", only_for(Role.PAYLOAD, posted(payload)), methods=["POST"]),
        Route(f"{_PLACE}/edit", only_for(Role.PAYLOAD, posted(edit, MAX_BODY_BYTES)), methods=["POST"]),
    ]


def _enabled(desk: MendingDesk | None) -> MendingDesk:
    if desk is None:
        raise ApiError(404, NO_PAYLOADS)
    return desk


def _known(found: T | None) -> T:
    if found is None:
        raise ApiError(404, "no such dead letter")
    return found


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
            "editable": form.is_editable and (payload.value_bytes or 0) <= MAX_VALUE_BYTES,
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


_NULL: dict[str, Any] = {"text": None, "encoding": "text"}


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
