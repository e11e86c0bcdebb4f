"""Telemetry around a record for programs that keep their own loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flowtrail._event import Event
from flowtrail._record import RecordLike
from flowtrail._telemetry import ProcessingBatch, Telemetry
from flowtrail._telemetry.processing import Decode


@contextmanager
def process(
    telemetry: Telemetry, record: RecordLike, *, group: str | None = None, decode: Decode | None = None
) -> Iterator[Event[Any]]:
    """Run a block as the handling of a record.

    Inside, the process span is current, publications inherit the flow, `current_event` returns the event.

    Args:
        telemetry: Where to report.
        record: Any client's record, or a `Record`.
        group: Consumer group, for spans and metrics.
        decode: Makes the event's data; without it the data is the record's value.

    Yields:
        The event.

    Raises:
        DecodeError: The payload isn't what it should be; raised inside the span.
    """
    with telemetry.processing(record, group=group, decode=decode) as processing:
        yield processing.event


def process_batch(
    telemetry: Telemetry,
    records: Sequence[RecordLike],
    *,
    group: str | None = None,
    decode: Decode | None = None,
) -> ProcessingBatch:
    """Run a block as the handling of several records; see `ProcessingBatch`."""
    return telemetry.processing_batch(records, group=group, decode=decode)
