"""One handling of one message: the handler runs inside it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Span

from flowtrail._event import Event, build_event
from flowtrail._headers import Envelope
from flowtrail._record import RecordLike

if TYPE_CHECKING:
    from flowtrail._telemetry.telemetry import Telemetry

Decode = Callable[[Envelope, Any], Any]


class Processing:
    """A context manager around the handling of one message.

    Attributes:
        record: The record as the client handed it over.
        envelope: Its parsed headers.
        group: The consumer group, if known.
        attempt: 1 for the first try.
        outcome: How it ended: `ok`, `error`, or what the caller sets: `retry`, `dead_letter`, `duplicate`...
        span: The process span, once entered.
    """

    __slots__ = (
        "_decode", "_error", "_event", "_started_ns", "_telemetry", "_token", "attempt", "client_id",
        "correlation_id", "envelope", "event_id", "group", "outcome", "record", "span",
    )  # fmt: skip

    def __init__(
        self,
        telemetry: Telemetry,
        record: RecordLike,
        envelope: Envelope,
        group: str | None,
        attempt: int,
        decode: Decode | None,
        client_id: str | None,
    ) -> None:
        self._telemetry = telemetry
        self._decode = decode
        self._error: BaseException | None = None
        self._event: Event[Any] | None = None
        self._token: Token[Context] | None = None
        self._started_ns = 0
        self.record = record
        self.envelope = envelope
        self.group = group
        self.attempt = attempt
        self.client_id = client_id
        self.outcome: str | None = None
        self.span: Span
        self.event_id: str
        self.correlation_id: str

    @property
    def event(self) -> Event[Any]:
        """The event, decoded on first use.

        Raises:
            DecodeError: The payload isn't what it should be (or whatever else `decode` raises).
        """
        if self._event is None:
            self._event = build_event(self.record, self.envelope, attempt=self.attempt, decode=self._decode)
        return self._event

    def fail(self, error: BaseException) -> None:
        """Mark it as failed although no exception leaves the block; the last call counts."""
        self._error = error

    def __enter__(self) -> Processing:
        """Start the span and make it, the flow and the event current."""
        self._telemetry.enter_processing(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the span, count, log; an exception goes on its way."""
        if self._token is not None:
            otel_context.detach(self._token)
            self._token = None
        self._telemetry.exit_processing(self, error if error is not None else self._error)
