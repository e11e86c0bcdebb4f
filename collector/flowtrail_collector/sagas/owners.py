"""Who should do a step of a flow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from flowtrail_collector.sagas.model.flows import Flows, Step
from flowtrail_collector.topology.model import service_of

__all__ = ["StepOwners", "as_written"]

_LEARN_EVERY_SECONDS = 60.0


def as_written(step: Step) -> str | None:
    """What the flow file says."""
    return step.by


class StepOwners:
    """What the flow file says, else the service that lately published what says that the step was done.

    A service's name is its consumer group's, unless it was given another one; then the flow file has to say so.

    Args:
        flows: All flows.
        publishers: (event type, source, number of events) of the events stored lately.
        monotonic: Seconds.
    """

    def __init__(
        self,
        flows: Flows,
        publishers: Callable[[], Iterable[tuple[str, str, int]]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._unnamed = {
            kind
            for flow in flows.by_name.values()
            for own in flow.steps
            for step in (own, own.asking)
            if step.by is None
            for kind in step.done
        }
        self._publishers = publishers
        self._monotonic = monotonic
        self._known: dict[str, str] = {}
        self._learned_at: float | None = None

    def __call__(self, step: Step) -> str | None:
        """The group of a step."""
        if step.by is not None:
            return step.by
        self._learn()
        return next((self._known[kind] for kind in step.done if kind in self._known), None)

    def _learn(self) -> None:
        now = self._monotonic()
        if self._learned_at is not None and now - self._learned_at < _LEARN_EVERY_SECONDS:
            return
        self._learned_at = now
        most: dict[str, int] = {}
        for kind, source, count in self._publishers():
            if kind in self._unnamed and count > most.get(kind, 0):
                # What nobody published lately keeps the owner it was known to have.
                most[kind], self._known[kind] = count, service_of(source)
