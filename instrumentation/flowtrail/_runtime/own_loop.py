"""For programs that keep their own loop: what they publish in a block is acknowledged when the block ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import context as otel_context

from flowtrail._batch import Batch, BatchMember
from flowtrail._codec import Codec
from flowtrail._context import current_flow
from flowtrail._event import Event
from flowtrail._runtime.payloads import decoder
from flowtrail._runtime.scope import Scope, enter_scope
from flowtrail._telemetry import Decode, Processing, Telemetry
from flowtrail.contracts import Contracts, Guard
from flowtrail.errors import PublishError
from flowtrail.wire import RecordLike, as_record


@contextmanager
def process(
    telemetry: Telemetry,
    record: Any,
    *,
    group: str | None = None,
    decode: Decode | None = None,
    timeout_seconds: float = 30.0,
) -> Iterator[Event[Any]]:
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

    Yields:
        The event.

    Raises:
        DecodeError: The payload isn't what it should be; raised inside the span.
        PublishError: A publication failed, or wasn't acknowledged in time: don't commit.
    """
    with _handling(telemetry, as_record(record), group, decode) as event, _waiting(timeout_seconds):
        yield event


@contextmanager
def _handling(
    telemetry: Telemetry, record: RecordLike, group: str | None, decode: Decode | None
) -> Iterator[Event[Any]]:
    flow = current_flow()
    if isinstance(flow, Processing) and _same(flow.record, record):
        try:
            yield flow.decoded(decode)
        except BaseException as error:
            flow.fail(error)
            raise
        return
    with telemetry.processing(record, group=group, decode=decode) as processing:
        yield processing.event


@contextmanager
def process_batch(
    telemetry: Telemetry,
    records: Sequence[Any],
    *,
    group: str | None = None,
    decode: Decode | None = None,
    timeout_seconds: float = 30.0,
) -> Iterator[Batch[Any]]:
    """Handle several records within one span; otherwise like `process`."""
    traced = telemetry.processing_batch(_plain(records), group=group, decode=decode)
    with traced, _waiting(timeout_seconds):
        members = [BatchMember[Any](item) for item in traced]
        yield Batch(members)
        for member in members:
            if not member.entered:
                member.close()


def _plain(records: Sequence[Any]) -> list[RecordLike]:
    # Iterating the list that a wrapped consumer polled would open each record's own handling.
    plain = list.__iter__(records) if isinstance(records, list) else iter(records)
    return [as_record(record) for record in plain]


def _same(one: RecordLike, other: RecordLike) -> bool:
    return (one.topic, one.partition, one.offset) == (other.topic, other.partition, other.offset)


def decoder_of(
    telemetry: Telemetry, codec: Codec, contracts: Contracts | None, records: Sequence[RecordLike]
) -> Decode:
    """Makes data of the records' values, and holds it to its contract."""
    topics = {record.topic for record in _plain(records)} if contracts is not None else set()
    # A violation in a batch of several topics is counted without one.
    topic = topics.pop() if len(topics) == 1 else ""
    return decoder(codec, Guard(contracts, telemetry), topic)


@contextmanager
def _waiting(timeout_seconds: float) -> Iterator[None]:
    scope = Scope()
    token = enter_scope(scope)
    try:
        yield
    finally:
        scope.close()
        otel_context.detach(token)
    if not scope.wait(timeout_seconds):
        raise PublishError(f"publications were not acknowledged within {timeout_seconds:g} s", topic="")
    if scope.error is not None:
        raise scope.error
