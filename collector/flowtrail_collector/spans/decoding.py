"""Bodies of OTLP trace requests, protobuf or JSON, to spans.

https://opentelemetry.io/docs/specs/otlp/ : JSON is protobuf's JSON mapping, except that trace and span ids
are hex, not base64.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError as ProtobufError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flowtrail_collector.spans.broken_text import NOT_UTF_8, json_of, repaired_json, repaired_protobuf
from flowtrail_collector.spans.compression import BodyError
from flowtrail_collector.spans.messages import Decoded, to_spans
from flowtrail_collector.spans.plain import read_plain
from flowtrail_collector.spans.values import Lost

__all__ = ["Decoded", "from_json", "from_protobuf"]

# protobuf's JSON reader lets several kinds of errors through for values of unexpected types.
_UNREADABLE = (ValueError, TypeError, AttributeError, RecursionError, json_format.Error)
_UNKNOWN_FIELD = re.compile(r'no field named "([^"]{1,100})"')


def from_protobuf(body: bytes) -> Decoded:
    """Decode a binary request.

    Raises:
        BodyError: Not an `ExportTraceServiceRequest`.
    """
    if (plain := read_plain(body)) is not None:
        return plain
    request = ExportTraceServiceRequest()
    lost: Lost = set()
    try:
        try:
            request.ParseFromString(body)
        except ProtobufError:
            request.ParseFromString(repaired_protobuf(body))
            lost.add(NOT_UTF_8)
    except (ProtobufError, ValueError) as error:
        raise BodyError(400, "the body is not an ExportTraceServiceRequest in protobuf") from error
    return to_spans(request, lost)


def from_json(body: bytes) -> Decoded:
    """Decode a JSON request.

    Raises:
        BodyError: Not an `ExportTraceServiceRequest`.
    """
    lost: Lost = set()
    try:
        data, is_utf_8 = json_of(body)
        if not isinstance(data, dict):
            raise BodyError(400, "the body is not a JSON object")
        for span in _json_spans(data):
            _ids_to_base64(span)
        if not is_utf_8:
            lost.add(NOT_UTF_8)
        request = _request(data, lost)
    except BodyError:
        raise
    except _UNREADABLE as error:
        line = str(error).partition("\n")[0][:200]
        raise BodyError(400, f"the body is not an ExportTraceServiceRequest in JSON: {line}") from error
    return to_spans(request, lost)


def _request(data: dict[str, Any], lost: Lost) -> ExportTraceServiceRequest:
    try:
        return json_format.ParseDict(data, ExportTraceServiceRequest())
    except _UNREADABLE as error:
        problem = str(error)
    if (repaired := repaired_json(data)) is not None:
        lost.add(NOT_UTF_8)
        return _request(repaired, lost)
    request = json_format.ParseDict(data, ExportTraceServiceRequest(), ignore_unknown_fields=True)
    field = _UNKNOWN_FIELD.search(problem)
    what = f'the field "{field[1]}", which is' if field else "values that are"
    lost.add(f"{what} not in this version of OTLP")
    return request


def _either(data: Any, camel: str, snake: str) -> list[Any]:
    value = (data.get(camel) or data.get(snake)) if isinstance(data, dict) else None
    return value if isinstance(value, list) else []


def _json_spans(data: dict[str, Any]) -> Iterator[Any]:
    for resource_spans in _either(data, "resourceSpans", "resource_spans"):
        for scope_spans in _either(resource_spans, "scopeSpans", "scope_spans"):
            for span in _either(scope_spans, "spans", "spans"):
                yield span
                yield from _either(span, "links", "links")


def _ids_to_base64(item: Any) -> None:
    if not isinstance(item, dict):
        return
    for name in ("traceId", "trace_id", "spanId", "span_id", "parentSpanId", "parent_span_id"):
        value = item.get(name)
        if isinstance(value, str):
            try:
                item[name] = base64.b64encode(bytes.fromhex(value)).decode()
            except ValueError:
                item[name] = ""  # rejected further on, as one span, not as a whole request
