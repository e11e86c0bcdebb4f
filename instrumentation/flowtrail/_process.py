"""Telemetry around a record for programs that keep their own loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flowtrail._context import current_flow
from flowtrail._event import Event
from flowtrail._telemetry import Processing, ProcessingBatch, Telemetry
from flowtrail._telemetry.processing import Decode
from flowtrail.wire import RecordLike, as_record


@contextmanager
def process(
    telemetry: Telemetry, record: Any, *, group: str | None = None, decode: Decode | None = None
) -> Iterator[Event[Any]]:
    """Run a block as the handling of a record.

    Inside, the process span is current, publications inherit the flow, `current_event` returns the event.
    In the loop of a wrapped or patched consumer the handling is open already; then there is no second span.

    Args:
        telemetry: Where to report.
        record: The record of any client, a confluent-kafka message, or a `Record`.
        group: Consumer group, for spans and metrics.
        decode: Makes the event's data; without it the data is the record's value.

    Yields:
        The event.

    Raises:
        DecodeError: The payload isn't what it should be; raised inside the span.
    """
    handled = as_record(record)
    flow: Any = current_flow()
    if isinstance(flow, Processing) and _same(flow.record, handled):
        try:
            yield flow.decoded(decode)
        except BaseException as error:
            flow.fail(error)
            raise
        return
    with telemetry.processing(handled, group=group, decode=decode) as processing:
        yield processing.event


def process_batch(
    telemetry: Telemetry,
    records: Sequence[Any],
    *,
    group: str | None = None,
    decode: Decode | None = None,
) -> ProcessingBatch:
    """Run a block as the handling of several records of any client; see `ProcessingBatch`."""
    # Iterating the list that a wrapped consumer polled would open each record's own handling.
    plain = [as_record(record) for record in list.__iter__(records)] if isinstance(records, list) else None
    handled = plain if plain is not None else [as_record(record) for record in records]
    return telemetry.processing_batch(handled, group=group, decode=decode)


def _same(one: RecordLike, other: RecordLike) -> bool:
    return (one.topic, one.partition, one.offset) == (other.topic, other.partition, other.offset)
