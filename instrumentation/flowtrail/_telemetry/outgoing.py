"""One message on its way out: from the call to the broker's acknowledgement."""

from __future__ import annotations

from logging import ERROR, INFO
from typing import Any, NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from flowtrail._telemetry import attributes
from flowtrail._telemetry.errors import error_type_of, failure_text, mark_failed
from flowtrail._telemetry.logs import PUBLISH, PUBLISH_LEVELS, report
from flowtrail._telemetry.reporter import Reporter
from flowtrail._telemetry.routes import SendRoute
from flowtrail._telemetry.spans import MessageSpan, TraceContext, parent_in
from flowtrail.wire import Envelope, Header, names
from flowtrail.wire.tracecontext import format_traceparent, span_context_of, trace_headers, traceparent_text


class _Place(NamedTuple):
    partition: int | None
    offset: int | None


class OutgoingMessage:
    """A message under way to the broker, the first of its flow; `MessageTracer.start` makes it.

    Attributes:
        headers: What to hand to the client; a list of its own.
        event_id: The event's `ce_id`.
        correlation_id: Id of the flow it belongs to.
        causation_id: Id of the event that caused it, None at the start of a flow.
        type: Event type, None for a message that is no event (likewise subject, causation and size, which only
            an `OutgoingEvent` has).
        subject: Aggregate id.
        route: What is the same for all messages of its topic.
        span: The send span; None if nothing is recorded.
        trace_context: The trace that it carries; None if there is none.
        value_size: Payload size in bytes, None if unknown.
        error_type: What went wrong, once it has ended; empty if nothing did.
        seconds: How long it took, once it has ended.
    """

    __slots__ = (
        "_failure",
        "_key",
        "_over",
        "_place",
        "_reporter",
        "_started_ns",
        "_tombstone",
        "error_type",
        "event_id",
        "headers",
        "route",
        "seconds",
        "span",
        "trace_context",
    )  # fmt: skip

    headers: list[Header]
    event_id: str
    error_type: str
    seconds: float
    causation_id: str | None = None
    type: str | None = None
    subject: str | None = None
    value_size: int | None = None

    def __init__(self, reporter: Reporter, route: SendRoute, key: object, tombstone: bool) -> None:
        self._reporter = reporter
        self.route = route
        self._key = key
        self._tombstone = tombstone
        self._over = False
        self.span: Span | None = None
        self.trace_context: TraceContext | None = None
        self._started_ns = reporter.monotonic_ns()

    @property
    def correlation_id(self) -> str:
        """See `OutgoingMessage`."""
        return self.event_id

    @property
    def topic(self) -> str:
        """Where it goes."""
        return self.route.topic

    def trace(self, current: Context, ours: list[Header], carried: Envelope | None = None) -> None:
        """Start its span below the one in a context, else below the one it carries; adds the span's headers."""
        reporter = self._reporter
        try:
            wire = self._begin(current, carried)
            if reporter.baggage_keys:
                ours.extend(trace_headers(wire, current, reporter.baggage_keys))
            elif wire is not None:
                ours.append((names.TRACEPARENT, format_traceparent(wire)))
                if wire.trace_state:
                    ours.append((names.TRACESTATE, wire.trace_state.to_header().encode()))
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            reporter.internal_error("sending", failure)

    def trace_as_text(self, current: Context, table: dict[str, Any]) -> None:
        """`trace` without baggage, into a table of headers that are text."""
        try:
            wire = self._begin(current, None)
            if wire is not None:
                table[names.TRACEPARENT] = traceparent_text(wire)
                if wire.trace_state:
                    table[names.TRACESTATE] = wire.trace_state.to_header()
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            self._reporter.internal_error("sending", failure)

    def _begin(self, current: Context, carried: Envelope | None) -> TraceContext | None:
        parent = parent_in(current) if current else None
        if parent is None and carried is not None:
            parent = span_context_of(carried)
        self.span, wire = self._reporter.starter.begin(
            self.route.span_name, SpanKind.PRODUCER, current, parent, self.attributes
        )
        self.trace_context = wire
        return wire

    def attributes(self) -> dict[str, Any]:
        """The send span's attributes at its start."""
        found = {
            **self.route.attributes,
            attributes.MESSAGE_ID: self.event_id,
            attributes.CONVERSATION_ID: self.correlation_id,
        }
        if self.type is not None:
            found[attributes.EVENT_TYPE] = self.type
        if self.subject is not None:
            found[attributes.EVENT_SUBJECT] = self.subject
        if self.causation_id is not None:
            found[attributes.CAUSATION_ID] = self.causation_id
        if self.value_size is not None:
            found[attributes.BODY_SIZE] = self.value_size
        if self.route.is_log:
            if self._key is not None:
                found[attributes.KAFKA_KEY] = attributes.key_text(self._key)
            if self._tombstone:
                found[attributes.KAFKA_TOMBSTONE] = True
        elif self.type is not None:
            found[attributes.RABBITMQ_ROUTING_KEY] = self.type
        elif isinstance(self._key, str):
            found[attributes.RABBITMQ_ROUTING_KEY] = self._key
        return found

    def done(self, partition: int | None = None, offset: int | None = None) -> None:
        """The broker acknowledged it; from any thread, only the first call counts, never raises."""
        self.acked(_Place(partition, offset))

    def acked(self, metadata: Any) -> None:
        """`done` as a callback that takes a client's record metadata: its `partition` and `offset`."""
        if self._over:
            return
        self._over = True
        self._place = metadata
        self.error_type = ""
        reporter = self._reporter
        try:
            seconds = self.seconds = (reporter.monotonic_ns() - self._started_ns) / 1e9
            if self.span is not None:
                self._end_span(self.span, None, "")
            route = self.route
            route.pending.append(seconds)
            if len(route.pending) >= route.many:
                route.settle()
            if PUBLISH_LEVELS.get(INFO) or PUBLISH.isEnabledFor(INFO):
                report(PUBLISH, INFO, reporter.time_ns(), self)
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            reporter.internal_error("sending", failure)

    def fail(self, error: BaseException | str) -> None:
        """It failed; from any thread, only the first call counts, never raises."""
        if self._over:
            return
        self._over = True
        self._place = None
        reporter = self._reporter
        try:
            self.seconds = (reporter.monotonic_ns() - self._started_ns) / 1e9
            kind = self.error_type = error_type_of(error)
            if self.span is not None:
                self._end_span(self.span, error, kind)
            self.route.record_failure(self.seconds, kind)
            if PUBLISH.isEnabledFor(ERROR):
                self._failure = failure_text(error)
                report(PUBLISH, ERROR, reporter.time_ns(), self)
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            reporter.internal_error("sending", failure)

    def _end_span(self, span: Span, error: BaseException | str | None, kind: str) -> None:
        partition = getattr(self._place, "partition", None)
        offset = getattr(self._place, "offset", None)
        if type(span) is MessageSpan:
            put = span.put
        elif span.is_recording():
            put = span.set_attribute
        else:
            span.end()
            return
        if partition is not None:
            put(attributes.PARTITION, str(partition))
        if offset is not None and offset >= 0:
            put(attributes.KAFKA_OFFSET, offset)
        if error is not None:
            mark_failed(span, error, kind)
        span.end()

    def log_fields(self) -> dict[str, Any]:
        """What the log record says about it."""
        trace_context = self.trace_context
        return {
            "topic": self.route.topic,
            "partition": getattr(self._place, "partition", None),
            "offset": getattr(self._place, "offset", None),
            "event_type": self.type,
            "event_id": self.event_id,
            "correlation_id": self.correlation_id,
            "causation_id": self.causation_id,
            "trace_id": None if trace_context is None else f"{trace_context.trace_id:032x}",
            "outcome": self.error_type or "ok",
            "duration_ms": self.seconds * 1e3,
            "error": getattr(self, "_failure", None),
        }


class OutgoingEvent(OutgoingMessage):
    """Any other message: an event, or one that something caused; `Telemetry.sending` makes it."""

    __slots__ = ("causation_id", "correlation_id", "subject", "type", "value_size")

    correlation_id: str

    def __init__(self, reporter: Reporter, route: SendRoute, key: object, tombstone: bool) -> None:
        super().__init__(reporter, route, key, tombstone)
        self.causation_id: str | None = None
        self.type: str | None = None
        self.subject: str | None = None
        self.value_size: int | None = None
