"""Jaeger's query API, so that Grafana's Jaeger data source and Jaeger's own UI work on the collector.

https://www.jaegertracing.io/docs/1.62/apis/#http-json-internal : times are microseconds, every answer is
`{"data", "total", "limit", "offset", "errors"}`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from fractions import Fraction
from functools import wraps
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.spans.jaeger_json import trace_json
from flowtrail_collector.spans.model import SpanKind
from flowtrail_collector.spans.ports import SpanReader, SpanSearch, TraceQuery
from flowtrail_collector.web.json import ApiError, int_param, json_response, text_param

_MAX_TRACES = 1_500
# As many as Jaeger's query service gives where nobody says how many.
_USUAL_TRACES = 100
_MAX_SPANS = 20_000
_DAY_MS = 86_400_000
# Go's time.ParseDuration, with both ways to write the micro sign; sixty digits are more than it can mean.
_PART = r"(\d{1,60}(?:\.\d{0,60})?|\.\d{1,60})(ns|us|\u00b5s|\u03bcs|ms|s|m|h)"
_DURATION_PART = re.compile(_PART, re.ASCII)
_DURATION = re.compile(rf"[-+]?(?:(?:{_PART})+|0)", re.ASCII)
_UNITS_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3_600 * 10**9}
_LONGEST_NS = 2**63 - 1
_TRACE_ID = re.compile(r"[0-9a-fA-F]{1,32}")
_LATEST_US = 2**63 // 1000


def jaeger_routes(spans: SpanReader, search: SpanSearch) -> list[BaseRoute]:
    """The routes under `/api/` that Jaeger's query service has.

    Args:
        spans: Spans by trace.
        search: Services, operations, traces by what is in them.
    """
    api = _JaegerApi(spans, search)
    pages = {
        "/api/services": api.services,
        "/api/services/{service:path}/operations": api.service_operations,
        "/api/operations": api.operations,
        "/api/traces": api.traces,
        "/api/traces/{trace_id}": api.trace,
        "/api/dependencies": api.dependencies,
    }
    return [Route(path, _in_its_words(page), methods=["GET"]) for path, page in pages.items()]


def _in_its_words(page: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Refusals look like Jaeger's, because that is where Grafana and Jaeger's own page look for the reason."""

    @wraps(page)
    def answered(request: Request) -> Response:
        try:
            return page(request)
        except ApiError as error:
            return _refusal(error.status, error.message)

    return answered


class _JaegerApi:
    def __init__(self, spans: SpanReader, search: SpanSearch) -> None:
        self._spans = spans
        self._search = search

    def services(self, request: Request) -> Response:
        """Names of the services."""
        return _answer(self._search.services())

    def service_operations(self, request: Request) -> Response:
        """Names of the operations of a service."""
        operations = self._search.operations(request.path_params["service"])
        return _answer(list(dict.fromkeys(item.name for item in operations)))

    def operations(self, request: Request) -> Response:
        """The same with their kinds.

        Query: service, spanKind.
        """
        service = text_param(request, "service")
        if service is None:
            return _refusal(400, "parameter 'service' is required")
        kind = (text_param(request, "spanKind") or "").lower()
        found = [
            {"name": item.name, "spanKind": SpanKind(item.kind).name.lower()}
            for item in self._search.operations(service)
        ]
        return _answer([item for item in found if kind in ("", item["spanKind"])])

    def traces(self, request: Request) -> Response:
        """Traces by id, or by what is in them; a search looks at the newest 50,000 spans of a service.

        Query: traceID, service, operation, tag, tags, start, end, minDuration, maxDuration, limit.
        """
        wanted = request.query_params.getlist("traceID")
        if wanted:
            ids = [_full_id(text) for text in wanted[:_MAX_TRACES]]
        else:
            service = text_param(request, "service")
            if service is None:
                return _refusal(400, "parameter 'service' is required")
            ids = self._search.find(_query(request, service))
        return _answer([trace for trace_id in ids if (trace := self._trace(trace_id))])

    def trace(self, request: Request) -> Response:
        """One trace."""
        trace = self._trace(_full_id(request.path_params["trace_id"]))
        return _answer([trace]) if trace else _refusal(404, "trace not found")

    def dependencies(self, request: Request) -> Response:
        """Calls between services.

        Query: endTs, lookback.
        """
        end_ms = int_param(request, "endTs", int(time.time() * 1000), _LATEST_US // 1000)
        lookback_ms = int_param(request, "lookback", _DAY_MS, _LATEST_US // 1000)
        calls = self._search.calls(max(0, end_ms - lookback_ms) * 1_000_000, end_ms * 1_000_000)
        return _answer(
            [{"parent": item.caller, "child": item.callee, "callCount": item.calls} for item in calls]
        )

    def _trace(self, trace_id: str) -> dict[str, Any] | None:
        spans = self._spans.spans([trace_id], _MAX_SPANS + 1)
        if not spans:
            return None
        cut = f"the trace has more than {_MAX_SPANS} spans: the first ones are shown"
        return trace_json(trace_id, spans[:_MAX_SPANS], [cut] if len(spans) > _MAX_SPANS else None)


def _answer(data: list[Any]) -> Response:
    return json_response({"data": data, "total": len(data), "limit": 0, "offset": 0, "errors": None})


def _refusal(status: int, message: str) -> Response:
    error = {"code": status, "msg": message}
    return json_response({"data": None, "total": 0, "limit": 0, "offset": 0, "errors": [error]}, status)


def _full_id(text: str) -> str:
    if not _TRACE_ID.fullmatch(text):
        raise ApiError(400, "a trace id has 1 to 32 hexadecimal digits")
    return text.lower().rjust(32, "0")


def _query(request: Request, service: str) -> TraceQuery:
    end_us = int_param(request, "end", _LATEST_US, _LATEST_US)
    operation = text_param(request, "operation")
    query = TraceQuery(
        service=service,
        operation=None if operation == "all" else operation,
        tags=_tags(request),
        start_ns=int_param(request, "start", 0, _LATEST_US) * 1000,
        end_ns=end_us * 1000,
        least_ns=_duration(request, "minDuration"),
        most_ns=_duration(request, "maxDuration"),
        limit=int_param(request, "limit", _USUAL_TRACES, _MAX_TRACES) or _USUAL_TRACES,
    )
    if query.least_ns is not None and query.most_ns is not None and query.most_ns < query.least_ns:
        raise ApiError(400, "maxDuration is less than minDuration")
    return query


def _tags(request: Request) -> tuple[tuple[str, str], ...]:
    pairs: dict[str, str] = {}
    for text in request.query_params.getlist("tag"):
        name, colon, value = text.partition(":")
        if not colon:
            raise ApiError(400, "tag takes name:value")
        pairs[name] = value
    for text in request.query_params.getlist("tags"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise ApiError(400, "tags takes a JSON object of texts")
        pairs |= found
    return tuple(sorted(pairs.items()))


def _duration(request: Request, name: str) -> int | None:
    text = text_param(request, name)
    if text is None:
        return None
    took = sum(Fraction(number) * _UNITS_NS[unit.replace("\u00b5", "u").replace("\u03bc", "u")]
               for number, unit in _DURATION_PART.findall(text))  # fmt: skip
    if not _DURATION.fullmatch(text) or took > _LONGEST_NS:
        raise ApiError(400, f"{name} takes a duration such as 1.2s, 100ms, 1m30s")
    return -int(took) if text.startswith("-") else int(took)
