"""Handling several messages at once: one span with a link per message, and each message's own flow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanKind

from flowtrail._context import FLOW_KEY
from flowtrail._event import Event
from flowtrail._telemetry import attributes
from flowtrail._telemetry.errors import error_type_of
from flowtrail._telemetry.operations import end_with
from flowtrail._telemetry.processing import Decode, Processing, Shape
from flowtrail._telemetry.spans import SPAN_KEY, as_span_context, parent_in
from flowtrail.wire import RecordLike
from flowtrail.wire.tracecontext import span_context_of

if TYPE_CHECKING:
    from flowtrail._telemetry.telemetry import Telemetry


class BatchItem(Processing):
    """One message of a batch: its flow and event are current inside, the span is the batch's."""

    __slots__ = ()
    _part_of_batch = True

    def _start(self, telemetry: Telemetry, current: Context) -> None:
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
        failed: How many of them failed so far.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        records: Sequence[RecordLike],
        group: str | None,
        decode: Decode | None,
        shape: Shape | None = None,
        attempts: Sequence[int] | None = None,
    ) -> None:
        self._telemetry = telemetry
        self._group = group
        self._token: Token[Context] | None = None
        self._span: Any = None
        self._started_ns = 0
        self.items = [
            BatchItem(
                telemetry,
                telemetry.process_route(record.topic, group),
                record,
                telemetry.read(record),
                attempt,
                decode,
                shape,
            )
            for record, attempt in zip(records, attempts or [1] * len(records), strict=True)
        ]

    @property
    def failed(self) -> int:
        """Messages that failed so far."""
        return sum(1 for item in self.items if item.outcome == "error")

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[BatchItem]:
        return iter(self.items)

    def events(self) -> list[Event[Any]]:
        """All events of the batch, for handlers that take a list; decodes each.

        Raises:
            DecodeError: A payload isn't what it should be.
        """
        return [item.event for item in self.items]

    def __enter__(self) -> ProcessingBatch:
        """Start the span and make it current."""
        telemetry = self._telemetry
        self._started_ns = telemetry.monotonic_ns()
        try:
            current = otel_context.get_current()
            parent = parent_in(current)
            topics = sorted({item.record.topic for item in self.items})
            name = f"process {topics[0]}" if len(topics) == 1 else "process"
            span, own = telemetry.starter.begin(
                name, SpanKind.CONSUMER, current, parent, lambda: self._attributes(topics), self._links()
            )
            self._span = span
            if span is None and own is not None:
                span = NonRecordingSpan(as_span_context(own))
            if span is not None:
                self._token = otel_context.attach(Context({**current, SPAN_KEY: span}))
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            telemetry.internal_error("batch", failure)
        return self

    def _attributes(self, topics: list[str]) -> dict[str, Any]:
        found: dict[str, Any] = {
            attributes.SYSTEM: attributes.KAFKA,
            attributes.OPERATION_NAME: "process",
            attributes.OPERATION_TYPE: "process",
            attributes.BATCH_COUNT: len(self.items),
        }
        if len(topics) == 1:
            found[attributes.DESTINATION] = topics[0]
        if self._group is not None:
            found[attributes.GROUP] = self._group
        return found

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
                            attributes.PARTITION: str(item.record.partition),
                            attributes.KAFKA_OFFSET: item.record.offset,
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
        telemetry = self._telemetry
        try:
            if self._span is not None:
                if self.failed:
                    self._span.set_attribute(attributes.BATCH_FAILED, self.failed)
                end_with(self._span, error)
            seconds = (telemetry.monotonic_ns() - self._started_ns) / 1e9
            error_type = "" if error is None else error_type_of(error)
            for topic in {item.record.topic for item in self.items}:
                telemetry.process_route(topic, self._group).record_batch(seconds, error_type)
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            telemetry.internal_error("batch", failure)
