"""What belongs together: trails that share an instance, a correlation id, or parent and child."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from flowtrail_collector.keeping.model import Family
from flowtrail_collector.keeping.ports import Parts
from flowtrail_collector.sagas.model.children import parents_of
from flowtrail_collector.sagas.model.flows import CHILD, Flows
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord

__all__ = ["families_of"]

# Parents of parents of ..., and flows that share ids with others: what goes on beyond is kept.
_MOST_ROUNDS = 8
_MOST_IDS = 2_000


def families_of(flows: Flows, parts: Parts, ids: Iterable[str]) -> list[Family]:
    """The families that these correlation ids are in, each once."""
    search = _Search(flows, parts)
    new, rounds = set(ids), 0
    while new and rounds < _MOST_ROUNDS and len(search.ids) < _MOST_IDS:
        new = search.look(new)
        rounds += 1
    return search.families(unseen=new)


class _Search:
    """Correlation ids and instances as a graph: what is connected in it belongs together."""

    def __init__(self, flows: Flows, parts: Parts) -> None:
        self._flows = flows
        self._parts = parts
        self._sagas: dict[SagaKey, SagaRecord] = {}
        self._near: defaultdict[str | SagaKey, set[str | SagaKey]] = defaultdict(set)
        self.ids: set[str] = set()

    def look(self, ids: set[str]) -> set[str]:
        """Look at ids for the first time.

        Returns:
            Further ids that they lead to.
        """
        self.ids |= ids
        for id_ in ids:
            self._near[id_]  # one without an instance is there as well
        for saga in self._parts.sagas_of_keys(ids):
            if self._flows.by_correlation(saga.flow):
                self._add(saga, [saga.key])
        if self._flows.by_other_ids:
            self._look_by_subject(ids)
        return {near for near in self._near if isinstance(near, str)} - self.ids

    def families(self, unseen: Collection[str]) -> list[Family]:
        """What was found, those as not whole that lead to ids that weren't looked at."""
        letters = self._parts.with_letters(self.ids)
        left, found = set(self._near), []
        while left:
            members: set[str | SagaKey] = set()
            new = {left.pop()}
            while new:
                members |= new
                new = {other for one in new for other in self._near[one]} - members
            left -= members
            sagas = [self._sagas[one] for one in members if isinstance(one, SagaKey)]
            ids = {one for one in members if isinstance(one, str)}
            found.append(Family(ids, sagas, ids.isdisjoint(unseen), not ids.isdisjoint(letters)))
        return found

    def _look_by_subject(self, ids: Collection[str]) -> None:
        others = [name for name in self._flows.by_name if not self._flows.by_correlation(name)]
        subjects = self._parts.subjects_of(ids)
        self._add_by_subject(self._parts.sagas_of_subjects(subjects, others))

    def _add_by_subject(self, sagas: Iterable[SagaRecord]) -> None:
        found = [(saga, saga.subject or saga.key) for saga in sagas]
        ids = self._parts.ids_of({subject for _, subject in found})
        for saga, subject in found:
            self._add(saga, ids.get(subject, ()))

    def _add(self, saga: SagaRecord, ids: Iterable[str]) -> None:
        key = SagaKey(saga.flow, saga.row_key)
        if key in self._sagas:
            return
        self._sagas[key] = saga
        self._connect(key, ids)
        relatives = [*parents_of(self._flows, saga), *self._children(saga)]
        self._connect(
            key, [relative.key for relative in relatives if self._flows.by_correlation(relative.flow)]
        )
        others = [relative for relative in relatives if not self._flows.by_correlation(relative.flow)]
        for other in self._parts.load(others) if others else ():
            near = SagaKey(other.flow, other.row_key)
            self._add_by_subject([other])
            self._near[key].add(near)
            self._near[near].add(key)

    def _connect(self, key: SagaKey, ids: Iterable[str]) -> None:
        for id_ in ids:
            self._near[key].add(id_)
            self._near[id_].add(key)

    def _children(self, saga: SagaRecord) -> list[SagaKey]:
        flow = self._flows.by_name.get(saga.flow)
        if flow is None or not flow.depth:
            return []
        named = {dict(mark[3]).get(CHILD.name) for mark in saga.events.values() if len(mark) > 3}
        below = [step.children.flow for step in flow.steps if step.children is not None]
        return [SagaKey(name, key) for name in below for key in named if key]
