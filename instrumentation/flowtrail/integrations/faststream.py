"""FastStream: ids, spans, metrics and logs on a Kafka broker's messages.

    broker = KafkaBroker("localhost:9092", middlewares=[FlowtrailMiddleware(trail)])

Both of FastStream's Kafka brokers will do, on aiokafka and on confluent-kafka. Needs the extra `faststream`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any

from flowtrail._batch import Batch
from flowtrail._extras import load
from flowtrail.errors import ConfigurationError
from flowtrail.integrations._faststream_consuming import Consuming
from flowtrail.integrations._faststream_publishing import Publishing, class_name

if TYPE_CHECKING:
    from flowtrail._trail import Trail

__all__ = ["FlowtrailMiddleware", "class_name", "current_batch"]

_BaseMiddleware: Any = load("faststream", "faststream", "faststream").BaseMiddleware
_current_batch: ContextVar[Batch[Any] | None] = ContextVar("flowtrail-batch", default=None)

Next = Callable[[Any], Awaitable[Any]]


class FlowtrailMiddleware:
    """Traces what a broker of FastStream handles and publishes, as `@trail.consumer` and `trail.publish` do.

    In a handler `flowtrail.current_event()` is the event, its data the bytes as they came: FastStream decodes
    them for the handler. What the handler publishes, by the broker, by `@broker.publisher` or by the trail,
    belongs to the event's flow; what goes through the trail is acknowledged before FastStream commits. A batch
    handler gets its events by `current_batch()`.

    What is published is an event if it has a type: `type_of(body)`, or the header `ce_type`. Its subject is the
    header `ce_subject`, else the key, if that is text. FastStream's `correlation_id` and ours are the same; in a
    handler the flow's id counts. `publish_batch` gives all its messages the same headers, so that they have no
    `ce_id` and are called by topic, partition and offset.

    Retries, dead letters and commits stay FastStream's.

    Args:
        trail: The service's trail.
        type_of: Makes an event type of a body before it is encoded, None for no type; default: the name of its
            class, if it is a model or a dataclass.

    Raises:
        ConfigurationError: `trail` isn't a `Trail`.
    """

    def __init__(self, trail: Trail, *, type_of: Callable[[Any], str | None] | None = None) -> None:
        if not hasattr(trail, "telemetry"):
            raise ConfigurationError(
                f"FlowtrailMiddleware takes the service's Trail, not {type(trail).__name__}: "
                "middlewares=[FlowtrailMiddleware(trail)]"
            )
        self._trail = trail
        self._publishing = Publishing(trail, type_of or class_name)

    def __call__(self, message: Any, /, *, context: Any) -> Any:
        """FastStream asks for one middleware for each message, None for one that is published."""
        return _MessageMiddleware(message, context, self._trail, self._publishing)


def current_batch() -> Batch[Any] | None:
    """The batch whose handler is running, None outside a batch handler.

    `for row, member in zip(rows, current_batch()): with member as event: ...`, and what is published inside is
    caused by that event.
    """
    return _current_batch.get()


class _MessageMiddleware(_BaseMiddleware):  # type: ignore[misc]
    """The middleware of one message that came, or of one that goes."""

    # The base class has slots.
    __slots__ = ("_consuming", "_publishing", "_token", "_trail")

    def __init__(self, message: Any, context: Any, trail: Trail, publishing: Publishing) -> None:
        super().__init__(message, context=context)
        self._trail = trail
        self._publishing = publishing
        self._consuming: Consuming | None = None
        self._token: Any = None

    async def on_receive(self) -> None:
        """A message came: parsing, handling, and publishing what the handler returned are its handling."""
        telemetry = self._trail.telemetry
        try:
            group = getattr(self.context.get_local("handler_"), "group_id", None)
            self._consuming = Consuming(telemetry, self.msg, group)
            if self._consuming.batch is not None:
                self._token = _current_batch.set(self._consuming.batch)
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            telemetry.internal_error("receive", failure)

    async def consume_scope(self, call_next: Next, message: Any) -> Any:
        """The handler is called: FastStream's own logs and headers name the same flow."""
        consuming = self._consuming
        if consuming is not None and consuming.correlation_id is not None:
            message.correlation_id = consuming.correlation_id
        return await call_next(message)

    async def after_processed(
        self,
        exc_type: type[BaseException] | None = None,
        exc_val: BaseException | None = None,
        exc_tb: TracebackType | None = None,
    ) -> bool | None:
        """The handling is over; FastStream commits after this.

        Raises:
            PublishError: What the handler published through the trail didn't arrive.
        """
        consuming, self._consuming = self._consuming, None
        if consuming is None:
            return False
        if self._token is not None:
            _current_batch.reset(self._token)
        unsettled = consuming.close()
        if unsettled is not None:
            await asyncio.to_thread(unsettled.wait, self._trail.timing.publish_timeout_seconds)
        failure = consuming.leave(exc_val)
        if failure is not None:
            raise failure
        return False

    async def publish_scope(self, call_next: Next, command: Any) -> Any:
        """A message goes."""
        return await self._publishing.publish(call_next, command)
