"""Starting spans at the lowest price that keeps their meaning.

Three kinds of tracer are told apart once, not per message:

- none (`NoOpTracer`): no span is made, the trace context that is there travels on unchanged;
- the SDK's own tracer: what its built-in samplers would drop is dropped before any attribute is gathered, and
  what is recorded becomes a `MessageSpan`, which is the SDK's span without its per-span locks and copies;
- any other: its own `start_span`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from time import time_ns
from typing import Any

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY as SUPPRESSED_KEY
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    NoOpTracer,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    Tracer,
)

from flowtrail._telemetry.listeners import Listeners
from flowtrail._telemetry.samplers import Drops, decision_of, drops_unsampled
from flowtrail.wire.tracecontext import Unrecorded

SPAN_KEY: str = next(iter(trace.set_span_in_context(INVALID_SPAN, Context())))
"""The key under which OpenTelemetry keeps the current span in its context."""

_RANDOM_TRACE_ID = 0x02  # W3C trace context, level 2
_FLAGS = [TraceFlags(flags) for flags in range(256)]
_ROOM_FOR_ATTRIBUTES = 32

Attributes = Callable[[], dict[str, Any]]
TraceContext = SpanContext | Unrecorded


class Starter:
    """Starts spans through any tracer's own `start_span`.

    Attributes:
        drops_unsampled: Whether no span below a remote one that isn't sampled is ever recorded.
    """

    drops_unsampled = False

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer

    def begin(
        self,
        name: str,
        kind: SpanKind,
        context: Context,
        parent: SpanContext | None,
        attributes: Attributes,
        links: Sequence[Link] = (),
        start_ns: int | None = None,
    ) -> tuple[Span | None, TraceContext | None]:
        """Start a span, or find out that there is none to start.

        Args:
            name: Its name.
            kind: Its kind.
            context: The OpenTelemetry context around it.
            parent: The valid span context above it, None for a root.
            attributes: Called for its attributes if it is recorded; they are handed over for good.
            links: Its links.
            start_ns: Nanoseconds since the epoch, None for now.

        Returns:
            The span if it may be recorded, and the span context that travels on, None if there is no trace.
            There is none to start where the program suppresses instrumentation, as exporters do: one that sends
            by Kafka would export its own sending for ever.
        """
        if context.get(SUPPRESSED_KEY):
            return None, parent
        span = self.tracer.start_span(name, below(context, parent), kind, attributes(), links, start_ns)
        span_context = span.get_span_context()
        return span, span_context if span_context.is_valid else None


class NoStarter(Starter):
    """There is no tracer: the context above travels on."""

    drops_unsampled = True

    def begin(
        self,
        name: str,
        kind: SpanKind,
        context: Context,
        parent: SpanContext | None,
        attributes: Attributes,
        links: Sequence[Link] = (),
        start_ns: int | None = None,
    ) -> tuple[Span | None, TraceContext | None]:
        """See `Starter.begin`."""
        return None, parent


class SdkStarter(Starter):
    """The SDK's tracer with a built-in sampler, whose decision is known without asking it.

    Args:
        tracer: The tracer.
        drops: The sampler's decision as a function of parent and trace id.
    """

    def __init__(self, tracer: SdkTracer, drops: Drops) -> None:
        super().__init__(tracer)
        self._sdk = tracer
        self._drops = drops
        self.drops_unsampled = drops_unsampled(tracer.sampler)
        self._new_trace_id = tracer.id_generator.generate_trace_id
        self._new_span_id = tracer.id_generator.generate_span_id
        is_random = getattr(tracer.id_generator, "is_trace_id_random", None)
        self._listeners = Listeners(tracer.span_processor)
        self._random = _RANDOM_TRACE_ID if is_random is not None and is_random() else 0

    def begin(
        self,
        name: str,
        kind: SpanKind,
        context: Context,
        parent: SpanContext | None,
        attributes: Attributes,
        links: Sequence[Link] = (),
        start_ns: int | None = None,
    ) -> tuple[Span | None, TraceContext | None]:
        """See `Starter.begin`; a dropped child keeps its parent's place, since nobody will ever see it."""
        if context.get(SUPPRESSED_KEY):
            return None, parent
        if parent is None:
            trace_id, state, random = self._new_trace_id(), None, self._random
        else:
            trace_id, state = parent.trace_id, parent.trace_state
            random = parent.trace_flags & _RANDOM_TRACE_ID
        if self._drops(parent, trace_id):
            if parent is None:
                return None, Unrecorded(trace_id, self._new_span_id(), random)
            if parent.trace_flags & TraceFlags.SAMPLED:
                parent = SpanContext(trace_id, parent.span_id, False, _FLAGS[random], state)
            return None, parent
        flags = _FLAGS[TraceFlags.SAMPLED | random]
        own = SpanContext(trace_id, self._new_span_id(), False, flags, state)
        span = MessageSpan(self._sdk, name, kind, own, parent, attributes(), links, start_ns)
        if self._listeners.at_start():
            self._sdk.span_processor.on_start(span, parent_context=below(context, parent))
        return span, own


