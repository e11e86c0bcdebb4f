"""Folding: stored events move the flows that were not followed when they were read."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from flowtrail.wire import Envelope
from flowtrail_collector.errors import StoreConflictError
from flowtrail_collector.events.identity import IdHashes
from flowtrail_collector.events.mapper import Mapper
from flowtrail_collector.events.model import EventRow
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.model.assessment import Outcome, add_event
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.sagas.model.followed import Followed
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date, reopen
from flowtrail_collector.sagas.ports import SagaUnit

__all__ = ["Fold", "FoldStore", "FoldUnit", "Folded"]

_PER_TRANSACTION = 2_000
_ATTEMPTS = 5


class FoldUnit(SagaUnit, Protocol):
    """What can be done within one transaction."""

    def remember_folded(self, pairs: Iterable[tuple[str, str]], rows: tuple[int, int]) -> None:
        """Note that of these flows and types the events of a range of rows have been counted."""
        ...


class FoldStore(Protocol):
    """Where events and instances are."""

    def unit(self) -> AbstractContextManager[FoldUnit]:
        """A transaction: everything done with the unit happens, or nothing."""
        ...

    def followed(self) -> Followed:
        """Which events were counted for which flow."""
        ...

    def first_row_since(self, since_ms: int) -> int | None:
        """Of the events recorded since then, the one that was read first; None if there are none."""
        ...

    def newest_event_row(self) -> int:
        """Number of the newest event; 0 for none."""
        ...

    def events(self, types: Sequence[str], rows: tuple[int, int], limit: int) -> list[tuple[int, EventRow]]:
        """Events of some types by the numbers of their rows: from the first on, before the second."""
        ...


@dataclass
class Folded:
    """What became of it.

    Attributes:
        flows: The flows of which something was missing.
        events: Events that were added to instances.
        instances: Instances they were added to.
        begun: Those of them that weren't there.
        left: Events of instances that have ended: they stay as they are.
        without_id: Events that lack what the instances of the flow have in common.
        unmapped: By mapping: events of which it takes more to tell than is stored.
    """

    flows: set[str] = field(default_factory=set)
    events: int = 0
    instances: int = 0
    begun: int = 0
    left: int = 0
    without_id: int = 0
    unmapped: Counter[str] = field(default_factory=Counter)


class Fold:
    """Adds stored events to the instances that they belong to by a flow file.

    Args:
        store: Where events and instances are.
        flows: Of the flow file.
        is_copy: Whether a topic holds copies that wait to be tried again: those are no second events.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        store: FoldStore,
        flows: Flows,
        *,
        is_copy: Callable[[str], bool],
        time_seconds: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._flows = flows
        self._is_copy = is_copy
        self._time_seconds = time_seconds
        self._mapper = Mapper(flows.mapping)

    def run(self, since_ms: int) -> Folded:
        """Fold what was not counted, of the events recorded since a moment.

        Each portion is one transaction with what is remembered of it. Ended on the way, it goes on from there when
        it is begun again; begun again after its end, there is nothing left to fold.

        Raises:
            StoreError: What was folded until then stays.
        """
        folded = Folded()
        first, until = self._store.first_row_since(since_ms), self._store.newest_event_row() + 1
        if first is None:
            return folded
        followed = self._store.followed()
        pairs = {(flow.name, kind) for flow in self._flows.by_name.values() for kind in flow.types}
        missing = followed.missing(pairs, first, until)
        folded.flows = {flow for flow, _ in missing}
        types, place = sorted({kind for _, kind in missing}), first
        while types and place < until:
            page = self._store.events(types, (place, until), _PER_TRANSACTION)
            behind = page[-1][0] + 1 if len(page) == _PER_TRANSACTION else until
            moving = [
                (key, event)
                for row, stored in page
                if not self._is_copy(stored.topic)
                for event in [self._mapped(stored, folded)]
                for key in self._keys(event, row, followed, folded)
            ]
            self._write(moving, missing, (first, behind), folded)
            place = behind
        return folded

    def _keys(self, event: EventRow, row: int, followed: Followed, folded: Folded) -> Iterator[SagaKey]:
        for flow in self._flows.by_type.get(event.type, ()):
            if followed.has(flow.name, event.type, row):
                continue
            key = flow.correlate.of(event)
            if key:
                yield SagaKey(flow.name, key)
            else:
                folded.without_id += 1

    def _mapped(self, event: EventRow, folded: Folded) -> EventRow:
        """With what the mapping of its topic gives, as far as key and topic tell that: payloads aren't stored."""
        if not self._flows.mapping or event.correlation_id != event.event_id:
            return event  # headers win, and they said what it belongs to
        envelope = Envelope()
        envelope.id, envelope.type, envelope.source = event.event_id, event.type, event.source or ""
        envelope.subject, envelope.causation_id = event.subject, event.causation_id or ""
        key = None if event.key is None else event.key.encode()
        record = Incoming(event.topic, event.partition, event.offset, event.timestamp_ms, key, ())
        wrong = self._mapper.fill(record, envelope)
        if wrong is not None:
            folded.unmapped[wrong.mapping] += 1
        return event._replace(
            correlation_id=envelope.correlation_id or event.correlation_id, subject=envelope.subject
        )

    def _write(
        self,
        moving: list[tuple[SagaKey, EventRow]],
        missing: set[tuple[str, str]],
        rows: tuple[int, int],
        folded: Folded,
    ) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                with self._store.unit() as unit:
                    found = self._move(unit, moving)
                    unit.remember_folded(missing, rows)
                break
            except StoreConflictError:  # a collector moved the same instances: now they can be seen
                if attempt == _ATTEMPTS - 1:
                    raise
        folded.events += found.events
        folded.instances += found.instances
        folded.begun += found.begun
        folded.left += found.left

    def _move(self, unit: SagaUnit, moving: list[tuple[SagaKey, EventRow]]) -> Folded:
        found, now_ms = Folded(), int(self._time_seconds() * 1000)
        sagas = unit.load_sagas(dict.fromkeys(key for key, _ in moving))
        found.begun = len({key for key, _ in moving}) - len(sagas)
        counts: Counter[CountKey] = Counter()
        hashes = IdHashes()
        touched: dict[SagaKey, SagaRecord] = {}
        for key, event in moving:
            saga = sagas.setdefault(key, SagaRecord(*key))
            if saga.outcome not in (Outcome.OPEN, Outcome.RETIRED):
                found.left += 1
                continue
            touched[key] = saga
            found.events += _fold_in(saga, event, hashes, counts, now_ms)
        for (flow, _), saga in touched.items():
            bring_up_to_date(self._flows.by_name[flow], saga, counts)
        found.instances = len(touched)
        if touched:
            unit.save_sagas(touched.values())
        if counts:
            unit.count(counts)
        return found


def _fold_in(
    saga: SagaRecord, event: EventRow, hashes: IdHashes, counts: Counter[CountKey], now_ms: int
) -> bool:
    """Add an event to an open instance, unless it is there: what was read after it is no sign of disorder."""
    reopen(saga)
    moment = min(event.timestamp_ms or event.time_ms or now_ms, now_ms)
    cause = hashes[event.causation_id] if event.causation_id else 0
    if not add_event(saga.events, hashes.of_event(event), (moment, event.type, cause)):
        counts["saga_duplicate_events", (saga.flow,)] += 1
        return False
    saga.updated_ms = max(saga.updated_ms, moment)
    saga.subject = saga.subject or event.subject
    return True
