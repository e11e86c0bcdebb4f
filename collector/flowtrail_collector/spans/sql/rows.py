"""One span as a row of SQLite, and back."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import orjson

from flowtrail_collector.spans.model import (
    Resource,
    Span,
    SpanEvent,
    SpanKind,
    SpanLink,
    SpanStatus,
)
from flowtrail_collector.store.sql import Connection

COLUMNS = "trace_id, span_id, parent_id, resource_id, name, kind, start_ns, end_ns, status, detail"
"""What `to_span` takes, in this order."""


# The one key of an object that stands for bytes, which JSON lacks; a character that nobody's names have.
_BYTES = "\ue000bytes"


def to_json(data: Any) -> str:
    """Compact JSON; bytes become an object that `attributes_from` knows."""
    return orjson.dumps(data, default=_of_bytes).decode()


def _of_bytes(value: Any) -> dict[str, str]:
    if not isinstance(value, bytes):
        raise TypeError(f"no attribute has a {type(value).__name__}")
    return {_BYTES: base64.b64encode(value).decode()}


def attributes_from(data: dict[str, Any]) -> dict[str, Any]:
    """Attributes as they were before `to_json`."""
    for name, value in data.items():
        if type(value) is dict or type(value) is list:
            data[name] = _with_bytes(value)
    return data


def _with_bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_bytes(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and _BYTES in value:
        return base64.b64decode(value[_BYTES])
    return {name: _with_bytes(item) for name, item in value.items()}


def id_bytes(text: str, size: int) -> bytes | None:
    """A hex id as bytes, None if it isn't one of that size."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return None
    return value if len(value) == size else None


def to_row(span: Span, resource_id: int, received_s: int) -> tuple[object, ...]:
    """The values of one row of `spans`."""
    return (
        bytes.fromhex(span.trace_id),
        bytes.fromhex(span.span_id),
        bytes.fromhex(span.parent_span_id) if span.parent_span_id else None,
        resource_id,
        span.name,
        span.kind,
        span.start_ns,
        span.end_ns,
        span.status,
        received_s,
        _detail(span),
    )


def _detail(span: Span) -> str:
    detail: dict[str, Any] = {"a": span.attributes}
    if span.events:
        detail["e"] = [[event.name, event.time_ns, event.attributes] for event in span.events]
    if span.links:
        detail["l"] = [[link.trace_id, link.span_id, link.attributes] for link in span.links]
    if span.scope:
        detail["s"] = span.scope
    if span.scope_attributes:
        detail["i"] = span.scope_attributes
    if span.scope_version:
        detail["v"] = span.scope_version
    if span.status_message:
        detail["m"] = span.status_message
    if span.trace_state:
        detail["t"] = span.trace_state
    if span.flags:
        detail["f"] = span.flags
    return to_json(detail)


def read_resources(connection: Connection, ids: Iterable[int]) -> dict[int, Resource]:
    """Resources by their row id."""
    wanted = tuple(set(ids))
    marks = ",".join("?" * len(wanted))
    rows = connection.execute(
        f"SELECT id, service, attributes FROM span_resources WHERE id IN ({marks})",  # noqa: S608 - only marks
        wanted,
    )
    return {row[0]: Resource(row[1], attributes_from(orjson.loads(row[2]))) for row in rows}


def to_span(row: tuple[Any, ...], resources: dict[int, Resource]) -> Span:
    """A span from `COLUMNS`."""
    trace_id, span_id, parent_id, resource_id, name, kind, start_ns, end_ns, status, text = row
    detail = orjson.loads(text)
    return Span(
        trace_id=trace_id.hex(),
        span_id=span_id.hex(),
        parent_span_id=parent_id.hex() if parent_id else None,
        resource=resources.get(resource_id) or Resource("unknown_service"),
        name=name,
        kind=SpanKind(kind),
        start_ns=start_ns,
        end_ns=end_ns,
        status=SpanStatus(status),
        status_message=detail.get("m", ""),
        attributes=attributes_from(detail["a"]),
        events=tuple(SpanEvent(name, at, attributes_from(told)) for name, at, told in detail.get("e", ())),
        links=tuple(
            SpanLink(trace, span, attributes_from(told)) for trace, span, told in detail.get("l", ())
        ),
        scope=detail.get("s", ""),
        scope_version=detail.get("v", ""),
        trace_state=detail.get("t", ""),
        scope_attributes=attributes_from(detail.get("i") or {}),
        flags=detail.get("f", 0),
    )
