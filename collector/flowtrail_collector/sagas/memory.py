"""Remembers how instances went that ended, so that it can be told how long others will take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flowtrail_collector.sagas.model.flows import Flow, Flows
from flowtrail_collector.sagas.model.histories import History, history_of
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.route import Route
from flowtrail_collector.sagas.ports import SagaStore, SagaUnit

__all__ = ["Memory"]

_LOOKED_BACK_AT = 1_000


class Memory:
    """What is remembered, seen from the sweep.

    Args:
        store: Where it is kept.
        flows: Whose instances.
    """

    def __init__(self, store: SagaStore, flows: Flows) -> None:
        self._store = store
        self._flows = flows
        self._routes = {name: Route(flow) for name, flow in flows.by_name.items()}
        self._wanted_from_ms: dict[str, int] = {}

    def look_back(self) -> None:
        """Where nothing is remembered of a flow of this shape, begin with the instances that ended last."""
        for name, flow in self._flows.by_name.items():
            shape = self._routes[name].shape
            if self._store.histories(name, shape):
                continue
            if found := self._histories(flow, self._store.newest_ended(name, _LOOKED_BACK_AT)):
                with self._store.unit() as unit:
                    self._wanted_from_ms[name] = unit.keep_histories(name, shape, found)

    def keep(self, unit: SagaUnit, ended: Sequence[SagaRecord]) -> None:
        """Remember instances that just ended, as many of them as are wanted.

        Args:
            unit: The transaction in which they end.
            ended: The instances.
        """
        by_flow: dict[str, list[SagaRecord]] = {}
        for saga in ended:
            by_flow.setdefault(saga.flow, []).append(saga)
        for name, sagas in by_flow.items():
            from_ms = self._wanted_from_ms.get(name, 0)
            wanted = [saga for saga in sagas if (saga.ended_ms or 0) >= from_ms]
            if from_ms:
                # Those that end within one transaction are of about one moment: one of them will do.
                wanted = sorted(wanted, key=lambda saga: saga.ended_ms or 0)[:1]
            if histories := self._histories(self._flows.by_name[name], wanted):
                shape = self._routes[name].shape
                self._wanted_from_ms[name] = unit.keep_histories(name, shape, histories)

    def _histories(self, flow: Flow, sagas: Iterable[SagaRecord]) -> list[History]:
        route = self._routes[flow.name]
        return [found for saga in sagas if (found := history_of(flow, route, saga)) is not None]
