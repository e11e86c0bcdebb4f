"""What the model says of generated flows and histories, against an interpreter that knows only the docs' words."""

from __future__ import annotations

import itertools
import os
import random
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail_collector.sagas.model.assessment import add_event
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date, settle
from sagakit.histories import flows_and_histories, marks, model_of
from sagakit.interpreter import FAR_MS, end_of
from sagakit.oracle import look_at_some, same_ends, same_steps

FULL = bool(os.environ.get("FLOWTRAIL_FULL"))
EXAMPLES = settings(
    max_examples=20_000 if FULL else 100, deadline=None, suppress_health_check=list(HealthCheck)
)


@EXAMPLES
@given(flows_and_histories())
def test_outcome_owed_and_ends_as_the_interpreter_says(made):
    same_ends(*made)


@EXAMPLES
@given(flows_and_histories(), st.integers(1, 20_000))
def test_rounds_turns_and_what_is_late_as_the_interpreter_says(made, now_ms):
    same_steps(*made, now_ms)


def test_whatever_way_histories_are_read_files_change_and_collectors_restart():
    assert look_at_some(random.randrange(10**9) if FULL else 0, 2_000 if FULL else 300)


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
    assert end_of(flow, history) == ("open", None, ("s0",))
    assert end_of(flow, [*history, (40_000, "U")]) == ("compensated", 40_000, ())
