"""Forecasts of open instances, from what the store remembers of ended ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from flowtrail_collector.sagas.model.assessment import Outcome, Progress
from flowtrail_collector.sagas.model.bands import Band, bands_of
from flowtrail_collector.sagas.model.flows import Flow, Flows
from flowtrail_collector.sagas.model.forecast import Forecast, Outlook
from flowtrail_collector.sagas.model.histories import History
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.route import Route

__all__ = ["Forecasts"]

_FEW = 200
_FEW_SECONDS, _MANY_SECONDS = 5.0, 60.0  # what few instances say changes with each; what many say hardly does


class Forecasts:
    """Tells what comes next in open instances.

    Args:
        flows: The flows of the flow file.
        histories: What is remembered of the instances of a flow of a shape.
        monotonic: Seconds.
    """

    def __init__(
        self,
        flows: Flows,
        histories: Callable[[str, str], Sequence[History]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._flows = flows
        self._histories = histories
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._outlooks: dict[str, tuple[float, Outlook]] = {}
        self._bands: dict[str, tuple[Outlook, dict[str, list[Band]]]] = {}

    def forecast(self, saga: SagaRecord, progress: Progress, now_ms: int | None) -> Forecast | None:
        """What comes next in an instance; None if it has ended, or nothing can be said of its kind.

        Args:
            saga: The instance.
            progress: What its events say.
            now_ms: Up to when everything has been read; None if nothing has.
        """
        flow = self._flows.by_name.get(saga.flow)
        if flow is None or now_ms is None or saga.outcome is not Outcome.OPEN or saga.partial:
            return None
        return self._outlook(flow).forecast(saga, progress, now_ms)

    def bands(self, waiting: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[Band]]:
        """Of flows and what their instances wait for (joined by commas): which will probably miss a deadline."""
        found = {}
        for name, steps in waiting:
            flow = self._flows.by_name.get(name)
            if flow is not None and (bands := self._bands_of(flow, steps)):
                found[name, steps] = bands
        return found

    def _bands_of(self, flow: Flow, steps: str) -> list[Band]:
        outlook = self._outlook(flow)
        known = self._bands.get(flow.name)
        if known is None or known[0] is not outlook:
            known = self._bands[flow.name] = (outlook, {})
        if steps not in known[1]:
            known[1][steps] = bands_of(outlook, steps.split(","))
        return known[1][steps]

    def _outlook(self, flow: Flow) -> Outlook:
        with self._lock:
            now = self._monotonic()
            known = self._outlooks.get(flow.name)
            if known is not None and now < known[0]:
                return known[1]
            outlook = Outlook(flow, self._histories(flow.name, Route(flow).shape))
            seconds = _FEW_SECONDS if outlook.known < _FEW else _MANY_SECONDS
            self._outlooks[flow.name] = (now + seconds, outlook)
            return outlook
