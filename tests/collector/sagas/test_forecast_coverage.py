"""Intervals hold as often as they say: 10,000 simulated instances of flows of several shapes."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.model.assessment import Outcome, assess
from flowtrail_collector.sagas.model.flows import Flow
from flowtrail_collector.sagas.model.forecast import Outlook
from flowtrail_collector.sagas.model.histories import history_of
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.route import Route

Events = list[tuple[str, float]]
FLOWS = parse_flows(
    """\
flows:
  serial:
    starts: S
    steps: {a: {done: A}, b: {done: B}, c: {done: C}, d: {done: D}}
    completes: D
  parallel:
    starts: S
    steps:
      a: {done: A}
      left: {done: L, after: a}
      right: {done: R, after: a}
      aside: {done: X, after: a}
      join: {done: J, after: [left, right]}
    completes: J
  branches:
    starts: S
    steps:
      card: {done: Card, failed: CardDeclined}
      voucher: {done: Voucher, instead_of: card}
      wrap: {done: Wrapped, optional: true}
      ship: {done: Shipped}
    completes: Shipped
    cancels: Cancelled
  closing:
    starts: S
    steps: {a: {done: A}, b: {done: B, after: start}}
    completes: Closed
  rework:
    starts: S
    steps:
      check: {done: Checked, failed: Rejected, again_after: Resubmitted}
      pay: {done: Paid}
    completes: Paid
  parcels:
    starts: S
    steps: {pack: {done: Packed}, send: {done: Sent, times: 3}, thank: {done: Thanked}}
    completes: Thanked
"""
)


def serial(rng: random.Random) -> Events:
    """Heavy tails, and what is slow is slow in every step."""
    slow = rng.lognormvariate(0, 0.8)
    at, events = 0.0, []
    for kind in "ABCD":
        at += slow * rng.paretovariate(1.3)
        events.append((kind, at))
    return events


def parallel(rng: random.Random) -> Events:
    a = rng.expovariate(1)
    left, right = a + rng.gammavariate(2, 1), a + rng.lognormvariate(0, 1.2)
    joined = max(left, right) + rng.uniform(0.1, 0.4)
    return [("A", a), ("L", left), ("R", right), ("X", a + rng.expovariate(0.3)), ("J", joined)]


def branches(rng: random.Random) -> Events:
    events, at = [], 0.0
    if rng.random() < 0.3:
        declined = rng.uniform(0, 1)
        at = declined + rng.uniform(20, 30)
        events += [("CardDeclined", declined), ("Voucher", at)] if rng.random() < 0.5 else [("Voucher", at)]
        slow = 4.0
    else:
        at, slow = rng.expovariate(0.5), 1.0
        events.append(("Card", at))
    if rng.random() < 0.4:
        at += rng.uniform(1, 3)
        events.append(("Wrapped", at))
    return [*events, ("Shipped", at + slow * rng.weibullvariate(2, 1.5))]


def closing(rng: random.Random) -> Events:
    a, b = rng.expovariate(1), rng.expovariate(0.4)
    return [("A", a), ("B", b), ("Closed", max(a, b) + rng.lognormvariate(1, 1))]


def rework(rng: random.Random) -> Events:
    at, events = 0.0, []
    while rng.random() < 0.35:
        at += rng.expovariate(1)
        events.append(("Rejected", at))
        at += rng.gammavariate(3, 2)
        events.append(("Resubmitted", at))
    at += rng.expovariate(1)
    return [*events, ("Checked", at), ("Paid", at + rng.uniform(0.5, 5))]


def parcels(rng: random.Random) -> Events:
    at = rng.uniform(1, 2)
    sent = sorted(at + rng.lognormvariate(0, 1) for _ in range(3))
    return [
        ("Packed", at),
        *(("Sent", moment) for moment in sent),
        ("Thanked", sent[-1] + rng.expovariate(2)),
    ]


SHAPES: list[Callable[[random.Random], Events]] = [serial, parallel, branches, closing, rework, parcels]
FLOWS_EACH = 10_000 // len(SHAPES) + 1
LEARNT_FIRST = 700


@dataclass
class Instance:
    """One that is simulated, in ms."""

    start_ms: int
    events: list[tuple[str, int]]
    looked_at_ms: int
    """When it is looked at once more, which doesn't depend on how it goes."""

    @property
    def end_ms(self) -> int:
        return max(
            at for kind, at in self.events if kind in ("D", "J", "Shipped", "Closed", "Paid", "Thanked")
        )

    def record(self, flow: Flow, until_ms: int) -> SagaRecord:
        seen = [("S", self.start_ms), *(item for item in self.events if item[1] <= until_ms)]
        return SagaRecord(flow.name, "k", events={n: (at, kind, 0) for n, (kind, at) in enumerate(seen)})


def simulated(shape: Callable[[random.Random], Events], count: int, seed: str) -> list[Instance]:
    rng = random.Random(seed)
    found, start = [], 1_000_000.0
    for _ in range(count):
        start += rng.expovariate(1) * 500
        events = [(kind, int(start + 1_000 * at)) for kind, at in shape(rng)]
        looked_at = rng.choice([0, 0.3, 1, 2, 4, 10]) * rng.uniform(0.5, 1.5)
        found.append(Instance(int(start), events, int(start + 1_000 * looked_at)))
    return found


def held(flow: Flow, instances: list[Instance]) -> tuple[int, int, int]:
    """Intervals that held, intervals given, times that none was given: at the start, and once more under way.

    Each is told from those that had ended by then.
    """
    route = Route(flow)
    looks = sorted((at, n) for n, item in enumerate(instances) for at in {item.start_ms, item.looked_at_ms})
    by_end = deque(sorted(instances, key=lambda item: item.end_ms))
    known: deque = deque(maxlen=1_000)
    good = given = untold = 0
    outlook, fresh = Outlook(flow, ()), 0
    for at, number in looks:
        while by_end and by_end[0].end_ms < at:
            ended = by_end.popleft()
            record = ended.record(flow, ended.end_ms)
            record.outcome, record.ended_ms = Outcome.COMPLETED, ended.end_ms
            history = history_of(flow, route, record)
            assert history is not None
            assert history.completed
            known.append(history)
            fresh += 1
        if fresh >= 50:
            outlook, fresh = Outlook(flow, known), 0
        item = instances[number]
        if number < LEARNT_FIRST or item.end_ms <= at:
            continue
        record = item.record(flow, at)
        forecast = outlook.forecast(record, assess(flow, record.events), at)
        assert forecast is not None
        if forecast.latest_ms is None or forecast.earliest_ms is None:
            untold += 1
            continue
        given += 1
        good += forecast.earliest_ms <= item.end_ms <= forecast.latest_ms
    return good, given, untold


@pytest.mark.slow(12)
def test_intervals_hold_as_often_as_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    lines, all_good, all_given = [], 0, 0
    for shape in SHAPES:
        name = shape.__name__
        instances = simulated(shape, FLOWS_EACH + LEARNT_FIRST, f"coverage of {name}")
        good, given, untold = held(FLOWS.by_name[name], instances)
        lines.append(f"{name:<10}{good / given:7.2%} of {given} intervals held, {untold} not told")
        all_good, all_given = all_good + good, all_given + given
        assert 0.93 <= good / given <= 0.97, lines
        assert untold < 0.05 * given, lines
    with capsys.disabled():
        print("", *lines, f"all       {all_good / all_given:7.2%} of {all_given}", sep="\n")
    assert all_given >= 10_000
    assert 0.93 <= all_good / all_given <= 0.97