def parent_in(context: Context) -> SpanContext | None:
    """The valid span context that is current in a context; None if there is none."""
    current: Any = context.get(SPAN_KEY)
    if current is None:
        return None
    found: SpanContext = current.get_span_context()
    return found if found.is_valid else None


def as_span_context(context: TraceContext) -> SpanContext:
    """The full form of what travels on the wire."""
    if isinstance(context, SpanContext):
        return context
    flags = TraceFlags(context.trace_flags)
    return SpanContext(context.trace_id, context.span_id, False, flags, context.trace_state)


def below(context: Context, parent: SpanContext | None) -> Context:
    """A context in which a span context is current; the same one if there is nothing to change."""
    current: Any = context.get(SPAN_KEY)
    if parent is None or (current is not None and current.get_span_context() is parent):
        return context
    return Context({**context, SPAN_KEY: NonRecordingSpan(parent)})


class MessageSpan(SdkSpan):
    """The SDK's span, cheaper for the few attributes that a message has.

    Its attributes start as a plain dict that this library has filled with valid values; the first attribute
    that anybody else sets turns them into the SDK's own container, with its checks. A span that has ended
    refuses changes, so it is handed to the processors itself rather than as a copy.
    """

    _end_time: int | None = None
    _events: Any = ()
    _links: Any = ()
    _trace_config = None
    _record_exception = True
    _set_status_on_exception = True
    _record_end_metrics = None
    _status = trace.Status(trace.StatusCode.UNSET)

    def __init__(
        self,
        tracer: SdkTracer,
        name: str,
        kind: SpanKind,
        context: SpanContext,
        parent: SpanContext | None,
        attributes: dict[str, Any],
        links: Sequence[Link],
        start_ns: int | None,
    ) -> None:
        # Deliberately without super().__init__: it does the work that this class is there to avoid.
        self._name = name
        self._kind = kind
        self._context = context
        self._parent = parent
        self._attributes = attributes
        self._resource = tracer.resource
        self._sampler = tracer.sampler
        self._instrumentation_info = tracer.instrumentation_info
        self._instrumentation_scope = tracer._instrumentation_scope
        self._limits = tracer._span_limits
        self._span_processor = tracer.span_processor
        self._lock = threading.Lock()
        if links:
            self._links = self._new_links(links)
        self._start_time = start_ns if start_ns is not None else time_ns()

    def _own_container(self) -> None:
        if type(self._attributes) is dict:
            self._attributes = BoundedAttributes(
                self._limits.max_span_attributes,
                self._attributes,
                immutable=False,
                max_value_len=self._limits.max_span_attribute_length,
            )

    def put(self, key: str, value: Any) -> None:
        """Set an attribute whose value is known to be valid."""
        if type(self._attributes) is dict and self._end_time is None:
            self._attributes[key] = value
        else:
            self.set_attribute(key, value)

    def set_attribute(self, key: str, value: Any) -> None:
        """See the SDK."""
        self._own_container()
        super().set_attribute(key, value)

    def set_attributes(self, attributes: Any) -> None:
        """See the SDK."""
        self._own_container()
        super().set_attributes(attributes)

    def _add_event(self, event: Any) -> None:
        if self._events == ():
            self._events = BoundedList(self._limits.max_events)
        super()._add_event(event)

    def _add_link(self, link: Link) -> None:
        if self._links == ():
            self._links = self._new_links(())
        super()._add_link(link)

    def end(self, end_time: int | None = None) -> None:
        """See the SDK."""
        with self._lock:
            if self._end_time is not None:
                return
            self._end_time = end_time if end_time is not None else time_ns()
        processor: Any = self._span_processor
        on_ending = getattr(processor, "_on_ending", None)  # newer SDKs have it
        if on_ending is not None:
            on_ending(self)
        processor.on_end(self)


def starter_for(tracer: Tracer) -> Starter:
    """The cheapest starter that a tracer allows."""
    if isinstance(tracer, NoOpTracer):
        return NoStarter(tracer)
    if type(tracer) is not SdkTracer or not _sdk_as_expected(tracer):
        return Starter(tracer)
    drops = decision_of(tracer.sampler)
    return SdkStarter(tracer, drops) if drops is not None else Starter(tracer)


def _sdk_as_expected(tracer: SdkTracer) -> bool:
    """Whether this SDK has the parts that `MessageSpan` builds on, with limits that a message can't reach."""
    if os.environ.get("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "").lower() == "true":
        return False
    limits = getattr(tracer, "_span_limits", None)
    needed = ("_instrumentation_scope", "instrumentation_info", "id_generator", "span_processor", "resource")
    if limits is None or any(not hasattr(tracer, name) for name in needed):
        return False
    if not getattr(tracer, "_is_enabled", lambda: True)():
        return False
    room = limits.max_span_attributes
    return (room is None or room >= _ROOM_FOR_ATTRIBUTES) and limits.max_span_attribute_length is None
