"""What the model says of generated flows and histories, against an interpreter that knows only the docs' words."""

from __future__ import annotations

import itertools
import os
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail_collector.sagas.model.assessment import add_event, assess
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date, settle
from sagakit.histories import Happened, flows_and_histories, marks, model_of, types_of

FULL = bool(os.environ.get("FLOWTRAIL_FULL"))
EXAMPLES = settings(
    max_examples=20_000 if FULL else 100, deadline=None, suppress_health_check=list(HealthCheck)
)
FAR_MS = 1_000_000


def times_of(history, types, until=FAR_MS):
    return sorted(at for at, kind, _ in history if kind in types and at <= until)


def each(step, history):
    """The history of each id of a step; all of it where the step has none."""
    if "of" not in step:
        return [history]
    return [[item for item in history if item.value == own] for own in {item.value for item in history}]


def needed(step, history, until=FAR_MS):
    """How many it takes by a moment; None while that isn't known."""
    times = step.get("times", 1)
    if not isinstance(times, dict):
        return times
    said = [(at, int(value)) for at, kind, value in history if kind == times["event"] and at <= until]
    return max(said)[1] if said else None


def often(step, history, since=0, until=FAR_MS):
    """How many were done between two moments, of each id one."""
    done = [item.value for item in history if item.kind in step["done"] and since <= item.at <= until]
    named = {value for value in done if value}
    return len(done) if "of" not in step else len(named) + done.count("")


def enough_ms(step, history):
    """When it had been done as often as it took by then."""
    for moment in sorted({item.at for item in history}):
        wanted = needed(step, history, moment)
        if wanted is not None and often(step, history, until=moment) >= wanted:
            return moment
    return None


def owed(step, history, until):
    """Of what was done, how much no taking back can be assigned to, id by id."""
    return sum(owed_of_one(step, own, until) for own in each(step, history))


def owed_of_one(step, history, until):
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
        step = next((s for s in flow["steps"].values() if kind in s["done"]), {"done": [kind]})
        if "times" not in step:
            step = {"done": [kind]}
        moment = enough_ms(step, history)
        completed += [] if moment is None else [moment]
    playing = Playing(flow)
    failed = [k for name, s in flow["steps"].items() if not playing.again(name) for k in s.get("failed", ())]
    cancelled = min(times_of(history, flow.get("cancels", failed)), default=None)
    over = None
    if cancelled is not None:
        for moment in sorted({cancelled, *(item.at for item in history if item.at > cancelled)}):
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
        self.first, self.after = {}, {}
        before = ["start"]
        for name, step in self.steps.items():
            self.first[name] = first = self.first.get(step.get("instead_of"), name)
            wanted = self.after[first] if first != name else step.get("after", before)
            self.after[name] = [] if wanted == ["start"] else wanted
            before = before if first != name or step.get("optional") else [name]
        self.start = None
        self.begin, self.turn, self.done, self.failed = ({} for _ in range(4))
        self.history = []

    def group(self, name):
        return [other for other in self.steps if self.first[other] == self.first[name]]

    def optional(self, name):
        return self.steps[self.first[name]].get("optional", False)

    def again(self, name):
        types = set(self.steps[self.first[name]].get("again_after", ()))
        return types.union(*(self.again(before) for before in self.after[name]))

    def brings(self, name):
        found = set() if self.after[name] else {"Start"}
        for before in self.after[name]:
            done = {kind for other in self.group(before) for kind in self.steps[other]["done"]}
            found |= self.brings(before) if self.optional(before) else done
        return found

    def done_by_any(self, name):
        return min((self.done[other] for other in self.group(name) if other in self.done), default=None)

    def failed_by_all(self, name):
        moments = [self.failed.get(other) for other in self.group(name)]
        return None if None in moments or self.done_by_any(name) is not None else max(moments)

    def renew(self, name, at):
        self.begin[name] = at
        for known in (self.turn, self.done, self.failed):
            known.pop(name, None)

    def at(self, moment, happened):
        self.history += happened
        kinds = Counter(item.kind for item in happened)
        if "Start" in kinds and self.start is None:
            self.start = moment
        anew = set()
        for name in self.steps:
            failed = self.failed_by_all(name)
            brought = failed is not None and name in self.turn and self.brings(name) & kinds.keys()
            if self.again(name) & kinds.keys() or brought:
                anew.add(name)
        for name in anew:
            self.renew(name, moment)
        for name, step in self.steps.items():
            wanted = needed(step, self.history)
            if wanted is not None and often(step, self.history, self.begin.get(name, 0)) >= wanted:
                self.done.setdefault(name, moment)
            if any(kind in kinds for kind in step.get("failed", ())):
                self.failed.setdefault(name, moment)
        for name in self.steps:
            before = [
                self.turn.get(other) if self.optional(other) else self.done_by_any(other)
                for other in self.after[name]
            ] or [self.start]
            if name not in self.turn and None not in before:
                self.turn[name] = max(*before, self.begin.get(name, 0), 0)

    def standing(self, name):
        turn, instead = self.turn.get(name), self.done_by_any(name)
        if name in self.done:
            return "done", turn, self.done[name]
        if name in self.failed:
            return "failed", turn, self.failed[name]
        if instead is not None:
            return "skipped", turn, instead
        return ("open" if name in self.turn and not self.optional(name) else "waiting"), turn, None

    def late(self, name, now_ms):
        """Whether the step is waited for, or the cancellation after it, past the limit."""
        state, since, _ = self.standing(name)
        spans = {other: 1_000 * int(self.steps[other]["within"][:-1]) for other in self.group(name)}
        if since is None or self.optional(name) or state not in ("open", "failed"):
            return False
        if state == "open":
            return since + max(spans.values()) < now_ms
        failed = self.failed_by_all(name)
        return failed is not None and max(since, failed) + spans[name] < now_ms


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
    flow |= {"completes": ["End"], "cancels": ["Stop"]}
    history = [item for item in history if item.kind in types_of(flow) and item.kind not in ("End", "Stop")]
    playing = Playing(flow)
    for moment, group in itertools.groupby(sorted(history), key=lambda item: item[0]):
        playing.at(moment, list(group))
    progress = assess(model_of(flow), marks(history))
    said = {item.step.name: (item.state.value, item.since_ms, item.until_ms) for item in progress.steps}
    assert said == {name: playing.standing(name) for name in flow["steps"]}
    late = {name for name in flow["steps"] if playing.late(name, now_ms - 1_000)}
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
    steps = {"s0": {"done": ["D"], "undone": ["U"]}}
    flow = {"starts": ["Start"], "steps": steps, "completes": ["End"], "cancels": ["Stop"]}
    history = [(0, "Start"), (5_000, "D"), (9_000, "U"), (20_000, "D"), (30_000, "Stop")]
    history = [Happened(*item) for item in history]
    assert end_of(flow, history) == ("open", None, ("s0",))
    assert end_of(flow, [*history, Happened(40_000, "U")]) == ("compensated", 40_000, ())
