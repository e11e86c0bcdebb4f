"""The flow that the running code belongs to.

It lives in OpenTelemetry's own context, under one key: whatever carries a trace across asyncio tasks or
threads carries correlation and causation along, and entering a message costs one context switch, not two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context

from flowtrail._event import Event
from flowtrail.wire import Header, names, read_headers
from flowtrail.wire.tracecontext import context_from_envelope, trace_headers
from flowtrail.wire.write import write_headers

FLOW_KEY = otel_context.create_key("flowtrail-flow")


def _context_functions() -> tuple[Callable[[], Context], Callable[[Context], Any]]:
    """OpenTelemetry's `get_current` and `attach`; where it keeps its context in a contextvar, that one's own.

    They are called several times per message, and the functions around the variable cost more than it does.
    """
    runtime = getattr(otel_context, "_RUNTIME_CONTEXT", None)
    variable = getattr(runtime, "_current_context", None)
    if type(runtime).__name__ == "ContextVarsRuntimeContext" and isinstance(variable, ContextVar):
        return variable.get, variable.set
    return otel_context.get_current, otel_context.attach


get_current, attach = _context_functions()


class Flow(Protocol):
    """Correlation and causation for whatever is published next: that of the message being handled, or carried.

    Attributes:
        correlation_id: Id of the flow, None if there is none yet.
        causation_id: Id of the event that causes what is published, None at the start of a flow.
        event: The event being handled, None outside a handler.
    """

    @property
    def correlation_id(self) -> str | None: ...
    @property
    def causation_id(self) -> str | None: ...
    @property
    def event(self) -> Event[Any] | None: ...


class CarriedFlow(NamedTuple):
    """A flow that came from elsewhere; nobody handles an event in it."""

    correlation_id: str | None
    causation_id: str | None
    event: None = None


class FlowContext:
    """A flow and its trace, taken out of one place to be put into another.

    Attributes:
        context: The OpenTelemetry context, with our flow in it.
    """

    __slots__ = ("context",)

    def __init__(self, context: Context) -> None:
        self.context = context

    @property
    def flow(self) -> Flow | None:
        """The flow in it, if any."""
        return flow_in(self.context)

    @property
    def correlation_id(self) -> str | None:
        """Id of the flow."""
        flow = self.flow
        return flow.correlation_id if flow is not None else None

    @property
    def causation_id(self) -> str | None:
        """Id of the event that causes what is published in this context."""
        flow = self.flow
        return flow.causation_id if flow is not None else None


def capture() -> FlowContext:
    """The flow and trace of the running code, to be restored in a thread, a callback or another task."""
    return FlowContext(otel_context.get_current())


@contextmanager
def restore(captured: FlowContext) -> Iterator[None]:
    """Run a block within a captured flow; works around `await` too."""
    token = otel_context.attach(captured.context)
    try:
        yield
    finally:
        otel_context.detach(token)


def flow_in(context: Context) -> Flow | None:
    """The flow in an OpenTelemetry context, None if there is none."""
    return context.get(FLOW_KEY)  # type: ignore[return-value]


def current_flow() -> Flow | None:
    """The flow of the running code, None outside one."""
    return flow_in(get_current())


def current_event() -> Event[Any] | None:
    """The event whose handler is running, None outside a handler."""
    flow = current_flow()
    return flow.event if flow is not None else None


def inject(headers: Iterable[Header] | None = None, *, baggage_keys: Iterable[str] = ()) -> list[Header]:
    """Headers that carry the current flow and trace.

    Args:
        headers: Headers to add to; not mutated.
        baggage_keys: Baggage entries that may travel.

    Returns:
        A new list: the given headers, with `traceparent`, `tracestate`, `baggage`, `ce_correlationid` and
        `ce_causationid` replaced by the current ones.
    """
    context = otel_context.get_current()
    span_context = trace.get_current_span(context).get_span_context()
    ours = trace_headers(span_context, context, frozenset(baggage_keys))
    flow = flow_in(context)
    if flow is not None:
        if flow.correlation_id:
            ours.append((names.CORRELATION_ID, flow.correlation_id.encode()))
        if flow.causation_id:
            ours.append((names.CAUSATION_ID, flow.causation_id.encode()))
    return write_headers(headers, ours)


def extract(headers: Any, *, baggage_keys: Iterable[str] = ()) -> FlowContext:
    """The flow and trace that headers carry, for `restore`; the opposite of `inject`.

    Causation is taken as it stands: what is published there is caused by what `inject` named.

    Args:
        headers: (name, value) pairs or a mapping, as received; never raises, whatever is in them.
        baggage_keys: Baggage entries that may travel.
    """
    pairs = list(headers.items()) if isinstance(headers, Mapping) else headers
    envelope = read_headers(pairs)
    context = context_from_envelope(Context(), envelope, baggage_keys)
    flow = CarriedFlow(envelope.correlation_id, envelope.causation_id)
    return FlowContext(Context({**context, FLOW_KEY: flow}))
