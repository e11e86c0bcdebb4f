"""Drives a list of events through a flow file, without a broker or a store, and tells what happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from flowtrail_collector.events.sources import Look, Subject
from flowtrail_collector.sagas.model.assessment import (
    Mark,
    Outcome,
    StepProgress,
    StepState,
    add_event,
    asked_ms,
    assess,
)
from flowtrail_collector.sagas.model.children import ending
from flowtrail_collector.sagas.model.fields import Field, read_fields
from flowtrail_collector.sagas.model.flows import CHILD, Children, Flow, Flows
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
    trial = _Trial(flows)
    for number, occasion in enumerate(sorted(occasions, key=lambda item: item.at_ms), 1):
        yield from trial.pass_time(occasion.at_ms)
        look = _look(occasion.payload)
        for flow in flows.by_type.get(occasion.type, ()):
            yield from trial.take(flow, occasion, number, look)
    yield from trial.pass_time(None)


class _Trial:
    """The instances of a trial, and what happens to them."""

    def __init__(self, flows: Flows) -> None:
        self._flows = flows
        self._sagas: dict[SagaKey, SagaRecord] = {}

    def take(self, flow: Flow, occasion: Occasion, number: int, look: Look) -> Iterator[Told]:
        """An event of the list happens to an instance of a flow, and to those that wait for that one."""
        fields = flow.fields.get(occasion.type, ())
        values, _ = read_fields(fields, look)
        unread = _unread(fields, look)
        begun: list[tuple[SagaKey, Mark, str]] = []
        if occasion.type in flow.starts:
            for parent, children in self._flows.parents.get(flow.name, ()):
                unread += _unread([children.parent] if isinstance(children.parent, Field) else [], look)
                for key in _parent_keys(children, occasion, look):
                    values += ((children.parent_name, key),)
                    mark = (occasion.at_ms, children.begun, 0, ((CHILD.name, occasion.key),))
                    begun.append((SagaKey(parent, key), mark, f"{children.begun}: {occasion.key}"))
        own: Mark = (occasion.at_ms, occasion.type, 0)
        yield from self._move(
            SagaKey(flow.name, occasion.key),
            number,
            (*own[:3], values) if values else own,
            occasion.type,
            unread,
        )
        for place, news in enumerate(begun, 1):
            yield from self._move(news[0], -number * 1_000 - place, news[1], news[2])

    def _move(
        self, key: SagaKey, unique: int, mark: Mark, because: str, remarks: Sequence[str] = ()
    ) -> Iterator[Told]:
        flow, saga = self._flows.by_name[key.flow], self._sagas.setdefault(key, SagaRecord(*key))
        ended = saga.outcome is not Outcome.OPEN
        add_event(saga.events, unique, mark)
        saga.updated_ms = max(saga.updated_ms, mark[0])
        progress = bring_up_to_date(flow, saga, Counter())
        if follows_at(flow, saga, assess(flow, saga.events)) is not None:
            # It ends at the latest when the one begins that follows it.
            yield from self._settle(saga, mark[0] + flow.settling_ms + 1)
            ended = False
        text = standing(flow, saga)
        if ended:
            text = f"late, as it had {saga.outcome.value} already"
        elif mark[0] in progress.restarts and mark[1] in flow.starts and saga.started_ms != mark[0]:
            text = f"starts again; {text}"
        yield Told(mark[0], flow.name, named(saga), because, "; ".join([text, *dict.fromkeys(remarks)]))

    def pass_time(self, until_ms: int | None) -> Iterator[Told]:
        """Let deadlines and ends show that lie before a moment; None: all of them."""
        while due := [saga for saga in self._sagas.values() if _is_due(saga, until_ms)]:
            saga = min(due, key=lambda item: item.next_deadline_ms or 0)
            yield from self._settle(saga, saga.next_deadline_ms or 0)

    def _settle(self, saga: SagaRecord, moment: int) -> Iterator[Told]:
        flow = self._flows.by_name[saga.flow]
        before, was_open = saga.late, saga.outcome is Outcome.OPEN
        earlier = settle(flow, saga, moment, Counter())
        if saga.next_deadline_ms is not None and saga.next_deadline_ms <= moment:
            saga.next_deadline_ms = moment + 1  # always forward, or this would never end
        for over in [*earlier, saga][0 if was_open else 1 :]:
            if over.outcome is not Outcome.OPEN:
                yield Told(over.ended_ms or 0, over.flow, named(over), "", over.outcome.value)
                for key, unique, mark in ending(self._flows, over):
                    yield from self._move(key, unique, mark, f"{mark[1]}: {named(over)}")
        for name in saga.late:
            if name not in before:
                at_ms = moment - flow.settling_ms - 1
                yield Told(at_ms, saga.flow, named(saga), "", f"stuck at {name}")


def _look(payload: bytes | None) -> Look:
    return Look(Subject("", None, None, lambda: payload), None)


def _unread(fields: Iterable[Field], look: Look) -> list[str]:
    """Which of the fields have no usable value, and why."""
    found = []
    for field in fields:
        _, problems = read_fields([field], look)
        found += [f"{field.name.removeprefix('#')} is {problem.replace('_', ' ')}" for problem in problems]
    return found


def _parent_keys(children: Children, occasion: Occasion, look: Look) -> list[str]:
    """What a child's start says of its parent; in a list of events, everything has one id."""
    if not isinstance(children.parent, Field):
        return [occasion.key]
    values, _ = read_fields([children.parent], look)
    return [value for _, value in values]


def named(saga: SagaRecord) -> str:
    """An instance's key, with its number if it isn't the first one under that."""
    return f"{saga.key} #{saga.instance}" if saga.instance > 1 else saga.key


def standing(flow: Flow, saga: SagaRecord) -> str:
    """How an open instance stands, in a few words."""
    progress = assess(flow, saga.events)
    steps = [f"{item.step.name} {item.state.value}" for item in progress.steps if item.until_ms is not None]
    if saga.partial:
        steps.append("its start was not seen")
    if progress.not_undone and progress.outcome is Outcome.OPEN:
        owed = [_owed(name, progress.owed_ids.get(name, ())) for name in progress.not_undone]
        steps.append("to be undone: " + ", ".join(owed))
    elif waits := [_waits_for(flow, saga, item) for item in progress.steps if item.waits]:
        steps.append("waits for " + ", ".join(dict.fromkeys(waits)))
    elif progress.outcome is Outcome.OPEN and progress.cancelled_ms is None and not saga.partial:
        steps.append("waits for " + " or ".join(flow.completes))
    return "; ".join(steps) or "nothing to wait for"


def _owed(name: str, ids: Sequence[str]) -> str:
    return f"{name} ({', '.join(ids)})" if ids else name


def _waits_for(flow: Flow, saga: SagaRecord, item: StepProgress) -> str:
    """A failed step calls for the cancellation, or for another round; every other one has still to be done."""
    if item.state is StepState.FAILED:
        return " or ".join((*flow.cancels, *flow.again.get(item.step.name, ())))
    if item.step.asks:
        asked = asked_ms(item, saga.events) is not None
        return f"{item.step.name} ({'asked' if asked else 'not asked'})"
    if item.tally is None or (item.tally.times is None and item.step.children is not None):
        return item.step.name
    times = "an unknown number" if item.tally.times is None else item.tally.times
    return f"{item.step.name} ({item.tally.so_far} of {times})"


def _is_due(saga: SagaRecord, until_ms: int | None) -> bool:
    moment = saga.next_deadline_ms
    return moment is not None and (until_ms is None or moment <= until_ms)
