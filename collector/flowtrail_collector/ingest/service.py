"""From records to state: one batch, one transaction."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from flowtrail.wire import Envelope
from flowtrail_collector.broker_names import RABBITMQ, rabbitmq_name
from flowtrail_collector.causes import cause_of
from flowtrail_collector.dead_letters.arrival_labels import ArrivalLabels
from flowtrail_collector.dead_letters.model.headers import DeadLetterHeaders, read_headers
from flowtrail_collector.dead_letters.model.letter import PENDING, DeadLetter
from flowtrail_collector.errors import StoreConflictError
from flowtrail_collector.events.identity import Hashes, IdHashes, flow_of
from flowtrail_collector.events.mapper import Mapper
from flowtrail_collector.events.model import Advance, EventRow, Origin, Seen
from flowtrail_collector.events.reading import (
    Incoming,
    PlainReader,
    read_envelope,
    read_event,
    read_plain_event,
)
from flowtrail_collector.events.sources import Look, NothingError, Subject
from flowtrail_collector.ingest.ports import Store, Unit
from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.kept import earlier_of
from flowtrail_collector.sagas.model.children import beginning, parent_of
from flowtrail_collector.sagas.model.fields import Values, read_fields
from flowtrail_collector.sagas.model.flows import Flow, Flows
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.model.intake import TakeIn, take_in, time_of
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date
from flowtrail_collector.sagas.model.recurrence import instance_of
from flowtrail_collector.sagas.model.ways import Ways

__all__ = ["Batch", "Ingest"]

_ATTEMPTS = 5
_PLACE = itemgetter(0, 1)  # topic and partition of an `Incoming`
_Places = Counter[tuple[str, int]]
_Moving = dict[tuple[str, str], list[tuple[EventRow, Values]]]


@dataclass(slots=True)
class Batch:
    """What records say, made ready to be written with one transaction.

    `moving` has the events of each instance, by the fields of its `SagaKey`: with plain tuples for keys, an event
    costs a third less.
    """

    events: list[EventRow] = field(default_factory=list)
    moving: _Moving = field(default_factory=lambda: defaultdict(list))
    letters: list[DeadLetter] = field(default_factory=list)
    counts: Counter[CountKey] = field(default_factory=Counter)
    records: _Places = field(default_factory=Counter)
    without_type: _Places = field(default_factory=Counter)
    without_id: _Places = field(default_factory=Counter)
    problems: _Places = field(default_factory=Counter)
    last_ms: dict[tuple[str, int], int | None] = field(default_factory=dict)
    careful: int = 0

    def note(self, records: Sequence[Incoming]) -> None:
        """Note what was read of each partition; for its last record the order within the partition counts."""
        # Records come partition by partition: looked at run by run, they cost half as much as one by one.
        for place, run in groupby(records, _PLACE):
            found = list(run)
            self.records[place] += len(found)
            self.last_ms[place] = found[-1].timestamp_ms

    def seen(self) -> dict[tuple[str, int], Seen]:
        """What was read of each partition."""
        return {
            place: Seen(
                number,
                self.without_type[place],
                self.without_id[place],
                self.problems[place],
                self.last_ms[place],
            )
            for place, number in self.records.items()
        }


class Ingest:
    """Applies batches of records to the store.

    Args:
        store: Where state is kept.
        flows: What to follow.
        time_seconds: Wall clock, seconds since the epoch.
        mapper: Fills in what headers don't say; by default from the flow file, without a schema registry.
        read_plain: Reads events as flowtrail writes them.
        hashes: Makes the hashes of a batch.
        intake: Adds events to instances.
    """

    def __init__(
        self,
        store: Store,
        flows: Flows,
        *,
        time_seconds: Callable[[], float] = time.time,
        mapper: Mapper | None = None,
        read_plain: PlainReader = read_plain_event,
        hashes: Callable[[], Hashes] = IdHashes,
        intake: TakeIn = take_in,
    ) -> None:
        self._hashes = hashes
        self._take_in = intake
        self._read_plain = read_plain
        self._mapper = mapper or Mapper(flows.mapping)
        self._store = store
        self._flows = flows
        self._moved_by = {
            kind: [(flow.name, flow.correlate.reader) for flow in moved]
            for kind, moved in flows.by_type.items()
        }
        self._ways = {name: Ways(flow) for name, flow in flows.by_name.items()}
        self._time_seconds = time_seconds
        self._arrival_labels = ArrivalLabels(store)
        self._taken: Counter[str] = Counter()

    def taken(self) -> Mapping[str, int]:
        """Records taken in by this process, by kind: `event`, `dead_letter`, `unknown`."""
        return dict(self._taken)

    def apply(self, records: Sequence[Incoming], advances: Sequence[Advance]) -> None:
        """Take in records and move the positions past them; all of it happens, or nothing.

        Raises:
            FencedError: Somebody else has moved one of the positions.
            StoreConflictError: Other workers were in the way again and again.
            StoreError: The store refused.
        """
        batch = Batch()
        self.read(records, batch)
        self.write(batch, advances)

    def read(self, records: Sequence[Incoming], batch: Batch) -> None:
        """Read records into a batch; nothing is written, and nothing of the records is held but what they say."""
        for record in records:
            self._read(record, batch)
        batch.note(records)

    def write(self, batch: Batch, advances: Sequence[Advance]) -> None:
        """Write a batch and move the positions past its records; raises what `apply` does."""
        plain = batch.records.total() - batch.careful
        if plain:
            batch.counts["collector_records", ("event",)] += plain
        seen = batch.seen()
        for attempt in range(_ATTEMPTS):
            try:
                self._write(batch, advances, seen)
                break
            except StoreConflictError:  # another worker moved the same instances: now they can be seen
                if attempt == _ATTEMPTS - 1:
                    raise
        for (name, labels), count in batch.counts.items():
            if name == "collector_records":
                self._taken[labels[0]] += count

    def _write(self, batch: Batch, advances: Sequence[Advance], seen: Mapping[tuple[str, int], Seen]) -> None:
        counts = batch.counts.copy()
        with self._store.unit() as unit:
            unit.advance(advances, seen)
            hashes = self._hashes()
            if batch.events:
                unit.add_events(batch.events, hashes.hash_of)
            if batch.moving:
                self._move_sagas(unit, batch.moving, hashes, counts)
            if batch.letters:
                unit.add_dead_letters(batch.letters)
            if counts:
                unit.count(counts)

    def _read(self, record: Incoming, batch: Batch) -> None:
        event = None if record.dead_letter else self._read_plain(record)
        if event is None:
            event = self._read_carefully(record, batch)
            if event is None:
                return
        batch.events.append(event)
        # A copy that waits to be tried again, or that was given up, is no second event.
        if not record.dead_letter and not record.retry:
            if event.type in self._flows.reading:
                self._move_by_payload(record, event, batch)
                return
            for flow, key_of in self._moved_by.get(event.type, ()):
                key = key_of(event)
                if key:
                    batch.moving[flow, key].append((event, ()))

    def _move_by_payload(self, record: Incoming, event: EventRow, batch: Batch) -> None:
        """An event of which flows have to know more than its headers say."""
        look = Look(Subject(record.topic, record.key, record.headers, record.value), None)
        for flow in self._flows.by_type.get(event.type, ()):
            key = flow.correlate.of(event)
            if not key:
                continue
            values, problems = read_fields(flow.fields.get(event.type, ()), look)
            for problem in problems:
                batch.counts["saga_unread_fields", (flow.name, problem.value)] += 1
            if event.type in flow.starts:
                values += self._tell_parents(flow, key, event, look, batch)
            batch.moving[flow.name, key].append((event, values))

    def _tell_parents(self, flow: Flow, key: str, event: EventRow, look: Look, batch: Batch) -> Values:
        """Tell those that wait for a starting instance; what names them is kept with its start."""
        named: Values = ()
        for parent, children in self._flows.parents.get(flow.name, ()):
            try:
                parent_key = parent_of(children, event, look)
            except NothingError as error:
                batch.counts["saga_unread_fields", (flow.name, error.problem.value)] += 1
                continue
            if parent_key:
                named += ((children.parent_name, parent_key),)
                batch.moving[parent, parent_key].append(beginning(children, event, key))
        return named

    def _read_carefully(self, record: Incoming, batch: Batch) -> EventRow | None:
        batch.careful += 1
        envelope = read_envelope(record)
        found = read_headers(record.headers) if record.dead_letter else None
        if found is not None and found.source_topic is not None and record.topic.startswith(RABBITMQ):
            found = found._replace(source_topic=rabbitmq_name(found.source_topic))
        origin = _origin_of(found) if found else None
        wrong = self._mapper.fill(record, envelope, origin)
        if wrong is not None:
            batch.counts["mapping_problems", (wrong.mapping, wrong.problem.value)] += 1
            batch.problems[record[:2]] += 1
        if envelope.type is None:
            batch.without_type[record[:2]] += 1
        if envelope.id is None:
            batch.without_id[record[:2]] += 1
        kind = "dead_letter" if record.dead_letter else "event" if envelope.type else "unknown"
        batch.counts["collector_records", (kind,)] += 1
        if found is not None:
            letter = _letter_of(record, envelope, found)
            batch.letters.append(letter)
            batch.counts["dlq_arrivals", self._arrival_labels.of(letter)] += 1
        return read_event(record, envelope) if envelope.type else None

    def _move_sagas(
        self,
        unit: Unit,
        moving: _Moving,
        hashes: Hashes,
        counts: Counter[CountKey],
    ) -> None:
        now_ms = int(self._time_seconds() * 1000)
        keys = [SagaKey(*key) for key in moving]
        sagas = unit.load_sagas(keys)
        earlier = earlier_of(unit, sagas)
        for key, moves in zip(keys, moving.values(), strict=True):
            newest = sagas.get(key)
            if newest is None:
                newest = sagas[key] = SagaRecord(*key)
            for event, values in moves:
                saga = newest
                if saga.instance > 1:
                    moment = time_of(event, now_ms)
                    saga = instance_of(saga, earlier.get(key, ()), hashes.of_event(event), moment)
                    sagas[SagaKey(saga.flow, saga.row_key)] = saga
                self._take_in(saga, event, hashes, counts, now_ms, values)
        for (flow, _), saga in sagas.items():
            if not self._ways[flow].bring_up_to_date(saga, counts):
                bring_up_to_date(self._flows.by_name[flow], saga, counts)
        unit.save_sagas(sagas.values())


def _letter_of(record: Incoming, envelope: Envelope, found: DeadLetterHeaders) -> DeadLetter:
    return DeadLetter(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp_ms,
        envelope.id,
        envelope.type,
        envelope.subject,
        flow_of(envelope.correlation_id, envelope.id),
        PENDING,
        *found,
        cause_of(found.group, envelope.type, found.error_type, found.error_message),
    )


def _origin_of(found: DeadLetterHeaders) -> Origin | None:
    topic = found.source_topic
    return None if topic is None else Origin(topic, found.source_partition, found.source_offset)
