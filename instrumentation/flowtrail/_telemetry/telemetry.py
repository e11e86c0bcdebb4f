"""The one object through which everything else reports what happens to messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider
from prometheus_client.registry import CollectorRegistry

from flowtrail._clock import SYSTEM_CLOCK, Clock
from flowtrail._context import FLOW_KEY, Flow, FlowContext
from flowtrail._ids import UUID7_IDS, Ids
from flowtrail._telemetry.batch import BatchItem, ProcessingBatch
from flowtrail._telemetry.identity import (
    OUR_NAMES,
    TRACE_NAMES,
    EventHeaders,
    identify,
    identify_forwarded,
    identify_own,
    required,
    source_header,
)
from flowtrail._telemetry.operations import Operation
from flowtrail._telemetry.outgoing import OutgoingEvent, OutgoingMessage
from flowtrail._telemetry.processing import Decode, Processing
from flowtrail._telemetry.providers import service_name
from flowtrail._telemetry.reporter import Reporter
from flowtrail._telemetry.spans import SPAN_KEY
from flowtrail.wire import (
    CORRELATION_ALIASES,
    Envelope,
    Header,
    RecordLike,
    is_structured,
    names,
    read_headers,
    read_structured,
)
from flowtrail.wire.write import as_pairs, name_of


class Telemetry(Reporter):
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
        system: OpenTelemetry's `messaging.system`.
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
        system: str = "kafka",
    ) -> None:
        self.service = service_name(service)
        self.source = f"/{self.service}"
        self.source_header = source_header(self.source)
        self.ids = ids
        self.correlation_aliases = tuple(correlation_aliases)
        super().__init__(
            self.service, tracer_provider, meter_provider, registry, clock, links_only, baggage_keys, system
        )

    def like(
        self, *, tracer_provider: TracerProvider, registry: CollectorRegistry, clock: Clock, ids: Ids
    ) -> Telemetry:
        """Another telemetry with the same settings, but for what is given; for tests."""
        return Telemetry(
            self.service,
            tracer_provider=tracer_provider,
            registry=registry,
            links_only=self.links_only,
            baggage_keys=self.baggage_keys,
            correlation_aliases=self.correlation_aliases,
            clock=clock,
            ids=ids,
            system=self.system,
        )

    def speaking(self, system: str) -> Telemetry:
        """The same telemetry for messages of this `messaging.system`."""
        if system == self.system:
            return self
        other = copy(self)
        other.system = system
        other._send_routes, other._process_routes = {}, {}
        return other

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
        key: object = None,
        value_size: int | None = None,
        tombstone: bool = False,
        headers: Iterable[Header] | Mapping[str, Any] | None = None,
        context: FlowContext | None = None,
        forward: bool = False,
        client_id: str | None = None,
    ) -> OutgoingMessage:
        """Start a publication: its span and its headers.

        Args:
            topic: Where it goes.
            type: Event type; None where it isn't known: the message gets ids, source, time and trace.
            subject: Aggregate id.
            sequence: Position in the aggregate's stream.
            id: Event id; default a new UUIDv7.
            time: When it happened; default now.
            source: Who says so; default `/service`.
            dataschema: Schema and version.
            content_type: Of the payload.
            key: Record key, for the span; the routing key where there is no record key.
            value_size: Payload size in bytes, for the span.
            tombstone: Whether the value is null.
            headers: Further headers; not mutated. Ours replace any of the same name.
            context: Publish in this flow and trace instead of the current one (outbox, threads).
            forward: The message is one that was consumed (retry, dead letter, redrive): its event headers
                stay as they are, only the trace context is replaced.
            client_id: The client's own id, for the span.

        Returns:
            The publication with its headers; report its end with `done` or `fail`.
        """
        route = self.send_route(topic, client_id)
        message = OutgoingEvent(self, route, key, tombstone)
        current = context.context if context is not None else otel_context.get_current()
        flow: Flow | None = current.get(FLOW_KEY)  # type: ignore[assignment]
        given: list[Header] = list(as_pairs(headers)) if headers else []
        carried: Envelope | None = None
        if type is not None:
            message.type, message.subject = type, subject
        if value_size is not None:
            message.value_size = value_size
        if forward or (given and not OUR_NAMES.isdisjoint([name_of(header) for header in given])):
            carried = read_headers(given, self.correlation_aliases)
        if carried is None:
            ours = identify(message, flow, id, self.ids)
        elif forward:
            ours = identify_forwarded(message, flow, self.ids, carried)
        else:
            ours = identify_own(message, flow, id, self.ids, carried)
        if type is not None and not forward:
            event = EventHeaders(type, source or self.source, subject, sequence, time, dataschema)
            ours[:1] = event.write(ours[0][1] or b"", self.time_ns())
        elif not forward:
            ours += required(self.source_header, self.time_ns(), carried)
        if content_type is not None and not forward:
            ours.append((names.CONTENT_TYPE, content_type.encode()))
        if self.tracing or SPAN_KEY in current or carried is not None or self.baggage_keys:
            message.trace(current, ours, carried)
        if given:
            replaced = {name for name, _ in ours}
            if message.trace_context is not None:
                replaced |= TRACE_NAMES
            replaced.add(names.BAGGAGE)
            ours = [header for header in given if name_of(header) not in replaced] + ours
        message.headers = ours
        return message

    # -- handling

    def read(self, record: RecordLike) -> Envelope:
        """Parse a record's headers, and its value in structured mode; counts what it drops, never raises."""
        envelope = read_headers(getattr(record, "headers", None), self.correlation_aliases)
        if envelope.content_type is not None and is_structured(envelope):
            envelope = read_structured(envelope, getattr(record, "value", None))
        if envelope.dropped:
            for reason in envelope.dropped:
                self.count_dropped_header(reason)
        return envelope

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
        topic = record.topic
        route = self._process_routes.get((topic, group, client_id))
        if route is None:
            route = self.process_route(topic, group, client_id)
        return Processing(self, route, record, envelope or self.read(record), attempt, decode)

    def processing_batch(
        self,
        records: Sequence[RecordLike],
        *,
        group: str | None = None,
        decode: Decode | None = None,
        attempts: Sequence[int] | None = None,
    ) -> ProcessingBatch:
        """A context manager around the handling of several records; see `ProcessingBatch`.

        Args:
            records: Records of any client.
            group: Consumer group.
            decode: See `processing`.
            attempts: One per record, where some are retries; default 1 for each.
        """
        items = [
            BatchItem(
                self, self.process_route(record.topic, group), record, self.read(record), attempt, decode
            )
            for record, attempt in zip(records, attempts or [1] * len(records), strict=True)
        ]
        return ProcessingBatch(self, items, group)

    def polling(self, topics: Iterable[str] = (), *, group: str | None = None) -> Operation:
        """A context manager around a poll; report what came with `received`."""
        return Operation(self, "poll", "receive", topics, group, keep_empty=False)

    def committing(self, topics: Iterable[str] = (), *, group: str | None = None) -> Operation:
        """A context manager around a commit."""
        return Operation(self, "commit", "settle", topics, group, keep_empty=True)
