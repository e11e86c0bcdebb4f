"""What the model says of generated flows and histories, against an interpreter that knows only the docs' words."""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.model.assessment import add_event, assess
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date, settle

FULL = bool(os.environ.get("FLOWTRAIL_FULL"))
EXAMPLES = settings(
    max_examples=20_000 if FULL else 100, deadline=None, suppress_health_check=list(HealthCheck)
)
FAR_MS = 1_000_000
NAMES = ("s0", "s1", "s2")


@st.composite
def written_flows(draw):
    """A flow as its file has it: up to three steps, in a row or beside each other."""
    steps = {}
    for number, name in enumerate(NAMES[: draw(st.integers(1, 3))]):
        body = {"done": [f"D{number}"], "within": f"{draw(st.integers(1, 4))}s"}
        if draw(st.booleans()):
            body["failed"] = [f"F{number}"]
        if draw(st.booleans()):
            body["undone"] = [f"U{number}"]
        if draw(st.integers(0, 3)) == 0:
            body["again_after"] = [f"A{number}"]
        if draw(st.integers(0, 3)) == 0:
            body["times"] = 2
        if number and draw(st.booleans()):
            body["after"] = draw(st.sampled_from([["start"], ["s0"], list(steps)]))
        steps[name] = body
    last = next(reversed(steps))
    completes = draw(st.sampled_from([["End"], steps[last]["done"]]))
    return {"starts": ["Start"], "steps": steps, "completes": completes, "cancels": ["Stop"]}


def types_of(flow):
    keys = ("done", "failed", "undone", "again_after")
    named = [kind for step in flow["steps"].values() for key in keys for kind in step.get(key, ())]
    return ["Start", "Stop", *flow["completes"], *named]


@st.composite
def flows_and_histories(draw, most=10):
    flow = draw(written_flows())
    moment = st.integers(0, 24).map(lambda half: half * 500)
    return flow, draw(st.lists(st.tuples(moment, st.sampled_from(types_of(flow))), max_size=most))


def model_of(flow):
    return parse_flows(json.dumps({"flows": {"f": flow}})).by_name["f"]


def marks(history):
    return {number: (at, kind, 0) for number, (at, kind) in enumerate(history, 1)}


def times_of(history, types, until=FAR_MS):
    return sorted(at for at, kind in history if kind in types and at <= until)


def owed(step, history, until):
    """Of what was done, how much no taking back can be assigned to: tried in every way that helps."""
    undone = times_of(history, step["undone"], until)
    taken = {}

    def assign(done, number, tried):
        for place, at in enumerate(undone):
            if at >= done - 1_000 and place not in tried:
                tried.add(place)
                if place not in taken or assign(*taken[place], tried):
                    taken[place] = (done, number)
                    return True
        return False

    dones = times_of(history, step["done"], until)
    return sum(not assign(done, number, set()) for number, done in enumerate(dones))


def end_of(flow, history):
    """(outcome, when it ended, steps that are owed), by trying every moment."""
    undoable = {name: step for name, step in flow["steps"].items() if "undone" in step}
    completed = []
    for kind in flow["completes"]:
        needed = next((s.get("times", 1) for s in flow["steps"].values() if kind in s["done"]), 1)
        completed += times_of(history, [kind])[needed - 1 : needed]
    cancelled = min(times_of(history, ["Stop"]), default=None)
    over = None
    if cancelled is not None:
        for moment in sorted({cancelled, *(at for at, _ in history if at > cancelled)}):
            more = any(
                moment < at <= moment + 1_000
                for s in undoable.values()
                for at in times_of(history, s["done"])
            )
            if not more and not any(owed(step, history, moment) for step in undoable.values()):
                over = moment
                break
    if completed and (over is None or completed[0] <= over):
        return "completed", completed[0], None
    if cancelled is None:
        return "open", None, ()
    if over is None:
        return "open", None, tuple(name for name, step in undoable.items() if owed(step, history, FAR_MS))
    undone = any(times_of(history, step["undone"], over) for step in undoable.values())
    return ("compensated" if undone else "failed"), over, ()


class Playing:
    """Steps without `undone`, played forward moment by moment."""

    def __init__(self, flow):
        self.steps = flow["steps"]
        names = list(self.steps)
        self.after = {}
        for place, name in enumerate(names):
            wanted = self.steps[name].get("after", names[place - 1 : place] if place else ["start"])
            self.after[name] = [] if wanted == ["start"] else wanted
        self.start = None
        self.begin, self.turn, self.done, self.failed, self.count = ({} for _ in range(5))

    def again(self, name):
        types = set(self.steps[name].get("again_after", ()))
        return types.union(*(self.again(before) for before in self.after[name]))

    def renew(self, name, at):
        self.begin[name] = at
        for known in (self.turn, self.done, self.failed, self.count):
            known.pop(name, None)

    def at(self, moment, kinds):
        if "Start" in kinds and self.start is None:
            self.start = moment
        for name in self.steps:
            brings = [k for before in self.after[name] for k in self.steps[before]["done"]] or ["Start"]
            stands_failed = self.failed.get(name, moment) < moment and name not in self.done
            had_turn = self.turn.get(name, moment) < moment
            if self.again(name) & kinds.keys() or (stands_failed and had_turn and set(brings) & kinds.keys()):
                self.renew(name, moment)
        for name, step in self.steps.items():
            self.count[name] = self.count.get(name, 0) + sum(kinds[kind] for kind in step["done"])
            if self.count[name] >= step.get("times", 1):
                self.done.setdefault(name, moment)
            if any(kind in kinds for kind in step.get("failed", ())):
                self.failed.setdefault(name, moment)
        for name in self.steps:
            before = [self.done.get(other) for other in self.after[name]] or [self.start]
            if name not in self.turn and None not in before:
                self.turn[name] = max(*before, self.begin.get(name, 0), 0)

    def standing(self, name):
        if name in self.done:
            return "done", self.turn.get(name), self.done[name]
        if name in self.failed:
            return "failed", self.turn.get(name), self.failed[name]
        return ("open" if name in self.turn else "waiting"), self.turn.get(name), None


