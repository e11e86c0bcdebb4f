"""One publication: from the call to the broker's acknowledgement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import Span, Status, StatusCode

from flowtrail._record import Header
from flowtrail._telemetry import attributes
from flowtrail._telemetry.errors import error_type_of

if TYPE_CHECKING:
    from flowtrail._telemetry.telemetry import Telemetry


class Sending:
    """A publication under way.

    Attributes:
        headers: What to hand to the client; a list of its own.
        event_id: The event's `ce_id`; None if the message isn't an event (no type, no id).
        correlation_id: Id of the flow it belongs to.
        span: The send span.
    """

    __slots__ = (
        "_over", "_started_ns", "_telemetry", "causation_id", "correlation_id", "event_id", "headers", "span",
        "topic", "type",
    )  # fmt: skip

    def __init__(
        self,
        telemetry: Telemetry,
        topic: str,
        type: str | None,
        event_id: str | None,
        correlation_id: str | None,
        causation_id: str | None,
        span: Span,
        headers: list[Header],
        started_ns: int,
    ) -> None:
        self._telemetry = telemetry
        self._started_ns = started_ns
        self._over = False
        self.topic = topic
        self.type = type
        self.event_id = event_id
        self.correlation_id = correlation_id
        self.causation_id = causation_id
        self.span = span
        self.headers = headers

    def done(self, partition: int | None = None, offset: int | None = None) -> None:
        """The broker acknowledged it; from any thread, only the first call counts, never raises."""
        self._finish(None, partition, offset)

    def fail(self, error: BaseException | str) -> None:
        """It failed; from any thread, only the first call counts, never raises."""
        self._finish(error, None, None)

    def _finish(self, error: BaseException | str | None, partition: int | None, offset: int | None) -> None:
        if self._over:
            return
        self._over = True
        telemetry = self._telemetry
        try:
            span = self.span
            if span.is_recording():
                if partition is not None:
                    span.set_attribute(attributes.PARTITION, str(partition))
                if offset is not None:
                    span.set_attribute(attributes.KAFKA_OFFSET, offset)
                if error is not None:
                    span.set_attribute(attributes.ERROR_TYPE, error_type_of(error))
                    span.set_status(Status(StatusCode.ERROR, str(error)[:1000]))
                    if isinstance(error, BaseException):
                        span.record_exception(error)
            span.end()
            seconds = (telemetry.clock.monotonic_ns() - self._started_ns) / 1e9
            telemetry.record_sent(self, error, seconds, partition, offset)
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            telemetry.internal_error("sending", failure)
