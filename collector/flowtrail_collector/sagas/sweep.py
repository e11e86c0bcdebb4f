"""The sweep: what time decides, once everything written until then has been read."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.kept import Parents
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.flows import Flow, Flows
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.model.intake import reopen, retire
from flowtrail_collector.sagas.model.lifecycle import settle
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
        looked_at = 0 if self._applied else self._apply(until_ms, stop)
        return looked_at + self._settle_due(until_ms, stop)

    def _settle_due(self, until_ms: int, stop: threading.Event) -> int:
        looked_at = 0
        while not stop.is_set():
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
        names = {*known, *self._flows.by_name, *self._store.flows_with_open_sagas()}
        flows = [(self._flows.by_name.get(name), name) for name in sorted(names)]
        # Parents last: how their children ended counts for what is said of them.
        for flow, name in sorted(flows, key=lambda item: item[0].depth if item[0] is not None else 0):
            if flow is not None and flow.rules == known.get(name):
                continue
            if flow is not None and flow.depth:
                looked_at += self._settle_due(until_ms, stop)
            after = ""
            while keys := self._store.open_keys(name, after, _PER_TRANSACTION):
                if stop.is_set():
                    return looked_at
                self._apply_to(flow, keys, until_ms)
                looked_at += len(keys)
                after = keys[-1].key
            with self._store.unit() as unit:
                unit.remember_rules(name, None if flow is None else flow.rules)
        self._applied = True
        return looked_at

    def _apply_to(self, flow: Flow | None, keys: Sequence[SagaKey], until_ms: int) -> None:
        counts: Counter[CountKey] = Counter()
        changed: list[SagaRecord] = []
        ended: list[SagaRecord] = []
        with self._store.unit() as unit:
            found = unit.load_sagas(keys)
            parents = Parents(self._flows, unit, found.values(), counts)
            for saga in found.values():
                before = _state(saga)
                if flow is None:
                    retire(saga, until_ms)
                else:
                    reopen(saga)
                    earlier = settle(flow, saga, until_ms, counts)
                    changed += earlier
                    over = _over([*earlier, saga])
                    ended += over
                    parents.tell(over)
                if _state(saga) != before:
                    changed.append(saga)
            if changed:
                unit.save_sagas(_each([*changed, *parents.touched.values()]))
            if counts:
                unit.count(counts)
        if ended:
            self._on_ended(ended)

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
                over = _over([*earlier, saga][0 if was_open else 1 :])
                ended += over
                parents.tell(over)
            if due:
                unit.save_sagas(_each([*due, *followed, *parents.touched.values()]))
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


def _each(sagas: Iterable[SagaRecord]) -> list[SagaRecord]:
    """Each of them once."""
    return list({SagaKey(saga.flow, saga.row_key): saga for saga in sagas}.values())


def _over(sagas: Sequence[SagaRecord]) -> list[SagaRecord]:
    return [saga for saga in sagas if saga.outcome not in (Outcome.OPEN, Outcome.RETIRED)]


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
        saga.instance,
        saga.repeated_starts,
        saga.late_events,
    )
