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
from flowtrail_collector.events.mapper import Mapper
from flowtrail_collector.events.model import EventRow
from flowtrail_collector.events.reading import Incoming
from flowtrail_collector.sagas.model.fields import Field
from flowtrail_collector.sagas.model.flows import Children, Flow, Flows
from flowtrail_collector.sagas.model.followed import Followed
from flowtrail_collector.sagas.model.instance import SagaKey
from flowtrail_collector.sagas.portion import Move, Portion
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
        unread: By flow: events of whose payloads it takes an id or a number.
    """

    flows: set[str] = field(default_factory=set)
    events: int = 0
    instances: int = 0
    begun: int = 0
    left: int = 0
    without_id: int = 0
    unmapped: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)


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
        pairs = {(flow.name, kind) for flow in self._flows.by_name.values() for kind in flow.followed}
        missing = followed.missing(pairs, first, until)
        folded.flows = {flow for flow, _ in missing}
        types, place = sorted({kind for pair in missing for kind in self._types_of(*pair)}), first
        while types and place < until:
            page = self._store.events(types, (place, until), _PER_TRANSACTION)
            behind = page[-1][0] + 1 if len(page) == _PER_TRANSACTION else until
            moves = [
                move
                for row, stored in page
                if not self._is_copy(stored.topic)
                for event in [self._mapped(stored, folded)]
                for move in self._moves(event, row, followed, folded)
            ]
            self._write(moves, missing, (first, behind), folded)
            place = behind
        return folded

    def _types_of(self, flow: str, kind: str) -> Iterable[str]:
        """The types of stored events with which a flow's type comes: of a child's beginning, its starts."""
        for step in self._flows.by_name[flow].steps:
            if step.children is not None and step.children.begun == kind:
                return self._flows.by_name[step.children.flow].starts
        return (kind,)

    def _moves(self, event: EventRow, row: int, followed: Followed, folded: Folded) -> Iterator[Move]:
        for flow in self._flows.by_type.get(event.type, ()):
            counted = followed.has(flow.name, event.type, row)
            key = flow.correlate.of(event)
            if not key:
                folded.without_id += not counted
                continue
            tells = tuple(self._parents(flow, event, row, followed, folded, counted=counted))
            if not counted:
                folded.unread.update([flow.name] if event.type in flow.fields else [])
            if tells or not counted:
                yield Move(SagaKey(flow.name, key), event, counted, tells)

    def _parents(
        self, flow: Flow, event: EventRow, row: int, followed: Followed, folded: Folded, *, counted: bool
    ) -> Iterator[tuple[SagaKey, Children]]:
        """Who has not been told that an instance begins."""
        if event.type not in flow.starts:
            return
        for name, children in self._flows.parents.get(flow.name, ()):
            if counted and followed.has(name, children.begun, row):
                continue
            if isinstance(children.parent, Field):
                folded.unread[flow.name] += 1
            elif key := children.parent.of(event):
                yield SagaKey(name, key), children

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
        self, moves: list[Move], missing: set[tuple[str, str]], rows: tuple[int, int], folded: Folded
    ) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                with self._store.unit() as unit:
                    found = Portion(self._flows, unit, moves, int(self._time_seconds() * 1000)).fold()
                    unit.remember_folded(missing, rows)
                break
            except StoreConflictError:  # a collector moved the same instances: now they can be seen
                if attempt == _ATTEMPTS - 1:
                    raise
        folded.events += found.events
        folded.instances += found.instances
        folded.begun += found.begun
        folded.left += found.left
