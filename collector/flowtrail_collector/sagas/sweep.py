"""The sweep: what time decides, once everything written until then has been read."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence

from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lifecycle import retire, settle
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
        self._new_rules = NewRules(store, flows, on_ended)

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
        looked_at = self._new_rules.apply(until_ms, stop or threading.Event())
        while stop is None or not stop.is_set():
            count = self._settle_some(until_ms)
            looked_at += count
            if count < _PER_TRANSACTION:
                break
        return looked_at

    def _settle_some(self, until_ms: int) -> int:
        counts: Counter[CountKey] = Counter()
        with self._store.unit() as unit:
            due = unit.due_sagas(until_ms, _PER_TRANSACTION)
            were_open = [saga for saga in due if saga.outcome is Outcome.OPEN]
            for saga in due:
                self._settle(saga, until_ms, counts)
            if due:
                unit.save_sagas(due)
            if counts:
                unit.count(counts)
        if ended := [s for s in were_open if s.outcome not in (Outcome.OPEN, Outcome.RETIRED)]:
            self._on_ended(ended)
        return len(due)

    def _settle(self, saga: SagaRecord, until_ms: int, counts: Counter[CountKey]) -> None:
        flow = self._flows.by_name.get(saga.flow)
        if flow is None:
            retire(saga, until_ms)
            return
        settle(flow, saga, until_ms, counts)
        if saga.next_deadline_ms is not None and saga.next_deadline_ms <= until_ms:
            saga.next_deadline_ms = until_ms + 1  # always forward, or one instance could hold up the sweep
