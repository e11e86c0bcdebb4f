"""The one object through which everything else reports what happens to messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, TracerProvider
from prometheus_client import REGISTRY
from prometheus_client.registry import CollectorRegistry

from flowtrail._clock import SYSTEM_CLOCK, Clock
from flowtrail._context import FLOW_KEY, Flow, FlowContext
from flowtrail._event import record_id, timestamp_ms_of
from flowtrail._headers import CORRELATION_ALIASES, Envelope, names, read_headers, write_headers
from flowtrail._headers.tracecontext import context_from_envelope, span_context_of, trace_headers
from flowtrail._ids import UUID7_IDS, Ids
from flowtrail._record import Header, RecordLike
from flowtrail._telemetry import attributes, definitions
from flowtrail._telemetry.errors import error_type_of
from flowtrail._telemetry.instruments import Families, families_in
from flowtrail._telemetry.logs import log_consume, log_internal_error, log_publish
from flowtrail._telemetry.processing import Decode, Processing
from flowtrail._telemetry.providers import choose_meter_provider, choose_tracer_provider, service_name
from flowtrail._telemetry.sending import Sending
from flowtrail._version import __version__

SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.0"


class Telemetry:
    """Spans, metrics and logs of one service's messages.

    Args:
        service: Name of the service; see `service_name` for its defaults.
        tracer_provider: OpenTelemetry provider; default: the global one, else one of our own.
        meter_provider: Metrics go through OpenTelemetry if this is given, or configured globally.
        registry: Prometheus registry for the metrics otherwise; default: prometheus_client's own.
        links_only: A process span starts its own trace and links to the send span instead of being its child.
        baggage_keys: Baggage entries that travel with messages; none by default.
        correlation_aliases: Other people's correlation headers that are understood.
        clock: Where time comes from.
        ids: Where ids come from.
    """

    def __init__(
        self,
        service: str | None = None,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        registry: CollectorRegistry | None = None,
        links_only: bool = False,
        baggage_keys: Iterable[str] = (),
        correlation_aliases: Sequence[str] = CORRELATION_ALIASES,
        clock: Clock = SYSTEM_CLOCK,
        ids: Ids = UUID7_IDS,
    ) -> None:
        self.service = service_name(service)
        self.source = f"/{self.service}"
        self.clock = clock
        self.ids = ids
        self.links_only = links_only
        self.baggage_keys = frozenset(baggage_keys)
        self.correlation_aliases = tuple(correlation_aliases)
        self._provider, self._owns_provider = choose_tracer_provider(self.service, tracer_provider)
        self.tracer = trace.get_tracer("flowtrail", __version__, self._provider, SCHEMA_URL)
        meters = None if registry is not None else choose_meter_provider(meter_provider)
        if meters is not None:
            meter = meters.get_meter("flowtrail", __version__, SCHEMA_URL)
            self.metrics = Families(meter)
        else:
            self.metrics = families_in(registry if registry is not None else REGISTRY)

    def read(self, record: RecordLike) -> Envelope:
        """Parse a record's headers; counts what had to be dropped, never raises."""
        envelope = read_headers(getattr(record, "headers", None), self.correlation_aliases)
        for reason in envelope.dropped:
            self.count_dropped_header(reason)
        return envelope

    # -- publishing

    def sending(
        self,
        topic: str,
        *,
        type: str | None = None,
        subject: str | None = None,
        sequence: int | None = None,
        id: str | None = None,
        time: datetime | str | None = None,
        source: str | None = None,
        dataschema: str | None = None,
        content_type: str | None = None,
        key: bytes | str | None = None,
        value_size: int | None = None,
        tombstone: bool = False,
        headers: Iterable[Header] | None = None,
        context: FlowContext | None = None,
        forward: bool = False,
        client_id: str | None = None,
    ) -> Sending:
        """Start a publication: its span and its headers.

        Args:
            topic: Where it goes.
            type: Event type; None for a message that is no event (it still gets correlation and trace).
            subject: Aggregate id.
            sequence: Position in the aggregate's stream.
            id: Event id; default a new UUIDv7.
            time: When it happened; default now.
            source: Who says so; default `/service`.
            dataschema: Schema and version.
            content_type: Of the payload.
            key: Record key, for the span.
            value_size: Payload size in bytes, for the span.
            tombstone: Whether the value is null.
            headers: Further headers; not mutated. Ours replace any of the same name.
            context: Publish in this flow and trace instead of the current one (outbox, threads).
            forward: The message is one that was consumed (retry, dead letter, redrive): its event headers stay
                as they are, only the trace context is replaced.
            client_id: The client's own id, for the span.
        """
        current = context.context if context is not None else otel_context.get_current()
        flow: Flow | None = current.get(FLOW_KEY)  # type: ignore[assignment]
        given = list(headers or ())
        ours: list[Header] = []
        if forward:
            kept = read_headers(given, self.correlation_aliases)
            event_id, type, subject = kept.id, kept.type, kept.subject
            correlation_id, causation_id = kept.correlation_id or kept.id, kept.causation_id
        else:
            event_id = id or self.ids.new_id()
            correlation_id = (flow.correlation_id if flow else None) or (
                event_id if id is None else self.ids.new_id()
            )
            causation_id = flow.causation_id if flow else None
            ours = self._event_headers(
                event_id, type, subject, sequence, time, source, dataschema, content_type,
                correlation_id, causation_id,
            )  # fmt: skip
        span_attributes: dict[str, Any] = {
            attributes.SYSTEM: attributes.KAFKA,
            attributes.OPERATION_NAME: "send",
            attributes.OPERATION_TYPE: "send",
            attributes.DESTINATION: topic,
        }
        for name, value in (
            (attributes.MESSAGE_ID, event_id), (attributes.CONVERSATION_ID, correlation_id),
            (attributes.CAUSATION_ID, causation_id), (attributes.EVENT_TYPE, type),
            (attributes.EVENT_SUBJECT, subject), (attributes.BODY_SIZE, value_size),
            (attributes.KAFKA_KEY, _key_text(key)), (attributes.CLIENT_ID, client_id),
            (attributes.KAFKA_TOMBSTONE, tombstone or None),
        ):  # fmt: skip
            if value is not None:
                span_attributes[name] = value
        started_ns = self.clock.monotonic_ns()
        span = self.tracer.start_span(
            f"send {topic}", context=current, kind=SpanKind.PRODUCER, attributes=span_attributes
        )
        ours.extend(trace_headers(trace.set_span_in_context(span, current), self.baggage_keys))
        drop = {names.TRACEPARENT, names.TRACESTATE, names.BAGGAGE}
        given = [header for header in given if header[0] not in drop]
        return Sending(
            self,
            topic,
            type,
            event_id,
            correlation_id,
            causation_id,
            span,
            write_headers(given, ours),
            started_ns,
        )

    def _event_headers(
        self,
        event_id: str,
        type: str | None,
        subject: str | None,
        sequence: int | None,
        time: datetime | str | None,
        source: str | None,
        dataschema: str | None,
        content_type: str | None,
        correlation_id: str,
        causation_id: str | None,
    ) -> list[Header]:
        ours: list[Header] = []
        if type is not None:
            if time is None:
                time = datetime.fromtimestamp(self.clock.time_ns() / 1e9, UTC)
            moment = (
                time if isinstance(time, str) else time.astimezone(UTC).isoformat().replace("+00:00", "Z")
            )
            ours += [
                (names.SPECVERSION, b"1.0"),
                (names.ID, event_id.encode()),
                (names.TYPE, type.encode()),
                (names.SOURCE, (source or self.source).encode()),
                (names.TIME, moment.encode()),
            ]
            if subject is not None:
                ours.append((names.SUBJECT, subject.encode()))
            if sequence is not None:
                ours.append((names.SEQUENCE, b"%d" % sequence))
            if dataschema is not None:
                ours.append((names.DATASCHEMA, dataschema.encode()))
        if content_type is not None:
            ours.append((names.CONTENT_TYPE, content_type.encode()))
        ours.append((names.CORRELATION_ID, correlation_id.encode()))
        if causation_id is not None:
            ours.append((names.CAUSATION_ID, causation_id.encode()))
        return ours

    def record_sent(
        self, sending: Sending, error: BaseException | str | None, seconds: float, partition: Any, offset: Any
    ) -> None:
        """Count and log the end of a publication; called by `Sending`."""
        kind = error_type_of(error) if error is not None else ""
        self.metrics[definitions.SENT].series("kafka", "send", sending.topic, kind).add()
        self.metrics[definitions.OPERATION_DURATION].series("kafka", "send", sending.topic, "", kind).observe(
            seconds
        )
        log_publish(sending, kind, seconds, partition, offset)

    # -- handling

    def processing(
        self,
        record: RecordLike,
        *,
        group: str | None = None,
        envelope: Envelope | None = None,
        attempt: int = 1,
        decode: Decode | None = None,
        client_id: str | None = None,
    ) -> Processing:
        """A context manager around the handling of one record; see `Processing`.

        Args:
            record: Any client's record, or a `Record`.
            group: Consumer group.
            envelope: The result of `read`, if it was called already.
            attempt: 1 for the first try; later ones aren't counted as consumed again.
            decode: Makes the event's data of the envelope and the value, when `event` is first asked for.
            client_id: The client's own id, for the span.
        """
        if envelope is None:
            envelope = self.read(record)
        return Processing(self, record, envelope, group, attempt, decode, client_id)

    def enter_processing(self, processing: Processing) -> None:
        """Start the span and switch the context; called by `Processing`."""
        record, envelope = processing.record, processing.envelope
        event_id = processing.event_id = envelope.id or record_id(record)
        processing.correlation_id = envelope.correlation_id or event_id
        current = otel_context.get_current()
        parent = context_from_envelope(current, envelope, self.baggage_keys)
        links = []
        if self.links_only:
            remote = span_context_of(envelope)
            parent, links = current, [Link(remote)] if remote is not None else []
        span_attributes: dict[str, Any] = {
            attributes.SYSTEM: attributes.KAFKA,
            attributes.OPERATION_NAME: "process",
            attributes.OPERATION_TYPE: "process",
            attributes.DESTINATION: record.topic,
            attributes.PARTITION: str(record.partition),
            attributes.KAFKA_OFFSET: record.offset,
            attributes.MESSAGE_ID: event_id,
            attributes.CONVERSATION_ID: processing.correlation_id,
        }
        for name, value in (
            (attributes.GROUP, processing.group), (attributes.EVENT_TYPE, envelope.type),
            (attributes.EVENT_SUBJECT, envelope.subject), (attributes.CAUSATION_ID, envelope.causation_id),
            (attributes.KAFKA_KEY, _key_text(getattr(record, "key", None))),
            (attributes.CLIENT_ID, processing.client_id),
            (attributes.KAFKA_TOMBSTONE, True if getattr(record, "value", b"") is None else None),
            (attributes.ATTEMPT, processing.attempt if processing.attempt > 1 else None),
        ):  # fmt: skip
            if value is not None:
                span_attributes[name] = value
        processing._started_ns = self.clock.monotonic_ns()
        processing.span = self.tracer.start_span(
            f"process {record.topic}", parent, SpanKind.CONSUMER, span_attributes, links
        )
        flow = Flow(processing.correlation_id, event_id, lambda: processing.event)
        context = trace.set_span_in_context(processing.span, parent)
        processing._token = otel_context.attach(Context({**context, FLOW_KEY: flow}))
        if processing.attempt == 1:
            group = processing.group or ""
            self.metrics[definitions.CONSUMED].series("kafka", "process", record.topic, group).add()
            stamp = timestamp_ms_of(record)
            if stamp is not None:
                waited = self.clock.time_ns() / 1e9 - stamp / 1e3
                if waited < 0:
                    self.metrics[definitions.CLOCK_SKEW].series(record.topic, group).add()
                self.metrics[definitions.QUEUE_DURATION].series(record.topic, group).observe(max(waited, 0.0))

    def exit_processing(self, processing: Processing, error: BaseException | None) -> None:
        """End the span, count and log; called by `Processing`."""
        if processing.outcome is None:
            processing.outcome = "ok" if error is None else "error"
        span = processing.span
        kind = error_type_of(error) if error is not None else ""
        if span.is_recording():
            if error is not None:
                span.set_attribute(attributes.ERROR_TYPE, kind)
                span.record_exception(error)
                span.set_status(Status(StatusCode.ERROR, str(error)[:1000]))
            if processing.outcome not in ("ok", "error"):
                span.set_attribute(attributes.OUTCOME, processing.outcome)
        span.end()
        seconds = (self.clock.monotonic_ns() - processing._started_ns) / 1e9
        topic, group = processing.record.topic, processing.group or ""
        self.metrics[definitions.PROCESS_DURATION].series("kafka", "process", topic, group, kind).observe(
            seconds
        )
        log_consume(processing, kind, seconds)

    # -- counters

    def count_retry(self, topic: str, group: str | None, mode: str = "blocking") -> None:
        """A further attempt was scheduled; mode is `blocking` or `topic`."""
        self.metrics[definitions.RETRIES].series(topic, group or "", mode).add()

    def count_dead_letter(self, topic: str, group: str | None, error: BaseException | str) -> None:
        """A message of `topic` was given up."""
        self.metrics[definitions.DEAD_LETTERS].series(topic, group or "", error_type_of(error)).add()

    def count_duplicate(self, topic: str, group: str | None) -> None:
        """A message was recognised as already handled."""
        self.metrics[definitions.DUPLICATES].series(topic, group or "").add()

    def count_contract_violation(self, topic: str, type: str | None, side: str) -> None:
        """Data broke its contract; side is `publish` or `consume`."""
        self.metrics[definitions.CONTRACT_VIOLATIONS].series(topic, type or "", side).add()

    def count_schema_version(self, type: str, version: str | None, side: str) -> None:
        """An event of this contract version was published or consumed."""
        self.metrics[definitions.SCHEMA_VERSIONS].series(type, version or "", side).add()

    def count_dropped_header(self, reason: str, amount: int = 1) -> None:
        """Headers had to be ignored."""
        self.metrics[definitions.DROPPED_HEADERS].series(reason).add(amount)

    def internal_error(self, where: str, error: BaseException) -> None:
        """The instrumentation itself failed: count, log once per place, never raise in production."""
        self.metrics[definitions.INTERNAL_ERRORS].series(where).add()
        log_internal_error(where, error)

    # -- life cycle

    def flush(self, timeout_seconds: float = 5.0) -> bool:
        """Export what is buffered; False if it didn't get out in time."""
        force_flush = getattr(self._provider, "force_flush", None)
        return bool(force_flush(int(timeout_seconds * 1000))) if callable(force_flush) else True

    def close(self) -> None:
        """Flush, and shut down a provider that this object built."""
        self.flush()
        shutdown = getattr(self._provider, "shutdown", None)
        if self._owns_provider and callable(shutdown):
            shutdown()


def _key_text(key: Any) -> str | None:
    if key is None:
        return None
    if isinstance(key, bytes):
        return key[:256].decode("utf-8", "replace")
    return str(key)[:256]
