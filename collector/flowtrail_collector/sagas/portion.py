"""A portion of stored events, added within one transaction to the instances that they belong to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from flowtrail_collector.events.identity import IdHashes
from flowtrail_collector.events.model import EventRow
from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.kept import Parents, earlier_of, over_of
from flowtrail_collector.sagas.model.assessment import Mark, Outcome, add_event
from flowtrail_collector.sagas.model.children import beginning
from flowtrail_collector.sagas.model.fields import Values
from flowtrail_collector.sagas.model.flows import Children, Flows
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.model.intake import count_copy, reopen
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date
from flowtrail_collector.sagas.model.recurrence import instance_of
from flowtrail_collector.sagas.ports import SagaUnit

__all__ = ["Move", "Portion"]


class Move(NamedTuple):
    """A stored event, and the instance that it moves.

    Attributes:
        key: The instance.
        event: The event.
        counted: It was counted as it was read, and only what it tells others was not.
        tells: Instances that wait for this one, and how.
    """

    key: SagaKey
    event: EventRow
    counted: bool
    tells: tuple[tuple[SagaKey, Children], ...] = ()


@dataclass
class Moved:
    """What became of it; see `Folded`."""

    events: int = 0
    instances: int = 0
    begun: int = 0
    left: int = 0


class Portion:
    """What is folded within one transaction.

    Args:
        flows: Of the flow file.
        unit: The transaction.
        moves: What moves instances, in the order in which it was stored.
        now_ms: By this machine's clock.
    """

    def __init__(self, flows: Flows, unit: SagaUnit, moves: Sequence[Move], now_ms: int) -> None:
        self._flows = flows
        self._unit = unit
        self._moves = moves
        self._now_ms = now_ms
        keys = [move.key for move in moves] + [key for move in moves for key, _ in move.tells]
        self._sagas = unit.load_sagas(dict.fromkeys(keys))
        self._there = set(self._sagas)
        self._earlier = earlier_of(unit, self._sagas)
        self._hashes = IdHashes()
        self._touched: dict[SagaKey, SagaRecord] = {}
        self._counts: Counter[CountKey] = Counter()
        self._found = Moved()

    def fold(self) -> Moved:
        """Move the instances, and write them."""
        over: list[SagaRecord] = []
        for move in self._moves:
            saga = self._find(move) if move.counted else self._add(move.key, move.event, _named(move))
            if saga is not None and [told for told in move.tells if self._tell(move, *told)]:
                over += over_of([saga])
        for key, saga in self._touched.items():
            bring_up_to_date(self._flows.by_name[key.flow], saga, self._counts)
        parents = Parents(self._flows, self._unit, self._touched.values(), self._counts)
        parents.tell(over)
        changed = {**self._touched, **parents.touched}
        self._found.instances = len(changed)
        self._found.begun = len({SagaKey(saga.flow, saga.key) for saga in changed.values()} - self._there)
        if changed:
            self._unit.save_sagas(changed.values())
        if self._counts:
            self._unit.count(self._counts)
        return self._found

    def _tell(self, move: Move, parent: SagaKey, children: Children) -> bool:
        return self._add(parent, *beginning(children, move.event, move.key.key)) is not None

    def _find(self, move: Move) -> SagaRecord | None:
        """The instance of a start that was counted, told whom it has to tell of its end; None if it is forgotten."""
        unique = self._hashes.of_event(move.event)
        newest = self._sagas.get(move.key)
        known: list[SagaRecord] = [] if newest is None else [newest, *self._earlier.get(move.key, ())]
        for saga in known:
            if unique in saga.events:
                mark = saga.events[unique]
                values = dict(mark[3] if len(mark) > 3 else ()) | dict(_named(move))
                saga.events[unique] = (*mark[:3], tuple(values.items()))
                self._touched[SagaKey(saga.flow, saga.row_key)] = saga
                return saga
        self._found.left += 1
        return None

    def _add(self, key: SagaKey, event: EventRow, values: Values) -> SagaRecord | None:
        """Add an event to its instance; None if that has ended by then, and stays as it is."""
        unique = self._hashes.of_event(event)
        moment = min(event.timestamp_ms or event.time_ms or self._now_ms, self._now_ms)
        newest = self._sagas.setdefault(key, SagaRecord(*key))
        saga = instance_of(newest, self._earlier.get(key, ()), unique, moment)
        over = saga.outcome not in (Outcome.OPEN, Outcome.RETIRED)
        if over and (saga.ended_ms is None or moment <= saga.ended_ms):
            self._found.left += 1
            return None
        self._touched[SagaKey(saga.flow, saga.row_key)] = saga
        self._found.events += _fold_in(saga, event, self._hashes, self._counts, moment, values)
        return saga


def _named(move: Move) -> Values:
    """What is kept with a start: whom to tell of the end."""
    return tuple((children.parent_name, key.key) for key, children in move.tells)


def _fold_in(
    saga: SagaRecord,
    event: EventRow,
    hashes: IdHashes,
    counts: Counter[CountKey],
    moment: int,
    values: Values,
) -> bool:
    """Add an event to an instance, unless it is there: what was read after it is no sign of disorder."""
    reopen(saga)
    cause = hashes[event.causation_id] if event.causation_id else 0
    mark: Mark = (moment, event.type, cause, values) if values else (moment, event.type, cause)
    if not add_event(saga.events, hashes.of_event(event), mark):
        count_copy(saga, values, counts)
        return False
    saga.updated_ms = max(saga.updated_ms, moment)
    saga.subject = saga.subject or event.subject
    return True
