"""A Telemetry whose spans, metrics and logs a test can look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from flowtrail._clock import FakeClock
from flowtrail._ids import SeededIds
from flowtrail._telemetry import Telemetry
from flowtrail.wire import Record


class Lab:
    """Telemetry with an in-memory exporter, its own registry, a fake clock and seeded ids."""

    def __init__(self, **settings: Any) -> None:
        self.exporter = InMemorySpanExporter()
        provider = settings.pop("tracer_provider", None)
        if provider is None:
            provider = TracerProvider(sampler=settings.pop("sampler", None))
        if hasattr(provider, "add_span_processor"):
            provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.provider = provider
        self.registry = CollectorRegistry()
        self.clock = FakeClock()
        settings.setdefault("registry", self.registry)
        self.telemetry = Telemetry(
            "lab", tracer_provider=provider, clock=self.clock, ids=SeededIds(), **settings
        )

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """Ended spans, in the order of their ends."""
        return self.exporter.get_finished_spans()

    def span(self, name: str) -> ReadableSpan:
        """The only ended span of this name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def value(self, name: str, **labels: str) -> float | None:
        """A sample of the registry; labels that aren't named may have any value."""
        found = [
            sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(found) if found else None


def record(headers: Any = (), **fields: Any) -> Record:
    """A consumed record."""
    values: dict[str, Any] = {"topic": "orders", "partition": 0, "offset": 7, "value": b"{}", "key": b"k"}
    return Record(**{**values, **fields, "headers": headers})


def header(headers: Sequence[tuple[str, Any]], name: str) -> str | None:
    """The only header of this name as text; None if there is none."""
    values = [value for key, value in headers if key == name]
    assert len(values) <= 1, f"{name} appears {len(values)} times"
    return values[0].decode() if values else None
