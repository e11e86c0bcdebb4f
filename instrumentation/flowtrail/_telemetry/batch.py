"""Handling several messages at once: one span with a link per message, and each message's own flow."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import Token
from types import TracebackType
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanKind

from flowtrail._context import FLOW_KEY
from flowtrail._telemetry import attributes, reads
from flowtrail._telemetry.errors import end_with, error_type_of
from flowtrail._telemetry.processing import Processing
from flowtrail._telemetry.reporter import Reporter
from flowtrail._telemetry.spans import SPAN_KEY, as_span_context, parent_in
from flowtrail.wire import RecordLike
from flowtrail.wire.tracecontext import span_context_of


class BatchItem(Processing):
    """One message of a batch: its flow and event are current inside, the span is the batch's."""

    __slots__ = ()
    _part_of_batch = True

    def _start(self, reporter: Reporter, current: Context) -> None:
        self.trace_context = parent_in(current)
        otel_context.attach(Context({**current, FLOW_KEY: self}))


class ProcessingBatch:
    """A context manager around the handling of a batch; iterate it for the messages.

        with telemetry.processing_batch(records) as batch:
            for item in batch:
                with item as event:
                    ...

    An exception that leaves an item's block marks the message as failed and goes on its way; an item on which
    `fail` was called counts as failed without one. The batch's span ends with the block around the loop.

    Attributes:
        items: One per record, in their order.
    """

    def __init__(self, reporter: Reporter, items: list[BatchItem], group: str | None) -> None:
        self.items = items
        self._reporter = reporter
        self._group = group
        self._token: Token[Context] | None = None
        self._span: Any = None
        self._started_ns = 0

    @property
    def failed(self) -> int:
        """Messages that failed so far."""
        return sum(1 for item in self.items if item.outcome == "error")

    def __iter__(self) -> Iterator[BatchItem]:
        return iter(self.items)

    def __enter__(self) -> ProcessingBatch:
        """Start the span and make it current."""
        reporter = self._reporter
        self._started_ns = reporter.monotonic_ns()
        try:
            current = otel_context.get_current()
            parent = parent_in(current)
            topics = sorted({item.record.topic for item in self.items})
            name = f"process {topics[0]}" if len(topics) == 1 else "process"
            span, own = reporter.starter.begin(
                name, SpanKind.CONSUMER, current, parent, lambda: self._attributes(topics), self._links()
            )
            self._span = span
            if span is None and own is not None:
                span = NonRecordingSpan(as_span_context(own))
            if span is not None:
                self._token = otel_context.attach(Context({**current, SPAN_KEY: span}))
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            reporter.internal_error("batch", failure)
        return self

    def _attributes(self, topics: list[str]) -> dict[str, Any]:
        topic = topics[0] if len(topics) == 1 else None
        found = attributes.common(self._reporter.system, "process", "process", topic=topic, group=self._group)
        found[attributes.BATCH_COUNT] = len(self.items)
        return found

    def _place(self, record: RecordLike) -> dict[str, Any]:
        if self._reporter.system != attributes.KAFKA:
            return {}
        return {attributes.PARTITION: str(record.partition), attributes.KAFKA_OFFSET: record.offset}

    def _links(self) -> list[Link]:
        links = []
        for item in self.items:
            remote = span_context_of(item.envelope)
            if remote is not None:
                links.append(
                    Link(
                        remote,
                        {
                            attributes.MESSAGE_ID: item.event_id,
                            attributes.CONVERSATION_ID: item.correlation_id,
                            **self._place(item.record),
                        },
                    )
                )
        return links

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the span; an exception goes on its way."""
        if self._token is not None:
            otel_context.detach(self._token)
            self._token = None
        reporter = self._reporter
        try:
            if self._span is not None:
                if self.failed:
                    self._span.set_attribute(attributes.BATCH_FAILED, self.failed)
                for name, value in reads.of_batch(self.items).items():
                    self._span.set_attribute(name, value)
                end_with(self._span, error)
            seconds = (reporter.monotonic_ns() - self._started_ns) / 1e9
            error_type = "" if error is None else error_type_of(error)
            for topic in {item.record.topic for item in self.items}:
                reporter.process_route(topic, self._group).record_batch(seconds, error_type)
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            reporter.internal_error("batch", failure)
