"""The sweep: what time decides, once everything written until then has been read."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence

from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.kept import Parents, each_once, over_of
from flowtrail_collector.sagas.memory import Memory
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.intake import retire
from flowtrail_collector.sagas.model.lifecycle import settle
from flowtrail_collector.sagas.new_rules import NewRules
from flowtrail_collector.sagas.ports import SagaStore

__all__ = ["Sweeper"]

_PER_TRANSACTION = 1_000  # the tail waits meanwhile


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
        looked_at = self._new_rules.apply(until_ms, stop)
        return looked_at + self._settle_due(until_ms, stop)

    def _settle_due(self, until_ms: int, stop: threading.Event) -> int:
        looked_at = 0
        while not stop.is_set():
            count = self._settle_some(until_ms)
            looked_at += count
            if count < _PER_TRANSACTION:
                break
        return looked_at

    def _settle_some(self, until_ms: int) -> int:
        counts: Counter[CountKey] = Counter()
        with self._store.unit() as unit:
            due = unit.due_sagas(until_ms, _PER_TRANSACTION)
            ended: list[SagaRecord] = []
            followed: list[SagaRecord] = []
            parents = Parents(self._flows, unit, due, counts)
            # Those that are due first come first: children before the parents that wait for them.
            for saga in due:
                was_open = saga.outcome is Outcome.OPEN
                earlier = self._settle(saga, until_ms, counts)
                followed += earlier
                over = over_of([*earlier, saga][0 if was_open else 1 :])
                ended += over
                parents.tell(over)
            if due:
                unit.save_sagas(each_once([*due, *followed, *parents.touched.values()]))
            if ended:
                self._memory.keep(unit, ended)
            if counts:
                unit.count(counts)
        if ended:
            self._on_ended(ended)
        return len(due)

    def _settle(self, saga: SagaRecord, until_ms: int, counts: Counter[CountKey]) -> list[SagaRecord]:
        flow = self._flows.by_name.get(saga.flow)
        if flow is None:
            retire(saga, until_ms)
            return []
        earlier = settle(flow, saga, until_ms, counts)
        if saga.next_deadline_ms is not None and saga.next_deadline_ms <= until_ms:
            saga.next_deadline_ms = until_ms + 1  # always forward, or one instance could hold up the sweep
        return earlier
