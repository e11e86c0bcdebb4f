"""The sweep: what time decides, once everything written until then has been read."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence

from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.memory import Memory
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.flows import Flow, Flows
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.model.lifecycle import reopen, retire, settle
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
        self._applied = False
        self._memory = Memory(store, flows)

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
        looked_at = 0 if self._applied else self._apply(until_ms, stop or threading.Event())
        while stop is None or not stop.is_set():
            count = self._settle_some(until_ms)
            looked_at += count
            if count < _PER_TRANSACTION:
                break
        return looked_at

    def _apply(self, until_ms: int, stop: threading.Event) -> int:
        """Look at what is open by the rules of this flow file, where it was last looked at by others.

        Stopped or killed on the way, it begins anew: an instance that was looked at stays as it is.
        """
        known = self._store.known_rules()
        looked_at = 0
        for name in sorted({*known, *self._flows.by_name, *self._store.flows_with_open_sagas()}):
            flow = self._flows.by_name.get(name)
            if flow is not None and flow.rules == known.get(name):
                continue
            after = ""
            while keys := self._store.open_keys(name, after, _PER_TRANSACTION):
                if stop.is_set():
                    return looked_at
                self._apply_to(flow, keys, until_ms)
                looked_at += len(keys)
                after = keys[-1].key
            with self._store.unit() as unit:
                unit.remember_rules(name, None if flow is None else flow.rules)
        self._memory.look_back()
        self._applied = True
        return looked_at

    def _apply_to(self, flow: Flow | None, keys: Sequence[SagaKey], until_ms: int) -> None:
        counts: Counter[CountKey] = Counter()
        changed: list[SagaRecord] = []
        ended: list[SagaRecord] = []
        with self._store.unit() as unit:
            for saga in unit.load_sagas(keys).values():
                before = _state(saga)
                if flow is None:
                    retire(saga, until_ms)
                else:
                    reopen(saga)
                    settle(flow, saga, until_ms, counts)
                    if saga.outcome is not Outcome.OPEN and before[0] != saga.outcome:
                        ended.append(saga)
                if _state(saga) != before:
                    changed.append(saga)
            if changed:
                unit.save_sagas(changed)
            if ended:
                self._memory.keep(unit, ended)
            if counts:
                unit.count(counts)
        if ended:
            self._on_ended(ended)

    def _settle_some(self, until_ms: int) -> int:
        counts: Counter[CountKey] = Counter()
        with self._store.unit() as unit:
            due = unit.due_sagas(until_ms, _PER_TRANSACTION)
            were_open = [saga for saga in due if saga.outcome is Outcome.OPEN]
            for saga in due:
                self._settle(saga, until_ms, counts)
            if due:
                unit.save_sagas(due)
            ended = [s for s in were_open if s.outcome not in (Outcome.OPEN, Outcome.RETIRED)]
            if ended:
                self._memory.keep(unit, ended)
            if counts:
                unit.count(counts)
        if ended:
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


def _state(saga: SagaRecord) -> tuple[object, ...]:
    """All that a look at an instance can change."""
    return (
        saga.outcome,
        saga.started_ms,
        saga.waiting,
        saga.waiting_since_ms,
        saga.next_deadline_ms,
        saga.breached,
        saga.conflict,
        saga.not_undone,
        saga.completed_late,
    )
