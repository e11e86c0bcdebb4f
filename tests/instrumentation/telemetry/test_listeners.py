"""Span processors are told of a span's start as the SDK tells them; those that do nothing with it aren't asked."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from flowtrail._telemetry import MessageTracer, Telemetry
from flowtrail._telemetry.listeners import Listeners


class Notes(SpanProcessor):
    """Notes what starts, and below what."""

    def __init__(self) -> None:
        self.started: list[tuple[str, Any]] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Note it."""
        self.started.append((span.name, trace.get_current_span(parent_context).get_span_context()))


class Derived(BatchSpanProcessor):
    """A program's own, which does something at the start."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Something."""


def of(*processors: SpanProcessor) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    for processor in processors:
        provider.add_span_processor(processor)
    return provider


def at_start(provider: TracerProvider) -> bool:
    return Listeners(provider._active_span_processor).at_start()


def test_only_those_that_do_nothing_are_left_out() -> None:
    batch, simple = (kind(InMemorySpanExporter()) for kind in (BatchSpanProcessor, SimpleSpanProcessor))
    assert not at_start(of())
    assert not at_start(of(batch, simple, SpanProcessor()))
    assert at_start(of(batch, Notes()))
    assert at_start(of(Derived(InMemorySpanExporter())))
    patched = SimpleSpanProcessor(InMemorySpanExporter())
    patched.on_start = lambda *_, **__: None  # type: ignore[method-assign]
    assert at_start(of(patched))
    assert Listeners(Notes()).at_start(), "a tracer's own processor, which is none of the SDK's"
    concurrent = ConcurrentMultiSpanProcessor(1)
    concurrent.add_span_processor(Notes())
    assert Listeners(concurrent).at_start()


@pytest.mark.parametrize("inside", [False, True])
def test_a_processor_that_comes_later_is_told_and_of_the_same_parent(inside: bool) -> None:
    provider, notes = of(SimpleSpanProcessor(InMemorySpanExporter())), Notes()
    telemetry = Telemetry("shop", tracer_provider=provider, registry=CollectorRegistry())
    tracer = MessageTracer(telemetry, None)
    tracer.start("orders", b"1", None, None).acked(None)
    provider.add_span_processor(notes)
    if inside:
        with provider.get_tracer("mine").start_as_current_span("mine") as span:
            tracer.start("orders", b"2", None, None).acked(None)
            assert notes.started[1:] == [("send orders", span.get_span_context())]
    else:
        tracer.start("orders", b"2", None, None).acked(None)
        assert notes.started == [("send orders", trace.INVALID_SPAN_CONTEXT)]
