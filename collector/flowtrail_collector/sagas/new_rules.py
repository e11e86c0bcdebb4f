"""A changed flow file: what is open is looked at by the rules of this one, a portion at a time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from flowtrail_collector.metrics.counts import CountKey
from flowtrail_collector.sagas.kept import Parents, each_once, over_of
from flowtrail_collector.sagas.memory import Memory
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.flows import Flow, Flows
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.model.intake import reopen
from flowtrail_collector.sagas.model.lifecycle import settle
from flowtrail_collector.sagas.model.shapes import Looked, Shapes
from flowtrail_collector.sagas.ports import SagaStore

__all__ = ["NewRules"]

# Reading waits for a transaction, about a tenth of a second, and each of them waits for a batch that is read.
_PER_TRANSACTION = 5_000
_CLOSELY_PER_TRANSACTION = 5_000
_HELD_SECONDS = 0.05  # until an instance is tried again that another worker holds


class NewRules:
    """Applies the rules of a flow file to what was last looked at by others.

    Args:
        store: Where state is kept.
        flows: What to follow.
        on_ended: Told of the instances that have ended, once that is stored.
        settle_due: Settles what is due of flows with fewer levels of children than a number; returns how many
            instances that were.
        memory: Remembers instances that ended.
    """

    def __init__(
        self,
        store: SagaStore,
        flows: Flows,
        on_ended: Callable[[Sequence[SagaRecord]], None],
        settle_due: Callable[[int, threading.Event, int], int],
        memory: Memory,
    ) -> None:
        self._store = store
        self._flows = flows
        self._on_ended = on_ended
        self._settle_due = settle_due
        self._memory = memory
        self._applied = False

    def apply(self, until_ms: int, stop: threading.Event) -> int:
        """Look at what is open, unless that was done.

        Stopped or killed on the way, it begins anew: an instance that was looked at stays as it is.

        Args:
            until_ms: Everything written until then has been read.
            stop: Ends it early.

        Returns:
            How many instances were looked at.
        """
        if self._applied:
            return 0
        known = self._store.known_rules()
        looked_at = 0
        for name in self._children_first(
            {*known, *self._flows.by_name, *self._store.flows_with_open_sagas()}
        ):
            flow = self._flows.by_name.get(name)
            if flow is not None and flow.rules == known.get(name):
                continue
            known_ms = until_ms
            if flow is not None and flow.depth:
                # Those that wait for this flow's instances have to hear first what the new rules make of those.
                looked_at += self._settle_due(until_ms, stop, flow.depth)
                known_ms = self._children_known_ms(flow, until_ms)
            shapes = None if flow is None else Shapes(flow)
            after: str | None = ""
            while after is not None:
                if stop.is_set():
                    return looked_at
                if shapes is None:
                    count, after = self._retire(name, after, until_ms)
                else:
                    count, after = self._look(shapes, after, known_ms, stop)
                looked_at += count
            if stop.is_set():
                return looked_at  # some may not have been looked at closely
            with self._store.unit() as unit:
                unit.remember_rules(name, None if flow is None else flow.rules)
        self._memory.look_back()
        self._applied = True
        return looked_at

    def _children_known_ms(self, flow: Flow, until_ms: int) -> int:
        """Until when it is known how children ended; one that another worker holds has still to be looked at."""
        besides = [name for name, other in self._flows.by_name.items() if other.depth >= flow.depth]
        with self._store.unit() as unit:
            held_ms = unit.first_due_ms(until_ms, besides)
        return until_ms if held_ms is None else held_ms

    def _children_first(self, names: Iterable[str]) -> list[str]:
        """Parents last: how their children ended counts for what is said of them."""
        flows = self._flows.by_name
        return sorted(names, key=lambda name: (flows[name].depth if name in flows else 0, name))

    def _retire(self, name: str, after: str, until_ms: int) -> tuple[int, str | None]:
        """Returns how many there were, and the last one's key."""
        with self._store.unit() as unit:
            page, last = unit.open_sagas(name, after, _PER_TRANSACTION)
            if last is not None:
                unit.retire_open(name, (after, last), until_ms)
        return sum(len(sagas.keys) for sagas in page), last

    def _look(
        self, shapes: Shapes, after: str, until_ms: int, stop: threading.Event
    ) -> tuple[int, str | None]:
        """Returns how many there were, and the last one's key."""
        flow, looked = shapes.flow, Looked()
        with self._store.unit() as unit:
            page, last = unit.open_sagas(flow.name, after, _PER_TRANSACTION)
            for sagas in page:
                shapes.look(sagas, until_ms, looked)
            unit.note_open(flow.name, looked)
            if looked.missed:
                missed = looked.missed.items()
                unit.count({("saga_deadline_breaches", (flow.name, step)): count for step, count in missed})
        closer = [SagaKey(flow.name, key) for key in looked.closer]
        for begin in range(0, len(closer), _CLOSELY_PER_TRANSACTION):
            left = closer[begin : begin + _CLOSELY_PER_TRANSACTION]
            while left and not stop.is_set():
                left = self._look_closer(flow, left, until_ms)
                if left:
                    stop.wait(_HELD_SECONDS)
        return sum(len(sagas.keys) for sagas in page), last

    def _look_closer(self, flow: Flow, keys: Sequence[SagaKey], until_ms: int) -> list[SagaKey]:
        """Settle instances one by one.

        Returns:
            Those that have to wait, because another worker holds a parent of theirs: that worker may wait for them.
        """
        left: list[SagaKey] = []
        counts: Counter[CountKey] = Counter()
        changed: list[SagaRecord] = []
        ended: list[SagaRecord] = []
        with self._store.unit() as unit:
            found = unit.load_sagas(keys)
            parents = Parents(self._flows, unit, found.values(), counts)
            parents.take(found.values())
            for key, saga in found.items():
                if not parents.can_be_told_of(saga):
                    left.append(key)
                    continue
                before = _state(saga)
                if before[0] not in (Outcome.OPEN, Outcome.RETIRED):
                    continue  # it has ended meanwhile
                reopen(saga)
                earlier = settle(flow, saga, until_ms, counts)
                changed += earlier
                over = over_of([*earlier, saga])
                ended += over
                parents.tell(over)
                if _state(saga) != before:
                    changed.append(saga)
            if changed:
                unit.save_sagas(each_once([*changed, *parents.touched.values()]))
            if ended:
                self._memory.keep(unit, ended)
            if counts:
                unit.count(counts)
        if ended:
            self._on_ended(ended)
        return left


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
