"""From records to state: one batch, one transaction."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from flowtrail._headers import Envelope, read_headers
from flowtrail._headers.structured import is_structured, read_structured
from flowtrail_collector.arrival_labels import ArrivalLabels
from flowtrail_collector.domain.dead_letters import read_dead_letter
from flowtrail_collector.domain.flows import Flows
from flowtrail_collector.domain.sagas import Outcome, add_event, id_hash
from flowtrail_collector.ports.store import (
    Advance,
    DeadLetterRecord,
    EventRow,
    SagaKey,
    SagaRecord,
    Store,
    Unit,
)
from flowtrail_collector.saga_state import CountKey, bring_up_to_date

__all__ = ["Incoming", "Ingest"]

_MAX_KEY = 256
_MAX_INT = 2**63 - 1
_MAX_STRUCTURED_BYTES = 1_048_576
_DAY_MS = 86_400_000


class Incoming(NamedTuple):
    """A record as the tail hands it over.

    Attributes:
        timestamp_ms: The record's, in milliseconds since the epoch; None if it has none.
        headers: Whatever the client gave.
        dead_letter: It stands in a dead letter topic.
        retry: It stands in a retry topic: another copy of an event that stands elsewhere.
        value: Gives its value, which is looked at only if the event is in there (structured mode).
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]] | None
    dead_letter: bool = False
    retry: bool = False
    value: Callable[[], bytes | None] | None = None


@dataclass(slots=True)
class _Batch:
    events: list[EventRow] = field(default_factory=list)
    moving: list[tuple[SagaKey, EventRow]] = field(default_factory=list)
    letters: list[DeadLetterRecord] = field(default_factory=list)
    counts: Counter[CountKey] = field(default_factory=Counter)


class Ingest:
    """Applies batches of records to the store.

    Args:
        store: Where state is kept.
        flows: What to follow.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(self, store: Store, flows: Flows, *, time_seconds: Callable[[], float] = time.time) -> None:
        self._store = store
        self._flows = flows
        self._time_seconds = time_seconds
        self._arrival_labels = ArrivalLabels(store)

    def apply(self, records: Iterable[Incoming], advances: Sequence[Advance]) -> None:
        """Take in records and move the positions past them; all of it happens, or nothing.

        Raises:
            FencedError: Somebody else has moved one of the positions.
            StoreError: The store refused.
        """
        batch = _Batch()
        for record in records:
            self._read(record, batch)
        with self._store.unit() as unit:
            unit.advance(advances)
            if batch.events:
                unit.add_events(batch.events)
            if batch.moving:
                self._move_sagas(unit, batch)
            if batch.letters:
                unit.add_dead_letters(batch.letters)
            if batch.counts:
                unit.count(batch.counts)

    def _read(self, record: Incoming, batch: _Batch) -> None:
        envelope = read_headers(record.headers)
        if envelope.content_type is not None and record.value is not None and is_structured(envelope):
            value = record.value()
            if value is not None and len(value) <= _MAX_STRUCTURED_BYTES:
                envelope = read_structured(envelope, value)
        kind = "dead_letter" if record.dead_letter else "event" if envelope.type else "unknown"
        batch.counts["collector_records", (kind,)] += 1
        if record.dead_letter:
            letter = _letter_of(record, envelope)
            batch.letters.append(letter)
            batch.counts["dlq_arrivals", self._arrival_labels.of(letter)] += 1
        if envelope.type:
            event = _event_row(record, envelope)
            batch.events.append(event)
            # A copy that waits to be tried again, or that was given up, is no second event.
            if event.correlation_id and not record.dead_letter and not record.retry:
                batch.moving += [
                    (SagaKey(flow.name, event.correlation_id), event)
                    for flow in self._flows.by_type.get(event.type, ())
                ]

    def _move_sagas(self, unit: Unit, batch: _Batch) -> None:
        now_ms = int(self._time_seconds() * 1000)
        sagas = unit.load_sagas(dict.fromkeys(key for key, _ in batch.moving))
        for key, event in batch.moving:
            saga = sagas.get(key)
            if saga is None:
                saga = sagas[key] = SagaRecord(*key)
            _add_to_saga(saga, event, batch.counts, now_ms)
        for (flow, _), saga in sagas.items():
            bring_up_to_date(self._flows.by_name[flow], saga, batch.counts)
        unit.save_sagas(sagas.values())


def _add_to_saga(saga: SagaRecord, event: EventRow, counts: Counter[CountKey], now_ms: int) -> None:
    flow = saga.flow
    own = id_hash(event.event_id)
    cause = id_hash(event.causation_id) if event.causation_id else 0
    # A timestamp from the future would keep the instance open until then.
    moment = min(event.timestamp_ms or now_ms, now_ms)
    known_effects = any(mark[2] == own for mark in saga.events.values())
    # Source and id are unique together (CloudEvents 1.0). If a producer gets that wrong, the type keeps two
    # different events from taking each other's place, which would make the order of reading count.
    unique = id_hash(f"{event.source}\0{event.event_id}\0{event.type}")
    if not add_event(saga.events, unique, (moment, event.type, cause)):
        counts["saga_duplicate_events", (flow,)] += 1
        return
    if known_effects:
        counts["saga_out_of_order_events", (flow,)] += 1
    if saga.outcome is not Outcome.OPEN and saga.ended_ms is not None and moment > saga.ended_ms:
        counts["saga_late_events", (flow,)] += 1
    saga.updated_ms = max(saga.updated_ms, moment)
    saga.subject = saga.subject or event.subject


def _event_row(record: Incoming, envelope: Envelope) -> EventRow:
    trace_id, span_id = _trace_context(envelope.traceparent)
    place = f"{record.topic}-{record.partition}-{record.offset}"
    return EventRow(
        record.topic,
        record.partition,
        record.offset,
        envelope.id or place,  # no id: the place is at least the same whenever the record is read
        envelope.type or "",
        envelope.source,
        envelope.subject,
        envelope.sequence if envelope.sequence is None or abs(envelope.sequence) <= _MAX_INT else None,
        envelope.correlation_id,
        envelope.causation_id,
        _event_time(envelope, record.timestamp_ms),
        record.timestamp_ms,
        trace_id,
        span_id,
        envelope.dataschema,
        record.key[:_MAX_KEY].decode("utf-8", "replace") if record.key else None,
        record.dead_letter,
    )


def _event_time(envelope: Envelope, timestamp_ms: int | None) -> int | None:
    """When it happened; not believed if it lies a day after the record was written."""
    moment = envelope.time
    if moment is None:
        return timestamp_ms
    try:
        time_ms = int(moment.timestamp() * 1000)
    except (OverflowError, ValueError):
        return timestamp_ms
    if time_ms < 0 or (timestamp_ms is not None and time_ms > timestamp_ms + _DAY_MS):
        return timestamp_ms
    return time_ms


def _trace_context(traceparent: str | None) -> tuple[str | None, str | None]:
    parts = traceparent.split("-") if traceparent else []
    if len(parts) < 4 or len(parts[1]) != 32 or len(parts[2]) != 16:
        return None, None
    try:
        if int(parts[1], 16) == 0 or int(parts[2], 16) == 0:
            return None, None
    except ValueError:
        return None, None
    return parts[1].lower(), parts[2].lower()


def _letter_of(record: Incoming, envelope: Envelope) -> DeadLetterRecord:
    return DeadLetterRecord(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp_ms,
        envelope.id,
        envelope.type,
        envelope.subject,
        envelope.correlation_id,
        read_dead_letter(record.headers),
    )
