"""For programs that keep their own loop: what they publish in a block is acknowledged when the block ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from flowtrail import _process
from flowtrail._batch import Batch, BatchMember
from flowtrail._codec import Codec
from flowtrail._event import Event
from flowtrail._runtime.scope import SCOPE_KEY, Scope
from flowtrail._telemetry import Telemetry
from flowtrail._telemetry.processing import Decode
from flowtrail.contracts import Contracts, Guard
from flowtrail.errors import PublishError
from flowtrail.wire import Envelope, RecordLike, as_record


@contextmanager
def process(
    telemetry: Telemetry, record: Any, group: str | None, decode: Decode, timeout_seconds: float
) -> Iterator[Event[Any]]:
    """Handle one record; publications don't block, but the block ends only when they are acknowledged.

    Raises:
        DecodeError: The payload isn't what it should be.
        PublishError: A publication failed, or wasn't acknowledged in time: don't commit.
    """
    with _process.process(telemetry, record, group=group, decode=decode) as event, _waiting(timeout_seconds):
        yield event


@contextmanager
def process_batch(
    telemetry: Telemetry, records: Sequence[Any], group: str | None, decode: Decode, timeout_seconds: float
) -> Iterator[Batch[Any]]:
    """Handle several records; otherwise like `process`."""
    traced = _process.process_batch(telemetry, records, group=group, decode=decode)
    with traced, _waiting(timeout_seconds):
        members = [BatchMember[Any](item) for item in traced]
        yield Batch(members)
        for member in members:
            if not member.entered:
                member.close()


def decoder(
    telemetry: Telemetry, codec: Codec, contracts: Contracts | None, records: Sequence[RecordLike]
) -> Decode:
    """Makes data of the records' values, and holds it to its contract."""
    # Iterating the list that a wrapped consumer polled would open each record's own handling.
    plain = list.__iter__(records) if isinstance(records, list) else iter(records)
    topics = {as_record(record).topic for record in plain} if contracts is not None else set()
    # A violation in a batch of several topics is counted without one.
    topic = topics.pop() if len(topics) == 1 else ""
    guard = Guard(contracts, telemetry)

    def decode(envelope: Envelope, value: Any) -> Any:
        # A client with a deserializer hands over data, not bytes.
        data = codec.decode(value, envelope.content_type) if isinstance(value, bytes) else value
        return guard.reading(topic, envelope.type, envelope.dataschema, data)

    return decode


@contextmanager
def _waiting(timeout_seconds: float) -> Iterator[None]:
    scope = Scope()
    token = otel_context.attach(Context({**otel_context.get_current(), SCOPE_KEY: scope}))
    try:
        yield
    finally:
        scope.close()
        otel_context.detach(token)
    if not scope.wait(timeout_seconds):
        raise PublishError(f"publications were not acknowledged within {timeout_seconds:g} s", topic="")
    if scope.error is not None:
        raise scope.error
