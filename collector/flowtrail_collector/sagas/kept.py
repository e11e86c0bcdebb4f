"""Finds what is kept within one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.model.assessment import Mark, Outcome, add_event
from flowtrail_collector.sagas.model.children import ending, parents_of
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord, earlier_key
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date
from flowtrail_collector.sagas.model.recurrence import MOST_EARLIER, instance_of
from flowtrail_collector.sagas.ports import SagaUnit

__all__ = ["Parents", "each_once", "earlier_of", "over_of"]


def earlier_of(unit: SagaUnit, sagas: Mapping[SagaKey, SagaRecord]) -> dict[SagaKey, list[SagaRecord]]:
    """The last instances before those that have any, the oldest first."""
    wanted = {
        key: [
            SagaKey(key.flow, earlier_key(key.key, number))
            for number in range(max(1, saga.instance - MOST_EARLIER), saga.instance)
        ]
        for key, saga in sagas.items()
        if saga.instance > 1
    }
    if not wanted:
        return {}
    found = unit.load_sagas(earlier for keys in wanted.values() for earlier in keys)
    return {key: [found[earlier] for earlier in keys if earlier in found] for key, keys in wanted.items()}


def each_once(sagas: Iterable[SagaRecord]) -> list[SagaRecord]:
    """Each of them once, as it was named last."""
    return list({SagaKey(saga.flow, saga.row_key): saga for saga in sagas}.values())


def over_of(sagas: Sequence[SagaRecord]) -> list[SagaRecord]:
    """Those of them that have ended."""
    return [saga for saga in sagas if saga.outcome not in (Outcome.OPEN, Outcome.RETIRED)]


class Parents:
    """Tells parents how their children ended, within the transaction in which those did.

    Args:
        flows: What to follow.
        unit: The transaction.
        loaded: Instances that are written at its end anyway.
        counts: Added to.
    """

    def __init__(
        self, flows: Flows, unit: SagaUnit, loaded: Iterable[SagaRecord], counts: Counter[CountKey]
    ) -> None:
        self._flows = flows
        self._unit = unit
        self._loaded = {SagaKey(saga.flow, saga.row_key): saga for saga in loaded}
        self._counts = counts
        self._taken: dict[SagaKey, SagaRecord] = {}
        self._held: set[SagaKey] = set()
        self.touched: dict[SagaKey, SagaRecord] = {}

    def take(self, children: Iterable[SagaRecord]) -> None:
        """Make ready to tell the parents of instances that may end, without waiting for other workers."""
        wanted = {key for saga in children for key in parents_of(self._flows, saga)}
        if wanted:
            found, self._held = self._unit.take_sagas(wanted.difference(self._loaded))
            self._taken.update(found)

    def can_be_told_of(self, saga: SagaRecord) -> bool:
        """Whether no other worker holds a parent of an instance."""
        return not self._held or self._held.isdisjoint(parents_of(self._flows, saga))

    def tell(self, ended: Iterable[SagaRecord]) -> None:
        """Tell the parents of instances that have just ended."""
        for saga in ended:
            for key, unique, mark in ending(self._flows, saga):
                self._tell(key, unique, mark)

    def _tell(self, key: SagaKey, unique: int, mark: Mark) -> None:
        newest = self._find(key)
        earlier = earlier_of(self._unit, {key: newest}).get(key, ())
        known = [self._known(SagaKey(saga.flow, saga.row_key), saga) for saga in earlier]
        saga = instance_of(newest, known, unique, mark[0])
        add_event(saga.events, unique, mark)
        saga.updated_ms = max(saga.updated_ms, mark[0])
        bring_up_to_date(self._flows.by_name[key.flow], saga, self._counts)
        self.touched[SagaKey(saga.flow, saga.row_key)] = saga

    def _find(self, key: SagaKey) -> SagaRecord:
        known = self._loaded.get(key) or self.touched.get(key) or self._taken.get(key)
        return known or self._unit.load_sagas([key]).get(key) or SagaRecord(*key)

    def _known(self, key: SagaKey, saga: SagaRecord) -> SagaRecord:
        return self._loaded.get(key) or self.touched.get(key) or saga
