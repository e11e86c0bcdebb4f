"""Coming back to a record whose handling is over: without reporting it again, or only to leave it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan

from flowtrail._context import FLOW_KEY, attach, get_current
from flowtrail._event import Event
from flowtrail._telemetry.processing import Processing
from flowtrail._telemetry.routes import ProcessRoute
from flowtrail._telemetry.spans import SPAN_KEY, as_span_context


class Revisit(Processing):
    """A record that was handled already is looked at again: its flow is current, nothing is reported."""

    __slots__ = ("_first",)

    def __init__(self, first: Processing) -> None:
        super().__init__(first._reporter, first._route, first.record, first.envelope, first.attempt)
        self._first = first

    @property
    def event(self) -> Event[Any]:
        """See `Processing.event`."""
        return self._first.event

    def __enter__(self) -> Revisit:
        """Make the flow and the trace current again."""
        first = self._first
        outer = self._outer = get_current()
        span: Any = first.span or first._unrecorded
        if span is None and first.trace_context is not None:
            span = NonRecordingSpan(as_span_context(first.trace_context))
        self.span, self.trace_context = span, first.trace_context
        attach(
            Context({**outer, FLOW_KEY: self} if span is None else {**outer, SPAN_KEY: span, FLOW_KEY: self})
        )
        return self

    def leave(self, error: BaseException | None = None, restore: bool = True) -> None:
        """See `Processing.leave`."""
        self.outcome = self._first.outcome
        if not restore:
            self._keep_outer()
        elif self._outer is not None:
            attach(self._outer)
            self._outer = None


def step_out_of_ended(routes: Collection[ProcessRoute]) -> None:
    """Take handlings that are over out of the current context, and out from under those that go on.

    They come to light in threads and tasks other than the one that ended them, and wherever a program's own
    block ends that began inside them: it puts back the context that was current then, whatever has happened
    since. What the program itself has put on top of them stays.

    Args:
        routes: Of which handlings; those of others are not the caller's to leave.
    """
    current = get_current()
    context = top = _stepped_out(current, routes)
    while isinstance(flow := context.get(FLOW_KEY), Processing) and flow._outer is not None:
        context = flow._outer = _stepped_out(flow._outer, routes)
    if top is not current:
        attach(top)


def _stepped_out(context: Context, routes: Collection[ProcessRoute]) -> Context:
    while isinstance(flow := context.get(FLOW_KEY), Processing) and flow.outcome is not None:
        if flow._outer is None or flow._route not in routes:
            break
        context = flow.taken_out_of(context)
    return context
