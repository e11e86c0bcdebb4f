"""W3C trace context between OpenTelemetry's context and header bytes, without the detour over a propagator."""

from __future__ import annotations

import re
from collections.abc import Iterable

from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from flowtrail._headers import names
from flowtrail._headers.envelope import Envelope
from flowtrail._record import Header

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_BAGGAGE = W3CBaggagePropagator()


def span_context_of(envelope: Envelope) -> SpanContext | None:
    """The remote span that a record's headers name, None if they name none that is valid."""
    if envelope.traceparent is None:
        return None
    match = _TRACEPARENT.fullmatch(envelope.traceparent)
    if match is None or match[1] == "ff" or (match[1] == "00" and match[5]):
        return None
    trace_id, span_id = int(match[2], 16), int(match[3], 16)
    if not trace_id or not span_id:
        return None
    state = TraceState.from_header([envelope.tracestate]) if envelope.tracestate else None
    return SpanContext(trace_id, span_id, True, TraceFlags(int(match[4], 16) & 1), state)


def context_from_envelope(context: Context, envelope: Envelope, baggage_keys: Iterable[str] = ()) -> Context:
    """A context with the remote span and the allowed baggage of a record's headers."""
    span_context = span_context_of(envelope)
    if span_context is not None:
        context = trace.set_span_in_context(NonRecordingSpan(span_context), context)
    allowed = frozenset(baggage_keys)
    if allowed and envelope.baggage:
        received = baggage.get_all(_BAGGAGE.extract({names.BAGGAGE: envelope.baggage}, Context()))
        for key in allowed & received.keys():
            context = baggage.set_baggage(key, received[key], context)
    return context


def trace_headers(context: Context, baggage_keys: Iterable[str] = ()) -> list[Header]:
    """`traceparent`, `tracestate` and `baggage` for the span and baggage of a context."""
    headers: list[Header] = []
    span_context = trace.get_current_span(context).get_span_context()
    if span_context.is_valid:
        headers.append((names.TRACEPARENT, format_traceparent(span_context)))
        if span_context.trace_state:
            headers.append((names.TRACESTATE, span_context.trace_state.to_header().encode()))
    allowed = frozenset(baggage_keys)
    if allowed:
        kept = {key: value for key, value in baggage.get_all(context).items() if key in allowed}
        carrier: dict[str, str] = {}
        only = Context()
        for key, value in kept.items():
            only = baggage.set_baggage(key, value, only)
        _BAGGAGE.inject(carrier, only)
        if carrier:
            headers.append((names.BAGGAGE, carrier[names.BAGGAGE].encode()))
    return headers


def format_traceparent(span_context: SpanContext) -> bytes:
    """The `traceparent` of a span, version 00."""
    return b"00-%032x-%016x-%02x" % (span_context.trace_id, span_context.span_id, span_context.trace_flags)
