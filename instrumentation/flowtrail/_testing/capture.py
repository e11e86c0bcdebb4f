"""Telemetry that a test can look at: spans, metrics and log records in memory."""

from __future__ import annotations

import logging
import random

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from prometheus_client import CollectorRegistry


class SeededTraceIds(IdGenerator):
    """Trace and span ids that come out the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._bits = random.Random(seed).getrandbits  # noqa: S311

    def generate_trace_id(self) -> int:
        """128 bits, not all zero."""
        return self._bits(127) + 1

    def generate_span_id(self) -> int:
        """64 bits, not all zero."""
        return self._bits(63) + 1


class Capture:
    """A tracer provider and a Prometheus registry of their own, and the library's log records.

    Args:
        service: `service.name` of the spans.
        seed: For trace and span ids.
    """

    def __init__(self, service: str, seed: int) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider(
            resource=Resource({"service.name": service}),
            id_generator=SeededTraceIds(seed),
            sampler=ALWAYS_ON,
            shutdown_on_exit=False,
        )
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.registry = CollectorRegistry()
        self._handler = _Records()
        self._level = logging.NOTSET

    def start(self) -> None:
        """Begin to collect log records."""
        logger = logging.getLogger("flowtrail")
        self._level = logger.level
        logger.setLevel(logging.INFO)
        logger.addHandler(self._handler)

    def stop(self) -> None:
        """Leave logging as it was."""
        logger = logging.getLogger("flowtrail")
        logger.setLevel(self._level)
        logger.removeHandler(self._handler)

    @property
    def spans(self) -> list[ReadableSpan]:
        """Ended spans, in the order of their ends."""
        return list(self._exporter.get_finished_spans())

    @property
    def logs(self) -> list[logging.LogRecord]:
        """What the library logged."""
        return list(self._handler.records)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels, by its Prometheus name; 0 if there are none."""
        return sum(
            sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
