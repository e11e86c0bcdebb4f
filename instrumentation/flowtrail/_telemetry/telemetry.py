"""The one object through which everything else reports what happens to messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import NoOpTracerProvider, ProxyTracerProvider, SpanKind, TracerProvider
from prometheus_client import REGISTRY
from prometheus_client.registry import CollectorRegistry

from flowtrail._clock import SYSTEM_CLOCK, Clock
from flowtrail._context import FLOW_KEY, FlowContext
from flowtrail._ids import UUID7_IDS, Ids
from flowtrail._telemetry.batch import ProcessingBatch
from flowtrail._telemetry.counters import Counters
from flowtrail._telemetry.identity import (
    OUR_NAMES,
    TRACE_NAMES,
    EventHeaders,
    FlowLike,
    identify,
    identify_forwarded,
    identify_own,
)
from flowtrail._telemetry.instruments import Families, families_in
from flowtrail._telemetry.operations import Operation
from flowtrail._telemetry.processing import Decode, Processing, Shape
from flowtrail._telemetry.providers import (
    choose_meter_provider,
    choose_tracer_provider,
    sdk_disabled,
    service_name,
)
from flowtrail._telemetry.routes import ProcessRoute, SendRoute
from flowtrail._telemetry.sending import Sending
from flowtrail._telemetry.spans import SPAN_KEY, NoStarter, parent_in, starter_for
from flowtrail._version import __version__
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
from flowtrail.wire.tracecontext import format_traceparent, span_context_of, trace_headers
from flowtrail.wire.write import as_pairs, name_of

SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.0"
_MAX_ROUTES = 2000


class Telemetry(Counters):
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
        self.time_ns = clock.time_ns
        self.monotonic_ns = clock.monotonic_ns
        self.ids = ids
        self.links_only = links_only
        self.baggage_keys = frozenset(baggage_keys)
        self.correlation_aliases = tuple(correlation_aliases)
        self._provider, self._owns_provider = choose_tracer_provider(
            self.service, tracer_provider, self._count_dropped_spans
        )
        self._provider_may_come = tracer_provider is None and isinstance(self._provider, NoOpTracerProvider)
        self._use_provider()
        meters = None if registry is not None else choose_meter_provider(meter_provider)
        if meters is not None:
            self.metrics = Families(meters.get_meter("flowtrail", __version__, SCHEMA_URL))
        else:
            self.metrics = families_in(registry if registry is not None else REGISTRY)
        self._send_routes: dict[tuple[str, str | None], SendRoute] = {}
        self._process_routes: dict[tuple[str, str | None, str | None], ProcessRoute] = {}

    def _use_provider(self) -> None:
        self.tracer = trace.get_tracer("flowtrail", __version__, self._provider, SCHEMA_URL)
        self.starter = starter_for(self.tracer)
        self.tracing = type(self.starter) is not NoStarter

    def _look_for_provider(self) -> None:
        """Programs often set up OpenTelemetry after they made their trail, but before the first message."""
        current = trace.get_tracer_provider()
        if self._provider_may_come and not isinstance(current, ProxyTracerProvider) and not sdk_disabled():
            self._provider, self._provider_may_come = current, False
            self._use_provider()

    def like(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> Telemetry:
        """Another telemetry with the same settings, but for what is given; for tests."""
        return Telemetry(
            self.service,
            tracer_provider=tracer_provider or self._provider,
            registry=registry,
            links_only=self.links_only,
            baggage_keys=self.baggage_keys,
            correlation_aliases=self.correlation_aliases,
            clock=clock or self.clock,
            ids=ids or self.ids,
        )

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
            forward: The message is one that was consumed (retry, dead letter, redrive): its event headers
                stay as they are, only the trace context is replaced.
            client_id: The client's own id, for the span.

        Returns:
            The publication with its headers; report its end with `done` or `fail`.
        """
        route = self.send_route(topic, client_id)
        sending = Sending(self, route, key, tombstone)
        current = context.context if context is not None else otel_context.get_current()
        flow: FlowLike | None = current.get(FLOW_KEY)  # type: ignore[assignment]
        given: list[Header] = list(as_pairs(headers)) if headers else []
        carried: Envelope | None = None
        if type is not None:
            sending.type, sending.subject = type, subject
        if value_size is not None:
            sending.value_size = value_size
        if forward or (given and not OUR_NAMES.isdisjoint([name_of(header) for header in given])):
            carried = read_headers(given, self.correlation_aliases)
        if carried is None:
            ours = identify(sending, flow, id, self.ids)
        elif forward:
            ours = identify_forwarded(sending, flow, self.ids, carried)
        else:
            ours = identify_own(sending, flow, id, self.ids, carried)
        if type is not None and not forward:
            event = EventHeaders(type, source or self.source, subject, sequence, time, dataschema)
            ours[:1] = event.write(ours[0][1] or b"", self.time_ns())
        if content_type is not None and not forward:
            ours.append((names.CONTENT_TYPE, content_type.encode()))
        if self.tracing or SPAN_KEY in current or carried is not None or self.baggage_keys:
            self.trace_sending(sending, current, ours, carried)
        if given:
            replaced = {name for name, _ in ours}
            if sending.trace_context is not None:
                replaced |= TRACE_NAMES
            replaced.add(names.BAGGAGE)
            ours = [header for header in given if name_of(header) not in replaced] + ours
        sending.headers = ours
        return sending

    def trace_sending(
        self, sending: Sending, current: Context, ours: list[Header], carried: Envelope | None
    ) -> None:
        """Start a publication's span and add its headers to ours; for `Sender`."""
        try:
            parent = parent_in(current)
            if parent is None and carried is not None:
                parent = span_context_of(carried)
            sending.span, wire = self.starter.begin(
                sending.route.span_name, SpanKind.PRODUCER, current, parent, sending.attributes
            )
            sending.trace_context = wire
            if self.baggage_keys:
                ours.extend(trace_headers(wire, current, self.baggage_keys))
            elif wire is not None:
                ours.append((names.TRACEPARENT, format_traceparent(wire)))
                if wire.trace_state:
                    ours.append((names.TRACESTATE, wire.trace_state.to_header().encode()))
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            self.internal_error("sending", failure)

    def send_route(self, topic: str, client_id: str | None) -> SendRoute:
        """What is the same for all messages to a topic."""
        route = self._send_routes.get((topic, client_id))
        if route is not None:
            return route
        self._look_for_provider()
        if len(self._send_routes) >= _MAX_ROUTES:
            self._send_routes.clear()
        route = self._send_routes[topic, client_id] = SendRoute(self.metrics, topic, client_id)
        return route

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
        shape: Shape | None = None,
        client_id: str | None = None,
    ) -> Processing:
        """A context manager around the handling of one record; see `Processing`.

        Args:
            record: Any client's record, or a `Record`.
            group: Consumer group.
            envelope: The result of `read`, if it was called already.
            attempt: 1 for the first try; later ones aren't counted as consumed again.
            decode: Makes the event's data of the envelope and the value, when `event` is first asked for.
            shape: Makes the handler's model of data that came decoded, in structured mode.
            client_id: The client's own id, for the span.
        """
        topic = record.topic
        route = self._process_routes.get((topic, group, client_id))
        if route is None:
            route = self.process_route(topic, group, client_id)
        return Processing(self, route, record, envelope or self.read(record), attempt, decode, shape)

    def processing_batch(
        self,
        records: Sequence[RecordLike],
        *,
        group: str | None = None,
        decode: Decode | None = None,
        shape: Shape | None = None,
        attempts: Sequence[int] | None = None,
    ) -> ProcessingBatch:
        """A context manager around the handling of several records; see `ProcessingBatch`.

        Args:
            records: Records of any client.
            group: Consumer group.
            decode: See `processing`.
            shape: See `processing`.
            attempts: One per record, where some are retries; default 1 for each.
        """
        return ProcessingBatch(self, records, group, decode, shape, attempts)

    def polling(self, topics: Iterable[str] = (), *, group: str | None = None) -> Operation:
        """A context manager around a poll; report what came with `received`."""
        return Operation(self, "poll", "receive", topics, group, keep_empty=False)

    def committing(self, topics: Iterable[str] = (), *, group: str | None = None) -> Operation:
        """A context manager around a commit."""
        return Operation(self, "commit", "settle", topics, group, keep_empty=True)

    def process_route(self, topic: str, group: str | None, client_id: str | None = None) -> ProcessRoute:
        """What is the same for all messages of a topic in a group."""
        route = self._process_routes.get((topic, group, client_id))
        if route is not None:
            return route
        self._look_for_provider()
        if len(self._process_routes) >= _MAX_ROUTES:
            self._process_routes.clear()
        route = ProcessRoute(self.metrics, topic, group, client_id)
        self._process_routes[topic, group, client_id] = route
        return route

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
