"""Which dead letters somebody asks for: the same names in queries, JSON bodies, forms and on the command line."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from starlette.requests import Request

from flowtrail_collector.dead_letters.lists import DeadLetterLists
from flowtrail_collector.dead_letters.model.letter import PENDING, STATES, LetterKey, Place, Selection
from flowtrail_collector.dead_letters.ports import DEFAULT_REPLAY_LIMIT, Order
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.units import iso_time_ms, parse_duration
from flowtrail_collector.web.cursors import key_in
from flowtrail_collector.web.json import MAX_ID_LENGTH, ApiError, int_param
from flowtrail_collector.wording import unmistakable

__all__ = [
    "FIELDS",
    "check_listed",
    "dismissal_of",
    "flag_of",
    "key_of",
    "list_query",
    "note_of",
    "order_of",
    "place_of",
    "query_of",
    "reason_of",
    "selection_of",
]

FIELDS = (
    "topic", "partition", "offset", "source", "group", "error", "cause", "id", "flow", "since", "until", "state",
)  # fmt: skip
_MAX_INT = 2**63 - 1
_MAX_NOTE = 1_000
_MAX_LIMIT = 1_000
_MAX_OFFSET = 100_000
Values = Mapping[str, Any]


def selection_of(values: Values, *, state: str | None = PENDING) -> Selection:
    """The selection that these values make.

    Args:
        values: Texts, or JSON values; empty ones count as absent. `since` and `until` are RFC 3339, or so
            long ago (`2h`).
        state: Where none is named.

    Raises:
        ApiError: 400, one of them makes no sense.
    """
    return Selection(
        topic=_text(values, "topic"),
        partition=_whole(values, "partition"),
        offset=_whole(values, "offset"),
        source_topic=_text(values, "source"),
        group=_text(values, "group"),
        error_type=_text(values, "error"),
        id=_text(values, "id"),
        flow=_text(values, "flow"),
        since_ms=_moment_ms(values, "since"),
        until_ms=_moment_ms(values, "until"),
        state=_state(values) or state,
        cause=_text(values, "cause"),
        as_of=_whole(values, "as_of"),
    )


def check_listed(selection: Selection, lists: DeadLetterLists) -> None:
    """Refuse a cause that no dead letter has, whatever became of it, and a flow that there isn't: nothing would match.

    Raises:
        ApiError: 400, says which there are.
    """
    cause, flow, known = selection.cause, selection.flow, lists.known_flows()
    if cause is not None and not lists.list_dead_letters(Selection(cause=cause, state=None), 1):
        raise ApiError(
            400, f"no cause of dead letters is called {unmistakable(cause)}: flowtrail dlq causes lists them"
        )
    if flow is not None and known and flow not in known:
        there = ", ".join(map(unmistakable, known))
        raise ApiError(400, f"no flow is called {unmistakable(flow)}: there are {there}")


def list_query(request: Request) -> tuple[Selection, int, int]:
    """The selection, limit and offset of a list; its `offset` is where the page begins, not a place.

    Raises:
        ApiError: 400, one of them makes no sense.
    """
    selection = selection_of(request.query_params, state=None)
    limit = int_param(request, "limit", 50, _MAX_LIMIT)
    offset = int_param(request, "offset", 0, _MAX_OFFSET)
    return replace(selection, partition=None, offset=None), limit, offset


def key_of(request: Request, name: str) -> LetterKey | None:
    """The dead letter next to which a page begins; None if none is named.

    Raises:
        ApiError: 400, it isn't one that a list has given, or there is an offset, too.
    """
    found = key_in(request.query_params, name, (int, int, str, int))
    if found is None:
        return None
    if request.query_params.get("offset"):
        raise ApiError(400, f"{name} can't be combined with offset")
    moment, *rest = found
    if None in rest:
        raise ApiError(400, f"{name} takes what this list says for its next page")
    return cast("LetterKey", (moment, *rest))


def order_of(values: Values, actor: str) -> Order:
    """The redrive that these values ask for.

    Raises:
        ApiError: 400, one of them makes no sense.
    """
    limit = _whole(values, "replay_limit")
    return Order(
        selection_of(values),
        to=_text(values, "to"),
        rate=_number(values, "rate"),
        replay_limit=DEFAULT_REPLAY_LIMIT if limit is None else limit,
        actor=actor,
        expected_total=_whole(values, "expected_total"),
    )


def dismissal_of(values: Values, actor: str) -> Order:
    """What these values ask to dismiss.

    Raises:
        ApiError: 400, one of them makes no sense.
    """
    return Order(selection_of(values), actor=actor, expected_total=_whole(values, "expected_total"))


def query_of(selection: Selection) -> dict[str, str]:
    """A selection as the values it is made of."""
    values = {**selection.named, "state": selection.state}
    for name in ("since", "until"):
        moment = values.pop(f"{name}_ms", None)
        values[name] = None if moment is None else iso_time_ms(int(moment))
    return {name: str(values[name]) for name in FIELDS if values.get(name) is not None}


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
    return _said(values.get("note"), "note")


def reason_of(values: Mapping[str, Any]) -> str:
    """Why something is edited.

    Raises:
        ApiError: 400, it isn't said.
    """
    return _said(values.get("reason"), "reason")


def _said(text: Any, name: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ApiError(400, f"{name} is required: it says why")
    _check_storable(text, name)
    return text.strip()[:_MAX_NOTE]


def _check_storable(text: str, name: str) -> None:
    """No database keeps a zero byte, or half of a surrogate pair."""
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ApiError(400, f"{name} can't contain that")


def _text(values: Values, name: str) -> str | None:
    value = values.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ApiError(400, f"{name} takes a text")
    if len(value) > MAX_ID_LENGTH:
        raise ApiError(400, f"{name} is too long")
    _check_storable(value, name)
    return value


def flag_of(values: Values, name: str) -> bool:
    """A yes or no; absent is no.

    Raises:
        ApiError: 400, it is neither: what somebody meant by "true" must not count as no.
    """
    value = values.get(name)
    if value is not None and not isinstance(value, bool):
        raise ApiError(400, f"{name} takes true or false")
    return value is True


def _state(values: Values) -> str | None:
    state = _text(values, "state")
    if state is not None and state not in STATES:
        raise ApiError(400, f"state is one of {', '.join(STATES)}")
    return state


def _whole(values: Values, name: str) -> int | None:
    value = values.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 18:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_INT:
        raise ApiError(400, f"{name} takes a whole number, 0 or more")
    return value


def _number(values: Values, name: str) -> float:
    value = values.get(name)
    if value is None or value == "":
        return 0.0
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ApiError(400, f"{name} takes a number, 0 or more")
    return number


def _moment_ms(values: Values, name: str, now: Callable[[], float] = time.time) -> int | None:
    text = _text(values, name)
    if text is None:
        return None
    try:
        return max(0, int((now() - parse_duration(text)) * 1000))
    except (ConfigurationError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ApiError(400, f"{name} needs its offset from UTC, such as 2026-01-31T12:00:00Z")
        return max(0, int(moment.timestamp() * 1000))
    except (ValueError, OverflowError):
        raise ApiError(
            400, f"{name} takes a time such as 2026-01-31T12:00:00Z, or how long ago: 2h"
        ) from None
