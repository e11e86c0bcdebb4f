"""Traces in the JSON of Jaeger's query API.

Field by field what Jaeger 1.62 answers for the same OTLP (its translator is
`pkg/translator/jaeger` of opentelemetry-collector-contrib): kinds, status, scope and trace state become tags,
links become `FOLLOWS_FROM` references. Attributes of scopes, schema URLs and the numbers of what was dropped, which it
drops, are tags here, too; flags are shown by neither. Only its tag `internal.span.format` and its warnings about clocks
are left out.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from flowtrail_collector.spans.attributes import DROPPED_ATTRIBUTES, SCHEMA_URL
from flowtrail_collector.spans.model import Attributes, AttributeValue, Resource, Span, SpanKind, SpanStatus

# Beyond it, scripts lose digits; Jaeger writes such numbers as text, for they are often ids.
_MAX_SAFE_INT = 2**53 - 1
_EXPONENT_ZERO = re.compile(r"(\de[-+])0+(?=\d)")


def short_id(trace_id: str) -> str:
    """A trace id as Jaeger writes it: 16 digits if the upper 64 bits are 0, else 32."""
    return trace_id.removeprefix("0" * 16)


def trace_json(trace_id: str, spans: Iterable[Span], warnings: list[str] | None = None) -> dict[str, Any]:
    """One trace with its spans, the processes that emitted them, and what is missing."""
    processes: dict[int, str] = {}
    shown: dict[str, Any] = {}
    rows = []
    for span in spans:
        key = processes.get(id(span.resource))
        if key is None:
            key = processes[id(span.resource)] = f"p{len(processes) + 1}"
            shown[key] = _process(span.resource)
        rows.append(_span(span, key))
    return {"traceID": short_id(trace_id), "spans": rows, "processes": shown, "warnings": warnings}


def tag_texts(span: Span) -> Iterator[tuple[str, str]]:
    """The tags that a search looks at, as texts: the span's, its process', and the fields of its logs."""
    shown = _span(span, "")
    logs = (field for log in shown["logs"] for field in log["fields"])
    for tag in (*shown["tags"], *_process(span.resource)["tags"], *logs):
        yield tag["key"], _tag_text(tag["type"], tag["value"])


def _tag_text(kind: str, value: Any) -> str:
    if kind == "binary":
        return base64.b64decode(value or "").hex()
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, ".10g") if isinstance(value, float) else str(value)


def _process(resource: Resource) -> dict[str, Any]:
    tags = {name: value for name, value in resource.attributes.items() if name != "service.name"}
    return {"serviceName": resource.service, "tags": list(_tags(tags))}


def _span(span: Span, process: str) -> dict[str, Any]:
    return {
        "traceID": short_id(span.trace_id),
        "spanID": span.span_id,
        "operationName": span.name,
        "references": list(_references(span)),
        "startTime": span.start_ns // 1000,
        "duration": (span.end_ns - span.start_ns) // 1000,
        "tags": [
            *_tags(dict(_scope_tags(span))),
            *_tags(span.attributes),
            *_tags(dict(_status_tags(span))),
        ],
        "logs": [
            {
                "timestamp": event.time_ns // 1000,
                "fields": list(_tags({"event": event.name, **event.attributes})),
            }
            for event in span.events
        ],
        "processID": process,
        "warnings": None,
    }


def _references(span: Span) -> Iterator[dict[str, str]]:
    kinds: dict[tuple[str, str], str] = {}
    if span.parent_span_id:
        kinds[span.trace_id, span.parent_span_id] = "CHILD_OF"
    for link in span.links:
        is_child = link.attributes.get("opentracing.ref_type") == "child_of"
        kinds[link.trace_id, link.span_id] = "CHILD_OF" if is_child else "FOLLOWS_FROM"
    for (trace_id, span_id), kind in kinds.items():
        yield {"refType": kind, "traceID": short_id(trace_id), "spanID": span_id}


def _scope_tags(span: Span) -> Iterator[tuple[str, AttributeValue]]:
    if span.scope:
        yield "otel.scope.name", span.scope
    if span.scope_version:
        yield "otel.scope.version", span.scope_version
    for name, value in span.scope_attributes.items():
        told = name in (SCHEMA_URL, DROPPED_ATTRIBUTES)
        yield f"otel.scope.{name.removeprefix('otel.') if told else f'attributes.{name}'}", value


def _status_tags(span: Span) -> Iterator[tuple[str, AttributeValue]]:
    if span.kind is not SpanKind.UNSPECIFIED:
        yield "span.kind", span.kind.name.lower()
    if span.status is SpanStatus.ERROR:
        yield "otel.status_code", "ERROR"
        yield "error", True
    elif span.status is SpanStatus.OK:
        yield "otel.status_code", "OK"
    if span.status_message:
        yield "otel.status_description", span.status_message
    if span.trace_state:
        yield "w3c.tracestate", span.trace_state


def _tags(attributes: Attributes) -> Iterator[dict[str, Any]]:
    for name, value in attributes.items():
        if isinstance(value, bool):
            yield {"key": name, "type": "bool", "value": value}
        elif isinstance(value, int):
            safe = abs(value) <= _MAX_SAFE_INT
            yield {"key": name, "type": "int64", "value": value if safe else str(value)}
        elif isinstance(value, float):
            yield {"key": name, "type": "float64", "value": value}
        elif isinstance(value, str):
            yield {"key": name, "type": "string", "value": value}
        elif isinstance(value, bytes):
            yield {"key": name, "type": "binary", "value": base64.b64encode(value).decode() or None}
        elif value is None:
            yield {"key": name, "type": "string", "value": ""}
        else:
            yield {"key": name, "type": "string", "value": _go_json(value)}


def _go_json(value: AttributeValue) -> str:
    """JSON as Go writes it, which is how Jaeger shows lists and maps."""
    if isinstance(value, list):
        return f"[{','.join(map(_go_json, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{_go_json(name)}:{_go_json(item)}' for name, item in sorted(value.items()))}}}"
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < 1e21
        return str(int(value)) if whole else _EXPONENT_ZERO.sub(r"\1", repr(value))
    if isinstance(value, bytes):
        value = base64.b64encode(value).decode() or None
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        for char in "<>&\u2028\u2029":
            text = text.replace(char, f"\\u{ord(char):04x}")
    return text
