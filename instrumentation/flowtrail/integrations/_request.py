"""What HTTP headers say of a flow, and the span of a request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from flowtrail._context import FLOW_KEY, FlowContext, extract, inject
from flowtrail._telemetry import Telemetry
from flowtrail._telemetry.errors import error_type_of, mark_failed
from flowtrail._telemetry.spans import SPAN_KEY, as_span_context, below, parent_in
from flowtrail.wire import Header, names

CORRELATION_HEADER = "x-correlation-id"
CAUSATION_HEADER = "x-causation-id"

_SAME = (names.TRACEPARENT, names.TRACESTATE, names.BAGGAGE)
# CloudEvents over HTTP: the event that is delivered causes what the request leads to.
_CAUSES = (CAUSATION_HEADER, "ce-id", "ce-causationid")

Pairs = Sequence[tuple[bytes, bytes]]


def flow_of(headers: Pairs, telemetry: Telemetry, correlation_header: str) -> FlowContext:
    """The flow and trace that a request's headers carry; never raises.

    Args:
        headers: Names in lower case and values, as ASGI has them.
        telemetry: Knows whose correlation headers and which baggage count.
        correlation_header: The name that counts before all others.
    """
    given = {name.decode("latin-1"): value for name, value in headers}
    found: list[Header] = [(name, given[name]) for name in _SAME if name in given]
    aliases = (alias.lower() for alias in telemetry.correlation_aliases)
    found += _first(given, (correlation_header, "ce-correlationid", *aliases), names.CORRELATION_ID)
    found += _first(given, _CAUSES, names.CAUSATION_ID)
    return extract(found, baggage_keys=telemetry.baggage_keys)


def _first(given: dict[str, bytes], candidates: Iterable[str], name: str) -> list[Header]:
    value = next((given[candidate] for candidate in candidates if candidate in given), None)
    return [] if value is None else [(name, _read(value))]


def _read(value: bytes) -> bytes:
    """An id as `in_ascii` wrote it; other percent signs are the id's own."""
    plain = unquote_to_bytes(value) if b"%" in value else value
    return value if plain.isascii() else plain


def in_ascii(identifier: str) -> str:
    """An id as an HTTP header: CloudEvents' way, percent-encoded UTF-8, where there is more than ASCII in it."""
    return identifier if identifier.isascii() else quote(identifier, safe="")


def outgoing_headers(
    headers: dict[str, str] | None = None,
    *,
    header: str = CORRELATION_HEADER,
    baggage_keys: Iterable[str] = (),
) -> dict[str, str]:
    """Headers for a call of another service over HTTP, so that what it publishes belongs to the same flow.

    Args:
        headers: Headers to add to; not mutated.
        header: The name under which the correlation id travels.
        baggage_keys: Baggage entries that may travel.

    Returns:
        The given headers with `traceparent`, `tracestate`, `baggage`, `x-correlation-id` and `x-causation-id`,
        as far as there is a flow and a trace.
    """
    renamed = {names.CORRELATION_ID: header, names.CAUSATION_ID: CAUSATION_HEADER}
    ours = {
        renamed.get(name, name): in_ascii((value or b"").decode())
        for name, value in inject(baggage_keys=baggage_keys)
    }
    given = {name: value for name, value in (headers or {}).items() if name.lower() not in ours}
    return {**given, **ours}


class RequestSpan:
    """The SERVER span of a request, for an application that nobody else traces.

    Attributes:
        context: The context to run the request in.
    """

    def __init__(self, telemetry: Telemetry, flow: FlowContext, scope: Any, traced: bool) -> None:
        self.context = flow.context
        self._span: Span | None = None
        self._method = str(scope.get("method", "WEBSOCKET"))
        if traced:
            return
        self._span, own = telemetry.starter.begin(
            self._method,
            SpanKind.SERVER,
            flow.context,
            parent_in(flow.context),
            lambda: self._attributes(flow, scope),
        )
        if self._span is not None:
            self.context = Context({**flow.context, SPAN_KEY: self._span})
        elif own is not None:
            self.context = below(flow.context, as_span_context(own))

    def _attributes(self, flow: FlowContext, scope: Any) -> dict[str, Any]:
        found = {
            "http.request.method": self._method,
            "url.path": str(scope.get("path", "")),
            "url.scheme": str(scope.get("scheme", "http")),
            "messaging.message.conversation_id": flow.correlation_id or "",
        }
        server = scope.get("server")
        if server:
            found["server.address"] = str(server[0])
        return found

    def answered(self, status: int) -> None:
        """The response has begun."""
        span = self._span
        if span is not None:
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                span.set_attribute("error.type", str(status))
                span.set_status(Status(StatusCode.ERROR))

    def end(self, scope: Any, error: BaseException | None) -> None:
        """The application has returned, or raised; the router has left the route in the scope."""
        span = self._span
        if span is None:
            return
        route = getattr(scope.get("route"), "path", None)
        if isinstance(route, str):
            span.set_attribute("http.route", route)
            span.update_name(f"{self._method} {route}")
        if isinstance(error, Exception):
            mark_failed(span, error, error_type_of(error))
        elif error is not None:
            span.set_attribute("error.type", error_type_of(error))  # the client went away: nobody's fault
        span.end()


def in_flow(context: Any) -> str:
    """The correlation id in a context that `joined` made."""
    flow: Any = context.get(FLOW_KEY)
    return str(flow.correlation_id)
