"""W3C trace context between OpenTelemetry's context and header bytes, without the detour over a propagator.

https://www.w3.org/TR/trace-context-2/
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote_plus

from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan, SpanContext, TraceFlags, TraceState

from flowtrail.wire import names
from flowtrail.wire.envelope import Envelope
from flowtrail.wire.record import Header

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?").fullmatch
_UNSAMPLED = re.compile(r"(00)-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f][02468ace])()").fullmatch
_FLAGS = [TraceFlags(flags) for flags in range(256)]
_FLAG_TEXTS = [f"{flags:02x}" for flags in range(256)]
_BAGGAGE = W3CBaggagePropagator()
_MAX_BAGGAGE_ENTRIES = 180  # https://www.w3.org/TR/baggage/, limits
_TAIL = r"[a-z0-9_\-*/]"
_KEY = rf"(?:[a-z]{_TAIL}{{0,255}}|[a-z0-9]{_TAIL}{{0,240}}@[a-z]{_TAIL}{{0,13}})"
_VALUE = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_MEMBER = re.compile(f"{_KEY}={_VALUE}").fullmatch


def span_context_of(envelope: Envelope) -> SpanContext | None:
    """The remote span that a record's headers name, None if they name none that is valid."""
    if envelope.traceparent is None:
        return None
    match = _TRACEPARENT(envelope.traceparent)
    return None if match is None else _context_of(match, envelope)


def _context_of(match: re.Match[str], envelope: Envelope) -> SpanContext | None:
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (rest and version == "00"):
        return None
    state = _trace_state(envelope.tracestate) if envelope.tracestate else None
    context = SpanContext(int(trace_id, 16), int(span_id, 16), True, _FLAGS[int(flags, 16)], state)
    return context if context.is_valid else None


class UnsampledSpan(NonRecordingSpan):
    """A remote span of a trace that nobody records; what it is called is worked out when somebody asks.

    Args:
        match: Its `traceparent`.
        envelope: Where its `tracestate` is.
    """

    _known: SpanContext | None = None

    def __init__(self, match: re.Match[str], envelope: Envelope) -> None:
        self._match = match
        self._envelope = envelope

    def get_span_context(self) -> SpanContext:
        """See OpenTelemetry."""
        if self._known is None:
            self._known = _context_of(self._match, self._envelope) or INVALID_SPAN_CONTEXT
        return self._known

    def __repr__(self) -> str:
        return f"UnsampledSpan({self.get_span_context()!r})"


def unsampled_span_of(envelope: Envelope) -> UnsampledSpan | None:
    """The remote span that a record's headers name if its trace isn't sampled, else None."""
    if envelope.traceparent is None:
        return None
    match = _UNSAMPLED(envelope.traceparent)
    return None if match is None else UnsampledSpan(match, envelope)


def _trace_state(text: str) -> TraceState | None:
    """A parsed `tracestate`; checked here first, since the SDK would log a warning for each bad one."""
    members = [member.strip(" \t") for member in text.split(",")]
    if not all(_MEMBER(member) for member in members if member):
        return None
    return TraceState.from_header([text])


def context_from_envelope(context: Context, envelope: Envelope, baggage_keys: Iterable[str] = ()) -> Context:
    """A context with the remote span and the allowed baggage of a record's headers."""
    span_context = span_context_of(envelope)
    if span_context is not None:
        context = trace.set_span_in_context(NonRecordingSpan(span_context), context)
    return with_baggage(context, envelope, frozenset(baggage_keys))


def with_baggage(context: Context, envelope: Envelope, allowed: frozenset[str]) -> Context:
    """A context with those entries of a record's baggage that may travel."""
    if not allowed or not envelope.baggage:
        return context
    for entry in envelope.baggage.split(",")[:_MAX_BAGGAGE_ENTRIES]:
        # Parsed here, since the SDK would log a warning for each bad entry.
        name, separator, value = entry.partition(";")[0].partition("=")
        key = unquote_plus(name.strip())
        if separator and key in allowed:
            context = baggage.set_baggage(key, unquote_plus(value.strip()), context)
    return context


@dataclass(slots=True)
class Unrecorded:
    """What a message carries of a span that is not recorded.

    Attributes:
        trace_id: As in `SpanContext`; likewise the rest.
        span_id: Span id.
        trace_flags: Flags.
        trace_state: Always None.
    """

    trace_id: int
    span_id: int
    trace_flags: int
    trace_state: TraceState | None = None


def trace_headers(
    span_context: SpanContext | Unrecorded | None, context: Context, allowed: frozenset[str] = frozenset()
) -> list[Header]:
    """`traceparent` and `tracestate` of a span, `baggage` of a context.

    Args:
        span_context: The span, None or invalid if there is no trace.
        context: Where the baggage is.
        allowed: Keys of the baggage entries that may travel.
    """
    headers: list[Header] = []
    if span_context is not None and _is_writable(span_context):
        headers.append((names.TRACEPARENT, format_traceparent(span_context)))
        if span_context.trace_state:
            headers.append((names.TRACESTATE, span_context.trace_state.to_header().encode()))
    if allowed:
        only = Context()
        for key, value in baggage.get_all(context).items():
            if key in allowed:
                only = baggage.set_baggage(key, value, only)
        carrier: dict[str, str] = {}
        _BAGGAGE.inject(carrier, only)
        entries = carrier.get(names.BAGGAGE, "").encode()
        if 0 < len(entries) <= names.MAX_BYTES[names.BAGGAGE]:
            headers.append((names.BAGGAGE, entries))
    return headers


def _is_writable(span_context: SpanContext | Unrecorded) -> bool:
    return 0 < span_context.trace_id < 1 << 128 and 0 < span_context.span_id < 1 << 64


def format_traceparent(span_context: SpanContext | Unrecorded) -> bytes:
    """The `traceparent` of a span, version 00."""
    return traceparent_text(span_context).encode()


def traceparent_text(span_context: SpanContext | Unrecorded) -> str:
    """`format_traceparent` as text.

    Raises:
        OverflowError: An id is longer than it may be; OpenTelemetry calls such a context invalid.
    """
    ids = (span_context.trace_id << 64 | span_context.span_id).to_bytes(24, "big")
    return f"00-{ids.hex('-', -16)}-{_FLAG_TEXTS[span_context.trace_flags & 0xFF]}"