@EXAMPLES
@given(flows_and_histories())
def test_outcome_owed_and_ends_as_the_interpreter_says(made):
    flow, history = made
    progress = assess(model_of(flow), marks(history))
    outcome, ended, not_undone = end_of(flow, history)
    assert progress.started_ms == min(times_of(history, ["Start"]), default=None)
    assert (progress.outcome.value, progress.ended_ms) == (outcome, ended)
    if not_undone is not None:
        assert sorted(progress.not_undone) == sorted(not_undone)


@EXAMPLES
@given(flows_and_histories(), st.integers(1, 20_000))
def test_rounds_turns_and_what_is_late_as_the_interpreter_says(made, now_ms):
    flow, history = made
    for step in flow["steps"].values():
        step.pop("undone", None)
    flow["completes"] = ["End"]
    history = [(at, kind) for at, kind in history if kind in types_of(flow) and kind not in ("End", "Stop")]
    playing = Playing(flow)
    for moment, group in itertools.groupby(sorted(history), key=lambda item: item[0]):
        playing.at(moment, Counter(kind for _, kind in group))
    progress = assess(model_of(flow), marks(history))
    said = {item.step.name: (item.state.value, item.since_ms, item.until_ms) for item in progress.steps}
    assert said == {name: playing.standing(name) for name in flow["steps"]}
    late = set()
    for name, step in flow["steps"].items():
        state, since, until = playing.standing(name)
        if since is not None and state in ("open", "failed"):
            limit = max(since, until or 0) + 1_000 * int(step["within"][:-1])
            late |= {name} if limit < now_ms - 1_000 else set()
    saga = SagaRecord("f", "k", events=marks(history))
    settle(model_of(flow), saga, now_ms, Counter())
    assert set(saga.late) == (late if playing.start is not None else set())


def played(flow, order, *, sweeping=()):
    """The record and the counters after marks came in one by one, and time was looked at in between."""
    counts, saga = Counter(), SagaRecord("f", "k")
    for place, (event, mark) in enumerate(order):
        add_event(saga.events, event, mark)
        bring_up_to_date(flow, saga, counts)
        if place in sweeping:
            settle(flow, saga, 0, counts)
    settle(flow, saga, FAR_MS, counts)
    saga.events = dict(sorted(saga.events.items()))
    return saga, counts


@settings(EXAMPLES, max_examples=300 if FULL else 20)
@given(flows_and_histories(most=8 if FULL else 4))
def test_every_permutation_says_the_same(made):
    flow, history = made
    model = model_of(flow)
    expected = played(model, sorted(marks(history).items(), key=lambda item: item[1]))
    for order in itertools.permutations(marks(history).items()):
        assert played(model, [*order, *order[:2]], sweeping=(1,)) == expected


@settings(EXAMPLES, max_examples=5_000 if FULL else 30)
@given(flows_and_histories())
def test_time_looked_at_on_the_way_counts_the_same(made):
    """Swept after each event, or not before everything was read: also what was late, round by round."""
    flow, history = made
    model = model_of(flow)
    ordered = sorted(marks(history).items(), key=lambda item: item[1])
    expected = played(model, ordered)
    counts, saga = Counter(), SagaRecord("f", "k")
    for at in range(0, 40_000, 500):
        for event, mark in ordered:
            if mark[0] == at:
                add_event(saga.events, event, mark)
                bring_up_to_date(model, saga, counts)
        settle(model, saga, at, counts)
    settle(model, saga, FAR_MS, counts)
    saga.events = dict(sorted(saga.events.items()))
    for known in (counts, expected[1]):
        known.pop(("saga_late_events", ("f",)), None)  # counted where an event is read, not here
    assert counts == expected[1]
    assert (saga.outcome, saga.ended_ms, saga.waiting) == (
        expected[0].outcome, expected[0].ended_ms, expected[0].waiting)  # fmt: skip


def test_the_interpreter_finds_what_is_wrong():
    flow = {"starts": ["Start"], "steps": {"s0": {"done": ["D"], "undone": ["U"]}}, "completes": ["End"]}
    history = [(0, "Start"), (5_000, "D"), (9_000, "U"), (20_000, "D"), (30_000, "Stop")]
    assert end_of(flow, history) == ("open", None, ("s0",))
    assert end_of(flow, [*history, (40_000, "U")]) == ("compensated", 40_000, ())
