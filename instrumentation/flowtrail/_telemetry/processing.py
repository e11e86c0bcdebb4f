"""One handling of one message: the handler runs inside it."""

from __future__ import annotations

from collections.abc import Callable
from logging import INFO, WARNING
from types import TracebackType
from typing import Any

from opentelemetry import baggage
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanKind

from flowtrail._context import FLOW_KEY, attach, get_current
from flowtrail._event import Event, build_event, record_id
from flowtrail._telemetry import attributes, reads
from flowtrail._telemetry.errors import error_type_of, failure_text, mark_failed
from flowtrail._telemetry.logs import CONSUME, CONSUME_LEVELS, report
from flowtrail._telemetry.reporter import Reporter
from flowtrail._telemetry.routes import ProcessRoute
from flowtrail._telemetry.spans import SPAN_KEY, MessageSpan, TraceContext, as_span_context, parent_in
from flowtrail.wire import Envelope, RecordLike
from flowtrail.wire.tracecontext import UnsampledSpan, span_context_of, unsampled_span_of, with_baggage

Decode = Callable[[Envelope, Any], Any]

_BAGGAGE_KEY: str = next(iter(baggage.set_baggage("", "", Context())))


class Processing:
    """A context manager around the handling of one message; `Telemetry.processing` makes it.

    It is also the flow that the message belongs to: what is published inside inherits `correlation_id` and is
    caused by `causation_id`, which is this event's own id.

    Attributes:
        record: The record as the client handed it over.
        envelope: Its parsed headers.
        attempt: 1 for the first try.
        event_id: `ce_id`, or a stable id made of topic, partition and offset.
        correlation_id: Id of the flow.
        causation_id: What the events that are published inside are caused by: `event_id`.
        outcome: How it ended: `ok`, `error`, or what the caller sets: `retry`, `dead_letter`, `duplicate`...
        span: The process span; None if nothing is recorded.
        trace_context: The trace that the handler runs in; None if there is none.
        seconds: How long it took, once it is over.
    """

    __slots__ = (
        "_decode",
        "_error",
        "_event",
        "_failure",
        "_outer",
        "_reporter",
        "_route",
        "_started_ns",
        "_unrecorded",
        "_waited",
        "attempt",
        "envelope",
        "outcome",
        "record",
        "seconds",
        "span",
        "trace_context",
    )  # fmt: skip

    _part_of_batch = False

    def __init__(
        self,
        reporter: Reporter,
        route: ProcessRoute,
        record: RecordLike,
        envelope: Envelope,
        attempt: int = 1,
        decode: Decode | None = None,
    ) -> None:
        self._reporter = reporter
        self._route = route
        self._decode = decode
        self._error: BaseException | None = None
        self._event: Event[Any] | None = None
        self._outer: Context | None = None
        self._waited: float | None = None
        self.record = record
        self.envelope = envelope
        self.attempt = attempt
        self.outcome: str | None = None
        self.span: Span | None = None
        self.trace_context: TraceContext | None = None
        self._unrecorded: UnsampledSpan | NonRecordingSpan | None = None

    @property
    def event_id(self) -> str:
        """See `Processing`."""
        return self.envelope.id or record_id(self.record)

    causation_id = event_id

    @property
    def correlation_id(self) -> str:
        """See `Processing`."""
        return self.envelope.correlation_id or self.event_id

    @property
    def decodes(self) -> bool:
        """Whether the event's data is made here, and not by a program with its own loop."""
        return self._decode is not None

    @property
    def event(self) -> Event[Any]:
        """The event, decoded on first use.

        Raises:
            DecodeError: The payload isn't what it should be (or whatever else `decode` raises).
        """
        if self._event is None:
            self._event = build_event(self.record, self.envelope, attempt=self.attempt, decode=self._decode)
        return self._event

    def decoded(self, decode: Decode | None) -> Event[Any]:
        """The event with data made by this function, for whoever handles it in an outer loop's handling.

        Raises:
            DecodeError: The payload isn't what it should be (or whatever else `decode` raises).
        """
        if decode is not None and self._decode is not decode:
            self._decode, self._event = decode, None
        return self.event

    def fail(self, error: BaseException) -> None:
        """Mark it as failed although no exception leaves the block; the last call counts."""
        self._error = error

    def __enter__(self) -> Processing:
        """Start the span and make it, the flow and the event current."""
        reporter = self._reporter
        self._started_ns = reporter.monotonic_ns()
        outer = self._outer = get_current()
        try:
            if self.attempt == 1:
                stamp = getattr(self.record, "timestamp", None)
                if type(stamp) is int and stamp >= 0:
                    self._waited = reporter.time_ns() / 1e9 - stamp / 1e3
            envelope = self.envelope
            if reporter.tracing or envelope.traceparent is not None or envelope.baggage is not None:
                self._start(reporter, outer)
            else:
                attach(Context({**outer, FLOW_KEY: self} if outer else {FLOW_KEY: self}))
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            reporter.internal_error("processing", failure)
        return self

    def _start(self, reporter: Reporter, current: Context) -> None:
        envelope = self.envelope
        if reporter.starter.drops_unsampled and envelope.baggage is None and not reporter.links_only:
            unsampled = unsampled_span_of(envelope)
            if unsampled is not None:
                self._unrecorded = unsampled
                attach(Context({**current, SPAN_KEY: unsampled, FLOW_KEY: self}))
                return
        parent = parent_in(current)
        links: tuple[Link, ...] = ()
        if envelope.traceparent is not None:
            remote = span_context_of(envelope)
            if remote is None:
                reporter.count_dropped_header("value")
            elif reporter.links_only:
                links = (Link(remote),)
            else:
                parent = remote
        if envelope.baggage is not None:
            current = with_baggage(current, envelope, reporter.baggage_keys)
        span, own = reporter.starter.begin(
            self._route.span_name, SpanKind.CONSUMER, current, parent, self.attributes, links
        )
        self.span, self.trace_context = span, own
        if span is None and own is not None:
            span = self._unrecorded = NonRecordingSpan(as_span_context(own))
        if span is not None:
            attach(Context({**current, SPAN_KEY: span, FLOW_KEY: self}))
        else:
            attach(Context({**current, FLOW_KEY: self}))

    def attributes(self) -> dict[str, Any]:
        """The process span's attributes at its start."""
        record, envelope, route = self.record, self.envelope, self._route
        event_id = envelope.id or record_id(record)
        found = {
            **route.attributes,
            attributes.MESSAGE_ID: event_id,
            attributes.CONVERSATION_ID: envelope.correlation_id or event_id,
        }
        if envelope.type is not None:
            found[attributes.EVENT_TYPE] = envelope.type
        if envelope.subject is not None:
            found[attributes.EVENT_SUBJECT] = envelope.subject
        if envelope.causation_id is not None:
            found[attributes.CAUSATION_ID] = envelope.causation_id
        if route.is_log:
            found[attributes.PARTITION] = str(record.partition)
            found[attributes.KAFKA_OFFSET] = record.offset
            key = getattr(record, "key", None)
            if key is not None:
                found[attributes.KAFKA_KEY] = attributes.key_text(key)
            if getattr(record, "value", b"") is None:
                found[attributes.KAFKA_TOMBSTONE] = True
        elif (queue := getattr(record, "queue", None)) is not None:
            found[attributes.SUBSCRIPTION] = queue
            found[attributes.RABBITMQ_ROUTING_KEY] = getattr(record, "routing_key", "")
        if self.attempt > 1:
            found[attributes.ATTEMPT] = self.attempt
        return found

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the span, count, log; an exception goes on its way."""
        self.leave(error)

    def leave(self, error: BaseException | None = None, restore: bool = True) -> None:
        """`__exit__` for callers without a block.

        Args:
            error: What the handler raised.
            restore: Whether to make the context current again that was before; else the caller sees to it
                that nobody runs in this handling any more, see `step_out_of_ended`.
        """
        if not restore:
            if self._outer:
                self._keep_outer()
        elif self._outer is not None:
            # Not by token: a task other than the one that entered may leave.
            attach(self._outer)
            self._outer = None
        reporter = self._reporter
        try:
            seconds = self.seconds = (reporter.monotonic_ns() - self._started_ns) / 1e9
            if error is None:
                error = self._error
            kind = "" if error is None else error_type_of(error)
            if self.outcome is None:
                self.outcome = "error" if kind else "ok"
            if self.span is not None:
                self._end_span(self.span, error, kind)
            route = self._route
            if kind or self.attempt > 1 or self._part_of_batch:
                timed = None if self._part_of_batch else seconds
                route.record_other(timed, kind, self._waited, self.attempt == 1)
            else:
                pending = route.pending
                pending.append((seconds, self._waited))
                if len(pending) >= route.many:
                    route.settle()
            level = WARNING if kind else INFO
            if CONSUME_LEVELS.get(level) or CONSUME.isEnabledFor(level):
                if error is not None:  # in words: a record that holds it would hold all its frames do
                    self._failure = failure_text(error)
                report(CONSUME, level, reporter.time_ns(), self)
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            reporter.internal_error("processing", failure)

    def _keep_outer(self) -> None:
        """Remember where this began, for whoever finds it in a context that comes back.

        Without what is over by now, so that what tasks inherit from tasks doesn't add up.
        """
        outer = self._outer
        while outer:
            beneath = outer.get(FLOW_KEY)
            if not isinstance(beneath, Processing) or beneath.outcome is None or beneath._outer is None:
                break
            outer = self._outer = beneath.taken_out_of(outer)

    def taken_out_of(self, context: Context) -> Context:
        """A context that lies on top of this handling's, without it: what the program itself put there stays."""
        outer = self._outer or Context()
        mine = with_baggage(outer, self.envelope, self._reporter.baggage_keys)
        span = self.span or self._unrecorded
        own = {**mine, FLOW_KEY: self} if span is None else {**mine, FLOW_KEY: self, SPAN_KEY: span}
        rest = {key: value for key, value in context.items() if key not in own or own[key] != value}
        carries = rest.pop(_BAGGAGE_KEY, None) is not None
        left, known = Context({**outer, **rest}), baggage.get_all(mine)
        for name, value in baggage.get_all(context).items() if carries else ():
            if known.get(name) != value:
                left = baggage.set_baggage(name, value, left)
        return left

    def _end_span(self, span: Span, error: BaseException | None, kind: str) -> None:
        if error is not None and span.is_recording():
            mark_failed(span, error, kind)
        if self.outcome not in ("ok", "error"):
            span.set_attribute(attributes.OUTCOME, self.outcome or "")
        for name, value in reads.of_message(self.envelope, self._decode is not None):
            span.put(name, value) if isinstance(span, MessageSpan) else span.set_attribute(name, value)
        span.end()

    def log_fields(self) -> dict[str, Any]:
        """What the log record says about it."""
        record, envelope, trace_context = self.record, self.envelope, self.trace_context
        if self._unrecorded is not None:
            trace_context = self._unrecorded.get_span_context()
        return {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "group": self._route.group,
            "event_type": envelope.type,
            "event_id": self.event_id,
            "correlation_id": self.correlation_id,
            "causation_id": envelope.causation_id,
            "trace_id": None if trace_context is None else f"{trace_context.trace_id:032x}",
            "attempt": self.attempt,
            "outcome": self.outcome,
            "duration_ms": self.seconds * 1e3,
            "error": getattr(self, "_failure", None),
        }
