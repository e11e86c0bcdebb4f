"""Drives a list of events through a flow file, without a broker or a store, and tells what happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from flowtrail_collector.events.sources import Look, Subject
from flowtrail_collector.sagas.model.assessment import (
    SETTLE_MS,
    Mark,
    Outcome,
    StepProgress,
    StepState,
    add_event,
    assess,
)
from flowtrail_collector.sagas.model.fields import read_fields
from flowtrail_collector.sagas.model.flows import Flow, Flows
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date, settle
from flowtrail_collector.sagas.model.recurrence import follows_at

__all__ = ["Occasion", "Told", "drive"]


class Occasion(NamedTuple):
    """An event of the list: when (ms since the first moment), its type, the instance it belongs to, its payload."""

    at_ms: int
    type: str
    key: str
    payload: bytes | None = None


class Told(NamedTuple):
    """Something that happened to an instance.

    Attributes:
        at_ms: When.
        flow: The instance's flow.
        key: What names it, with the number of one that followed others: `order-1 #2`.
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
            add_event(saga.events, number, _mark(flow, occasion))
            saga.updated_ms = occasion.at_ms
            progress = bring_up_to_date(flow, saga, Counter())
            if follows_at(flow, saga, assess(flow, saga.events)) is not None:
                yield from _renew(flow, saga, occasion)
                continue
            text = standing(flow, saga)
            if ended:
                text = f"late, as it had {saga.outcome.value} already"
            elif occasion.at_ms in progress.restarts:
                text = f"starts again; {text}"
            yield Told(occasion.at_ms, flow.name, named(saga), occasion.type, text)
    yield from _pass_time(flows, sagas, None)


def _mark(flow: Flow, occasion: Occasion) -> Mark:
    look = Look(Subject("", None, None, lambda: occasion.payload), None)
    values, _ = read_fields(flow.fields.get(occasion.type, ()), look)
    mark = (occasion.at_ms, occasion.type, 0)
    return (*mark, values) if values else mark


def named(saga: SagaRecord) -> str:
    """An instance's key, with its number if it isn't the first one under that."""
    return f"{saga.key} #{saga.instance}" if saga.instance > 1 else saga.key


def _renew(flow: Flow, saga: SagaRecord, occasion: Occasion) -> Iterator[Told]:
    """An instance ends at the latest when the one begins that follows it."""
    was_open = saga.outcome is Outcome.OPEN
    for earlier in settle(flow, saga, occasion.at_ms + SETTLE_MS + 1, Counter()):
        if was_open:
            yield Told(earlier.ended_ms or 0, flow.name, named(earlier), "", earlier.outcome.value)
    yield Told(occasion.at_ms, flow.name, named(saga), occasion.type, standing(flow, saga))


def standing(flow: Flow, saga: SagaRecord) -> str:
    """How an open instance stands, in a few words."""
    progress = assess(flow, saga.events)
    steps = [f"{item.step.name} {item.state.value}" for item in progress.steps if item.until_ms is not None]
    if saga.partial:
        steps.append("its start was not seen")
    if progress.not_undone and progress.outcome is Outcome.OPEN:
        owed = [_owed(name, progress.owed_ids.get(name, ())) for name in progress.not_undone]
        steps.append("to be undone: " + ", ".join(owed))
    elif waits := [_waits_for(flow, item) for item in progress.steps if item.waits]:
        steps.append("waits for " + ", ".join(dict.fromkeys(waits)))
    return "; ".join(steps) or "nothing to wait for"


def _owed(name: str, ids: Sequence[str]) -> str:
    return f"{name} ({', '.join(ids)})" if ids else name


def _waits_for(flow: Flow, item: StepProgress) -> str:
    """A failed step calls for the cancellation; every other one has still to be done."""
    if item.state is StepState.FAILED:
        return " or ".join(flow.cancels)
    if item.tally is None:
        return item.step.name
    times = "an unknown number" if item.tally.times is None else item.tally.times
    return f"{item.step.name} ({item.tally.so_far} of {times})"


def _pass_time(flows: Flows, sagas: dict[SagaKey, SagaRecord], until_ms: int | None) -> Iterator[Told]:
    """Let deadlines and ends show that lie before a moment; None: all of them."""
    while due := [saga for saga in sagas.values() if _is_due(saga, until_ms)]:
        saga = min(due, key=lambda item: item.next_deadline_ms or 0)
        moment = saga.next_deadline_ms or 0
        before, was_open = saga.late, saga.outcome is Outcome.OPEN
        settle(flows.by_name[saga.flow], saga, moment, Counter())
        if saga.next_deadline_ms is not None and saga.next_deadline_ms <= moment:
            saga.next_deadline_ms = moment + 1  # always forward, or this would never end
        if was_open and saga.outcome is not Outcome.OPEN:
            yield Told(saga.ended_ms or 0, saga.flow, named(saga), "", saga.outcome.value)
        for name in saga.late:
            if name not in before:
                yield Told(moment - SETTLE_MS - 1, saga.flow, named(saga), "", f"stuck at {name}")


def _is_due(saga: SagaRecord, until_ms: int | None) -> bool:
    moment = saga.next_deadline_ms
    return moment is not None and (until_ms is None or moment <= until_ms)
