"""A message on its way through FastStream's producer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from flowtrail._context import current_flow
from flowtrail._telemetry import OutgoingMessage
from flowtrail.wire import Header, names, record_of
from flowtrail.wire.write import time_text

if TYPE_CHECKING:
    from flowtrail._trail import Trail

# What a batch can't say of all its messages at once.
_OF_ONE = frozenset({names.ID, names.SPECVERSION, names.SUBJECT})
_PLAIN_MODULES = frozenset({"builtins", "collections", "datetime", "decimal", "uuid"})


def class_name(body: Any) -> str | None:
    """The class of a model or a dataclass, None for plain data."""
    kind = type(body)
    return None if kind.__module__ in _PLAIN_MODULES else kind.__name__


class Publishing:
    """Puts headers and spans on what a broker publishes.

    Args:
        trail: The service's trail.
        type_of: Makes an event type of a body.
    """

    def __init__(self, trail: Trail, type_of: Callable[[Any], str | None]) -> None:
        self._trail = trail
        self._type_of = type_of

    async def publish(self, call_next: Callable[[Any], Awaitable[Any]], command: Any) -> Any:
        """Publish a command of FastStream; what its producer hands back."""
        telemetry = self._trail.telemetry
        try:
            outgoing = self._outgoing(command)
        except Exception as failure:  # noqa: BLE001 - telemetry never breaks the host
            telemetry.internal_error("send", failure)
            return await call_next(command)
        try:
            sent = await call_next(command)
        except BaseException as error:
            outgoing.fail(error)
            raise
        if isinstance(sent, asyncio.Future):  # nobody waits for the broker: no_confirm
            sent.add_done_callback(lambda future: _finish(outgoing, future))
        else:
            outgoing.acked(_place(sent))
        return sent

    def _outgoing(self, command: Any) -> OutgoingMessage:
        telemetry = self._trail.telemetry
        bodies: Sequence[Any] = command.batch_bodies
        is_batch = len(bodies) > 1
        given: dict[str, Any] = dict(command.headers or {})
        event_type = given.get(names.TYPE) or self._common_type(bodies)
        subject = given.get(names.SUBJECT) or (None if is_batch else _text(command.key))
        headers: list[Header] = [
            (name, value.encode() if isinstance(value, str) else value) for name, value in given.items()
        ]
        if current_flow() is None and command.correlation_id:
            headers.append((names.CORRELATION_ID, command.correlation_id.encode()))
        if event_type is None:
            headers += self._source(given)
        outgoing = telemetry.sending(
            command.destination,
            type=event_type,
            subject=subject,
            key=command.key,
            tombstone=not is_batch and command.body is None,
            headers=headers,
            id=given.get(names.ID),
            source=given.get(names.SOURCE),
            time=given.get(names.TIME),
        )
        written = [(name, value) for name, value in outgoing.headers if not (is_batch and name in _OF_ONE)]
        command.headers = {name: (value or b"").decode() for name, value in written}
        command.correlation_id = outgoing.correlation_id
        return outgoing

    def _source(self, given: dict[str, Any]) -> list[Header]:
        """Who sends it and when: for a message that is no event by its type, known to the map all the same."""
        telemetry = self._trail.telemetry
        ours = [
            (names.SPECVERSION, b"1.0"),
            (names.SOURCE, telemetry.source.encode()),
            (names.TIME, time_text(None, telemetry.time_ns())),
        ]
        return [(name, value) for name, value in ours if name not in given]

    def _common_type(self, bodies: Sequence[Any]) -> str | None:
        types = {self._type_of(body) for body in bodies}
        return types.pop() if len(types) == 1 else None


def _text(key: Any) -> str | None:
    if isinstance(key, bytes):
        try:
            key = key.decode()
        except UnicodeDecodeError:
            return None
    return key if isinstance(key, str) and key else None


def _finish(outgoing: OutgoingMessage, future: asyncio.Future[Any]) -> None:
    if future.cancelled() or (error := future.exception()) is None:
        outgoing.acked(None if future.cancelled() else _place(future.result()))
    else:
        outgoing.fail(error)


def _place(sent: Any) -> Any:
    """Where the broker put it, if that is what the producer handed back: confluent-kafka's has methods."""
    if callable(getattr(sent, "partition", None)):
        return record_of(sent)
    return sent
