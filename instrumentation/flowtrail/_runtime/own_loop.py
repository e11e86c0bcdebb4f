"""For programs that keep their own loop: what they publish in a block is acknowledged when the block ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from functools import cache
from types import TracebackType
from typing import Any, Generic, TypeVar

from opentelemetry import context as otel_context

from flowtrail._batch import Batch, BatchMember
from flowtrail._codec import Codecs
from flowtrail._context import current_flow
from flowtrail._event import Event
from flowtrail._runtime.payloads import decoder
from flowtrail._runtime.publication import on_a_loop
from flowtrail._runtime.scope import Scope, enter_scope
from flowtrail._telemetry import Decode, Processing, Telemetry
from flowtrail.contracts import Contracts, Guard
from flowtrail.errors import PublishError
from flowtrail.wire import Envelope, RecordLike, as_record

T = TypeVar("T")
_Named = tuple[str | None, str | None, bytes | None]

_log = logging.getLogger("flowtrail")


class Block(Generic[T]):
    """A block for `with`, and in a coroutine for `async with`, which waits without stopping the event loop.

    Args:
        plain: Makes the context manager for `with`.
        awaiting: Makes the one for `async with`.
    """

    def __init__(
        self,
        plain: Callable[[], AbstractContextManager[T]],
        awaiting: Callable[[], AbstractAsyncContextManager[T]],
    ) -> None:
        self._plain = plain
        self._awaiting = awaiting
        self._entered: Any = None

    def __enter__(self) -> T:
        self._entered = self._plain()
        entered: T = self._entered.__enter__()
        return entered

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.__exit__(kind, error, trace)

    async def __aenter__(self) -> T:
        self._entered = self._awaiting()
        entered: T = await self._entered.__aenter__()
        return entered

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._entered.__aexit__(kind, error, trace)


def process(
    telemetry: Telemetry,
    record: Any,
    *,
    group: str | None = None,
    decode: Decode | None = None,
    timeout_seconds: float = 30.0,
) -> Block[Event[Any]]:
    """Run a block as the handling of a record.

    Inside, the process span is current, publications inherit the flow and don't block, `current_event` returns
    the event. The block ends only when the publications are acknowledged. In the loop of a wrapped or patched
    consumer the handling is open already; then there is no second span.

    Args:
        telemetry: Where to report.
        record: The record of any client, a confluent-kafka message, or a `Record`.
        group: Consumer group, for spans and metrics.
        decode: Makes the event's data; without it the data is the record's value.
        timeout_seconds: For how long acknowledgements are waited for.

    Returns:
        A block that yields the event.

    Raises:
        DecodeError: The payload isn't what it should be; raised inside the span.
        PublishError: A publication failed, or wasn't acknowledged in time: don't commit.
    """
    plain = as_record(record)

    @contextmanager
    def waiting() -> Iterator[Event[Any]]:
        with _handling(telemetry, plain, group, decode) as processing, _waiting(timeout_seconds):
            yield processing.decoded(decode)

    @asynccontextmanager
    async def awaiting() -> AsyncIterator[Event[Any]]:
        with _handling(telemetry, plain, group, decode) as processing:
            await _fetched(decode, [processing])
            async with _awaiting(timeout_seconds):
                yield processing.decoded(decode)

    return Block(waiting, awaiting)


@contextmanager
def _handling(
    telemetry: Telemetry, record: RecordLike, group: str | None, decode: Decode | None
) -> Iterator[Processing]:
    flow = current_flow()
    if isinstance(flow, Processing) and _same(flow.record, record):
        try:
            yield flow
        except BaseException as error:
            flow.fail(error)
            raise
        return
    with telemetry.processing(record, group=group, decode=decode) as processing:
        yield processing


def process_batch(
    telemetry: Telemetry,
    records: Sequence[Any],
    *,
    group: str | None = None,
    decode: Decode | None = None,
    timeout_seconds: float = 30.0,
) -> Block[Batch[Any]]:
    """Handle several records within one span; otherwise like `process`."""
    traced = telemetry.processing_batch(_plain(records), group=group, decode=decode)

    @contextmanager
    def batch() -> Iterator[Batch[Any]]:
        members = [BatchMember[Any](item) for item in traced]
        yield Batch(members)
        for member in members:
            if not member.entered:
                member.close()

    @contextmanager
    def waiting() -> Iterator[Batch[Any]]:
        with traced, _waiting(timeout_seconds), batch() as entered:
            yield entered

    @asynccontextmanager
    async def awaiting() -> AsyncIterator[Batch[Any]]:
        with traced:
            await _fetched(decode, list(traced))
            async with _awaiting(timeout_seconds):
                with batch() as entered:
                    yield entered

    return Block(waiting, awaiting)


def _plain(records: Sequence[Any]) -> list[RecordLike]:
    # Iterating the list that a wrapped consumer polled would open each record's own handling.
    plain = list.__iter__(records) if isinstance(records, list) else iter(records)
    return [as_record(record) for record in plain]


def _same(one: RecordLike, other: RecordLike) -> bool:
    return (one.topic, one.partition, one.offset) == (other.topic, other.partition, other.offset)


class Reading:
    """Makes data of records' values, and holds it to its contract; see `decoder`.

    Args:
        decode: Does that.
        guard: Knows the contracts.
    """

    def __init__(self, decode: Decode, guard: Guard) -> None:
        self._decode = decode
        self._guard = guard
        self._fetched: dict[_Named, Exception | None] = {}

    def __call__(self, envelope: Envelope, value: Any) -> Any:
        schema = _named(envelope, value)
        if schema in self._fetched:
            error = self._fetched[schema]
            if error is not None:
                raise error
        elif on_a_loop() and not self._guard.fetched(*schema):
            _say_once()
        return self._decode(envelope, value)

    async def fetch(self, items: Iterable[Processing]) -> None:
        """Get the contracts beside the loop; what goes wrong is raised when the data is asked for."""
        named = {_named(item.envelope, getattr(item.record, "value", None)) for item in items}
        missing = [schema for schema in named if not self._guard.fetched(*schema)]
        if missing:
            self._fetched = await asyncio.to_thread(
                lambda: {schema: self._ask(*schema) for schema in missing}
            )

    def _ask(self, type: str | None, dataschema: str | None, start: bytes | None) -> Exception | None:
        try:
            self._guard.fetch(type, dataschema, start)
        except Exception as error:  # noqa: BLE001 - raised where it belongs
            return error
        return None


def _named(envelope: Envelope, value: Any) -> _Named:
    """What an event says of its contract, in its headers and in front of its payload."""
    framed = isinstance(value, bytes) and value[:1] == b"\x00"
    return envelope.type, envelope.dataschema, value[:5] if framed else None


async def _fetched(decode: Decode | None, items: Iterable[Processing]) -> None:
    if isinstance(decode, Reading):
        await decode.fetch(items)


def decoder_of(
    telemetry: Telemetry, codecs: Codecs, contracts: Contracts | None, records: Sequence[RecordLike]
) -> Decode:
    """Makes data of the records' values, and holds it to its contract."""
    guard = Guard(contracts, telemetry)
    topics = {record.topic for record in _plain(records)}
    # A violation in a batch of several topics is counted without one.
    topic = topics.pop() if len(topics) == 1 else ""
    decode = decoder(codecs.of(topic), guard, topic)
    return decode if contracts is None else Reading(decode, guard)


@contextmanager
def _waiting(timeout_seconds: float) -> Iterator[None]:
    with _publishing() as scope:
        yield
    if on_a_loop() and not scope.settled:
        _say_once()
    _check(scope, scope.wait(timeout_seconds), timeout_seconds)


@asynccontextmanager
async def _awaiting(timeout_seconds: float) -> AsyncIterator[None]:
    with _publishing() as scope:
        yield
    settled = scope.settled or await asyncio.to_thread(scope.wait, timeout_seconds)
    _check(scope, settled, timeout_seconds)


@contextmanager
def _publishing() -> Iterator[Scope]:
    scope = Scope()
    token = enter_scope(scope)
    try:
        yield scope
    finally:
        scope.close()
        otel_context.detach(token)


def _check(scope: Scope, settled: bool, timeout_seconds: float) -> None:
    if not settled:
        raise PublishError(f"publications were not acknowledged within {timeout_seconds:g} s", topic="")
    if scope.error is not None:
        raise scope.error


@cache
def _say_once() -> None:
    _log.warning(
        "`with trail.process(...)` in a coroutine blocks the event loop while it waits for a registry or for "
        "acknowledgements: write `async with trail.process(...)`"
    )
