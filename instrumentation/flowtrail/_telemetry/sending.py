"""One publication: from the call to the broker's acknowledgement."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Span, SpanContext, Status, StatusCode

from flowtrail._record import Header
from flowtrail._telemetry import attributes
from flowtrail._telemetry.errors import error_type_of
from flowtrail._telemetry.logs import PUBLISH, log_publish
from flowtrail._telemetry.routes import SendRoute
from flowtrail._telemetry.spans import MessageSpan

if TYPE_CHECKING:
    from flowtrail._telemetry.telemetry import Telemetry


class Sending:
    """A publication under way; `Telemetry.sending` makes it.

    Attributes:
        headers: What to hand to the client; a list of its own.
        event_id: The event's `ce_id`.
        correlation_id: Id of the flow it belongs to.
        causation_id: Id of the event that caused it, None at the start of a flow.
        type: Event type, None for a message that is no event.
        subject: Aggregate id.
        route: What is the same for all messages of its topic.
        span: The send span; None if nothing is recorded.
    """

    __slots__ = (
        "_key", "_over", "_started_ns", "_telemetry", "_tombstone", "_value_size", "causation_id",
        "correlation_id", "event_id", "headers", "route", "span", "subject", "trace_context", "type",
    )  # fmt: skip

    headers: list[Header]
    event_id: str
    correlation_id: str
    causation_id: str | None
    span: Span | None
    trace_context: SpanContext | None

    def __init__(
        self,
        telemetry: Telemetry,
        route: SendRoute,
        type: str | None,
        subject: str | None,
        key: object,
        value_size: int | None,
        tombstone: bool,
    ) -> None:
        self._telemetry = telemetry
        self.route = route
        self.type = type
        self.subject = subject
        self._key = key
        self._value_size = value_size
        self._tombstone = tombstone
        self._over = False
        self._started_ns = telemetry.monotonic_ns()

    @property
    def topic(self) -> str:
        """Where it goes."""
        return self.route.topic

    def attributes(self) -> dict[str, Any]:
        """The send span's attributes at its start."""
        found = {
            **self.route.attributes,
            attributes.MESSAGE_ID: self.event_id,
            attributes.CONVERSATION_ID: self.correlation_id,
        }
        if self.type is not None:
            found[attributes.EVENT_TYPE] = self.type
        if self.subject is not None:
            found[attributes.EVENT_SUBJECT] = self.subject
        if self.causation_id is not None:
            found[attributes.CAUSATION_ID] = self.causation_id
        if self._key is not None:
            found[attributes.KAFKA_KEY] = attributes.key_text(self._key)
        if self._value_size is not None:
            found[attributes.BODY_SIZE] = self._value_size
        if self._tombstone:
            found[attributes.KAFKA_TOMBSTONE] = True
        return found

    def done(self, partition: int | None = None, offset: int | None = None) -> None:
        """The broker acknowledged it; from any thread, only the first call counts, never raises."""
        self._finish(None, partition, offset)

    def fail(self, error: BaseException | str) -> None:
        """It failed; from any thread, only the first call counts, never raises."""
        self._finish(error, None, None)

    def acked(self, metadata: Any) -> None:
        """`done` as a callback that takes a client's record metadata."""
        self._finish(None, getattr(metadata, "partition", None), getattr(metadata, "offset", None))

    def _finish(self, error: BaseException | str | None, partition: int | None, offset: int | None) -> None:
        if self._over:
            return
        self._over = True
        telemetry = self._telemetry
        try:
            seconds = (telemetry.monotonic_ns() - self._started_ns) / 1e9
            kind = "" if error is None else error_type_of(error)
            if self.span is not None:
                self._end_span(self.span, error, kind, partition, offset)
            self.route.record(seconds, kind)
            level = logging.ERROR if kind else logging.INFO
            if PUBLISH.isEnabledFor(level):
                log_publish(level, self._log_fields(kind, seconds, partition, offset), telemetry.time_ns())
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            telemetry.internal_error("sending", failure)

    def _end_span(
        self,
        span: Span,
        error: BaseException | str | None,
        kind: str,
        partition: int | None,
        offset: int | None,
    ) -> None:
        if type(span) is MessageSpan:
            put = span.put
        elif span.is_recording():
            put = span.set_attribute
        else:
            span.end()
            return
        if partition is not None:
            put(attributes.PARTITION, str(partition))
        if offset is not None and offset >= 0:
            put(attributes.KAFKA_OFFSET, offset)
        if error is not None:
            put(attributes.ERROR_TYPE, kind)
            if isinstance(error, BaseException):
                span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR, str(error)[:1000]))
        span.end()

    def _log_fields(
        self, kind: str, seconds: float, partition: int | None, offset: int | None
    ) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "topic": self.route.topic,
            "partition": partition,
            "offset": offset,
            "event_type": self.type,
            "event_id": self.event_id,
            "correlation_id": self.correlation_id,
            "causation_id": self.causation_id,
            "outcome": kind or "ok",
            "duration_ms": seconds * 1e3,
        }
        if self.trace_context is not None:
            fields["trace_id"] = f"{self.trace_context.trace_id:032x}"
        return fields
