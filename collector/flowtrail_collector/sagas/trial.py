"""Drives a list of events through a flow file, without a broker or a store, and tells what happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from flowtrail_collector.sagas.model.assessment import (
    SETTLE_MS,
    Outcome,
    StepProgress,
    StepState,
    add_event,
    assess,
)
from flowtrail_collector.sagas.model.flows import Flow, Flows
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date, settle

__all__ = ["Occasion", "Told", "drive"]


class Occasion(NamedTuple):
    """An event of the list: when (ms since the first moment), its type, and the instance it belongs to."""

    at_ms: int
    type: str
    key: str


class Told(NamedTuple):
    """Something that happened to an instance.

    Attributes:
        at_ms: When.
        flow: The instance's flow.
        key: What names it.
        because: The event's type; empty if time alone decided.
        text: What happened.
    """

    at_ms: int
    flow: str
    key: str
    because: str
    text: str


def drive(flows: Flows, occasions: Iterable[Occasion]) -> Iterator[Told]:
    """What happens, in the order of time; at the end, time passes until nothing more would be due."""
    sagas: dict[SagaKey, SagaRecord] = {}
    for number, occasion in enumerate(sorted(occasions, key=lambda item: item.at_ms), 1):
        yield from _pass_time(flows, sagas, occasion.at_ms)
        for flow in flows.by_type.get(occasion.type, ()):
            key = SagaKey(flow.name, occasion.key)
            saga = sagas.setdefault(key, SagaRecord(*key))
            ended = saga.outcome is not Outcome.OPEN
            add_event(saga.events, number, (occasion.at_ms, occasion.type, 0))
            bring_up_to_date(flow, saga, Counter())
            text = f"late, as it had {saga.outcome.value} already" if ended else standing(flow, saga)
            yield Told(occasion.at_ms, *key, occasion.type, text)
    yield from _pass_time(flows, sagas, None)


def standing(flow: Flow, saga: SagaRecord) -> str:
    """How an open instance stands, in a few words."""
    progress = assess(flow, saga.events)
    steps = [f"{item.step.name} {item.state.value}" for item in progress.steps if item.until_ms is not None]
    if saga.partial:
        steps.append("its start was not seen")
    if progress.not_undone and progress.outcome is Outcome.OPEN:
        steps.append("to be undone: " + ", ".join(progress.not_undone))
    elif waits := [_waits_for(flow, item) for item in progress.steps if item.waits]:
        steps.append("waits for " + ", ".join(dict.fromkeys(waits)))
    return "; ".join(steps) or "nothing to wait for"


def _waits_for(flow: Flow, item: StepProgress) -> str:
    """A failed step calls for the cancellation, or for another round; every other one has still to be done."""
    if item.state is not StepState.FAILED:
        return item.step.name
    return " or ".join((*flow.cancels, *flow.again.get(item.step.name, ())))


def _pass_time(flows: Flows, sagas: dict[SagaKey, SagaRecord], until_ms: int | None) -> Iterator[Told]:
    """Let deadlines and ends show that lie before a moment; None: all of them."""
    while due := [saga for saga in sagas.values() if _is_due(saga, until_ms)]:
        saga = min(due, key=lambda item: item.next_deadline_ms or 0)
        moment = saga.next_deadline_ms or 0
        before = saga.late
        settle(flows.by_name[saga.flow], saga, moment, Counter())
        if saga.next_deadline_ms is not None and saga.next_deadline_ms <= moment:
            saga.next_deadline_ms = moment + 1  # always forward, or this would never end
        if saga.outcome is not Outcome.OPEN:
            yield Told(saga.ended_ms or 0, saga.flow, saga.key, "", saga.outcome.value)
        for name in saga.late:
            if name not in before:
                yield Told(moment - SETTLE_MS - 1, saga.flow, saga.key, "", f"stuck at {name}")


def _is_due(saga: SagaRecord, until_ms: int | None) -> bool:
    moment = saga.next_deadline_ms
    return moment is not None and (until_ms is None or moment <= until_ms)
