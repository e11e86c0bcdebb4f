"""The sweep: what time decides, once everything written until then has been read."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from flowtrail_collector.errors import StoreConflictError
from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.kept import Parents, each_once, over_of
from flowtrail_collector.sagas.memory import Memory
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.completed import Completions
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.model.intake import retire
from flowtrail_collector.sagas.model.lifecycle import settle
from flowtrail_collector.sagas.new_rules import NewRules
from flowtrail_collector.sagas.ports import SagaStore, SagaUnit

__all__ = ["Sweeper"]

_PER_TRANSACTION = 1_000  # the tail waits meanwhile
_ATTEMPTS = 5


class Sweeper:
    """A `Part` that looks at every instance whose time has come.

    Args:
        store: Where state is kept.
        flows: What to follow.
        interval_seconds: Time between two sweeps.
        on_ended: Told of the instances that have ended, once that is stored.
    """

    name = "sweep"
    problem: str | None = None

    def __init__(
        self,
        store: SagaStore,
        flows: Flows,
        *,
        interval_seconds: float = 1.0,
        on_ended: Callable[[Sequence[SagaRecord]], None] = lambda sagas: None,
    ) -> None:
        self._store = store
        self._flows = flows
        self._interval_seconds = interval_seconds
        self._on_ended = on_ended
        self._completions = Completions(flows)
        self._memory = Memory(store, flows)
        self._new_rules = NewRules(store, flows, on_ended, self._settle_due, self._memory)

    def run(self, stop: threading.Event) -> None:
        """Sweep until told to stop."""
        while not stop.wait(self._interval_seconds):
            self.sweep(stop)

    def sweep(self, stop: threading.Event | None = None) -> int:
        """Sweep once.

        Returns:
            How many instances were looked at.
        """
        until_ms = self._store.watermark_ms()
        if not until_ms:
            return 0
        stop = stop or threading.Event()
        for _ in range(_ATTEMPTS - 1):
            with suppress(StoreConflictError):  # another worker was in the way: now it can be seen
                return self._sweep(until_ms, stop)
        return self._sweep(until_ms, stop)

    def _sweep(self, until_ms: int, stop: threading.Event) -> int:
        looked_at = self._new_rules.apply(until_ms, stop)
        return looked_at + self._settle_due(until_ms, stop)

    def _settle_due(self, until_ms: int, stop: threading.Event, below: int | None = None) -> int:
        """Children first: what they tell may decide how a parent stands.

        Args:
            until_ms: Everything written until then has been read.
            stop: Ends it early.
            below: Only flows with fewer levels of children than that; None for all.
        """
        levels, looked_at = self._flows.levels, 0
        depths = [self._flows.by_name[level[0]].depth for level in levels]
        for number in range(1 + sum(below is None or depth < below for depth in depths)):
            above = [name for level in levels[number:] for name in level]
            while not stop.is_set():
                count = self._settle_some(until_ms, levels[number - 1] if number else None, above)
                looked_at += count
                if count < _PER_TRANSACTION:
                    break
        return looked_at

    def _settle_some(self, until_ms: int, level: Sequence[str] | None, above: Sequence[str]) -> int:
        """Settle some of what is due.

        Args:
            until_ms: Everything written until then has been read.
            level: The flows; None for those that wait for no children.
            above: Flows above these.
        """
        counts: Counter[CountKey] = Counter()
        with self._store.unit() as unit:
            if level is None:
                due = unit.due_sagas(until_ms, _PER_TRANSACTION, above, others=True)
            else:
                # A child that another worker holds has still to say what it knows.
                held_ms = unit.first_due_ms(until_ms, (*level, *above))
                until_ms = until_ms if held_ms is None else min(until_ms, held_ms)
                due = unit.due_sagas(until_ms, _PER_TRANSACTION, level, others=False)
            settled, ended = self._settle_these(unit, due, until_ms, counts)
            if counts:
                unit.count(counts)
        if ended:
            self._on_ended(ended)
        return settled

    def _settle_these(
        self, unit: SagaUnit, due: Sequence[SagaRecord], until_ms: int, counts: Counter[CountKey]
    ) -> tuple[int, list[SagaRecord]]:
        """Returns how many they were, and which have ended."""
        changed: list[SagaRecord] = []
        completed, left = self._completions.settle(due, until_ms, counts)
        settled, ended, decided = len(completed), list(completed), list[SagaRecord]()
        parents = Parents(self._flows, unit, left, counts)
        parents.take(left)
        for saga in left:
            if not parents.can_be_told_of(saga):
                continue  # waiting for it, one could wait for the other in a circle
            settled += 1
            was_open = saga.outcome is Outcome.OPEN
            earlier = self._settle(saga, until_ms, counts)
            if earlier:
                changed += [saga, *earlier]
            else:
                decided.append(saga)
            over = over_of([*earlier, saga][0 if was_open else 1 :])
            ended += over
            parents.tell(over)
        told = parents.touched  # their events have changed
        if told:
            decided = [saga for saga in decided if SagaKey(saga.flow, saga.row_key) not in told]
        unit.complete_sagas(completed)
        unit.settle_sagas(decided)
        unit.save_sagas(each_once([*changed, *told.values()]))
        if ended:
            self._memory.keep(unit, ended)
        return settled, ended

    def _settle(self, saga: SagaRecord, until_ms: int, counts: Counter[CountKey]) -> list[SagaRecord]:
        flow = self._flows.by_name.get(saga.flow)
        if flow is None:
            retire(saga, until_ms)
            return []
        earlier = settle(flow, saga, until_ms, counts)
        if saga.next_deadline_ms is not None and saga.next_deadline_ms <= until_ms:
            saga.next_deadline_ms = until_ms + 1  # always forward, or one instance could hold up the sweep
        return earlier
