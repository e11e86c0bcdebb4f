"""Client operations that are about no single message: polling and committing."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from flowtrail._telemetry import attributes, definitions
from flowtrail._telemetry.errors import error_type_of
from flowtrail._telemetry.spans import parent_in

if TYPE_CHECKING:
    from flowtrail._telemetry.telemetry import Telemetry


def end_with(span: Span, error: BaseException | str | None) -> None:
    """End a span, as failed if there is an error."""
    if error is not None and span.is_recording():
        span.set_attribute(attributes.ERROR_TYPE, error_type_of(error))
        if isinstance(error, BaseException):
            span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, str(error)[:1000]))
    span.end()


class Operation:
    """A context manager around a poll or a commit.

    A poll that brought nothing leaves no span: an idle consumer polls all day.

    Args:
        telemetry: Where to report.
        name: `poll` or `commit`.
        operation_type: OpenTelemetry's type for it: `receive` or `settle`.
        topics: Topics it is about, as far as known.
        group: Consumer group.
        keep_empty: Whether to make a span although no message was reported with `received`.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        name: str,
        operation_type: str,
        topics: Iterable[str],
        group: str | None,
        *,
        keep_empty: bool,
    ) -> None:
        self._telemetry = telemetry
        self._name = name
        self._type = operation_type
        self._topics = set(topics)
        self._group = group
        self._keep_empty = keep_empty
        self._messages = 0
        self._started_ns = 0
        self._wall_ns = 0

    def received(self, topic: str, messages: int = 1) -> None:
        """Messages of a topic came."""
        self._topics.add(topic)
        self._messages += messages

    def __enter__(self) -> Operation:
        """Note the time."""
        self._started_ns = self._telemetry.monotonic_ns()
        self._wall_ns = self._telemetry.time_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make the span, observe the duration; an exception goes on its way."""
        if error is None and not self._messages and not self._keep_empty:
            return
        telemetry = self._telemetry
        try:
            seconds = (telemetry.monotonic_ns() - self._started_ns) / 1e9
            topic = next(iter(self._topics)) if len(self._topics) == 1 else ""
            error_type = "" if error is None else error_type_of(error)
            family = telemetry.metrics[definitions.OPERATION_DURATION]
            family.series("kafka", self._name, topic, self._group or "", error_type).observe(seconds)
            self._make_span(topic, error)
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            telemetry.internal_error(self._name, failure)

    def _make_span(self, topic: str, error: BaseException | None) -> None:
        current = otel_context.get_current()
        span, _ = self._telemetry.starter.begin(
            f"{self._name} {topic}" if topic else self._name,
            SpanKind.CLIENT,
            current,
            parent_in(current),
            lambda: self._attributes(topic),
            start_ns=self._wall_ns,
        )
        if span is not None:
            end_with(span, error)

    def _attributes(self, topic: str) -> dict[str, Any]:
        found: dict[str, Any] = {
            attributes.SYSTEM: attributes.KAFKA,
            attributes.OPERATION_NAME: self._name,
            attributes.OPERATION_TYPE: self._type,
        }
        if topic:
            found[attributes.DESTINATION] = topic
        if self._group:
            found[attributes.GROUP] = self._group
        if self._messages:
            found[attributes.BATCH_COUNT] = self._messages
        return found
