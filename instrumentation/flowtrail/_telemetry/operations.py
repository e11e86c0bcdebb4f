"""Client operations that are about no single message: polling and committing."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.trace import SpanKind

from flowtrail._telemetry import attributes, definitions
from flowtrail._telemetry.errors import end_with, error_type_of
from flowtrail._telemetry.reporter import Reporter
from flowtrail._telemetry.spans import parent_in


class Operation:
    """A context manager around a poll or a commit.

    A poll that brought nothing leaves no span: an idle consumer polls all day.

    Args:
        reporter: Where to report.
        name: `poll` or `commit`.
        operation_type: OpenTelemetry's type for it: `receive` or `settle`.
        topics: Topics it is about, as far as known.
        group: Consumer group.
        keep_empty: Whether to make a span although no message was reported with `received`.
    """

    def __init__(
        self,
        reporter: Reporter,
        name: str,
        operation_type: str,
        topics: Iterable[str],
        group: str | None,
        *,
        keep_empty: bool,
    ) -> None:
        self._reporter = reporter
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
        self._started_ns = self._reporter.monotonic_ns()
        self._wall_ns = self._reporter.time_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make the span, observe the duration; an exception goes on its way."""
        if error is None and not self._messages and not self._keep_empty:
            return
        reporter = self._reporter
        try:
            seconds = (reporter.monotonic_ns() - self._started_ns) / 1e9
            topic = next(iter(self._topics)) if len(self._topics) == 1 else ""
            error_type = "" if error is None else error_type_of(error)
            family = reporter.metrics[definitions.OPERATION_DURATION]
            family.series(reporter.system, self._name, topic, self._group or "", error_type).observe(seconds)
            self._make_span(topic, error)
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            reporter.internal_error(self._name, failure)

    def _make_span(self, topic: str, error: BaseException | None) -> None:
        current = otel_context.get_current()
        span, _ = self._reporter.starter.begin(
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
        found = attributes.common(
            self._reporter.system, self._name, self._type, topic=topic, group=self._group
        )
        if self._messages:
            found[attributes.BATCH_COUNT] = self._messages
        return found
