"""What the model says of generated flows and histories, against an interpreter that knows only the docs' words."""

from __future__ import annotations

import itertools
import os
import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.sagas.sql.rows import read_sagas
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from sagakit import chances
from sagakit.families import changed_family, write_events, write_family
from sagakit.histories import Happened, flows_and_histories, marks, model_of
from sagakit.interpreter import FAR_MS, end_of, instances_of
from sagakit.kinship import LAST_MS, same_family
from sagakit.oracle import FORMS, look_at_some, same_ends, same_steps
from sagakit.playing import Played

FULL = bool(os.environ.get("FLOWTRAIL_FULL"))
EXAMPLES = settings(
    max_examples=20_000 if FULL else 100, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.slow
@EXAMPLES
@given(flows_and_histories())
def test_outcome_owed_and_ends_as_the_interpreter_says(made):
    same_ends(*made)


@pytest.mark.slow
@EXAMPLES
@given(flows_and_histories(), st.integers(1, 20_000))
def test_rounds_turns_and_what_is_late_as_the_interpreter_says(made, now_ms):
    flow, history = made
    same_steps(flow, history, now_ms)


class OnDisk(SqliteStore):
    """A real store, as `same_family` looks into it."""

    def __init__(self, path):
        self.database = SqliteDatabase(path)
        super().__init__(self.database)

    def every_saga(self):
        with self.database.read() as connection:
            return read_sagas(connection, "1 = 1", (), 1_000)

    @property
    def counts(self):
        return self.saga_figures().counts


@pytest.mark.parametrize("seed", range(200 if FULL else 12))
def test_families_are_kept_on_disk_as_in_memory(tmp_path, seed):
    chance = random.Random(seed)

    def draw(part):
        return part.draw(chance)

    flows = write_family(draw, chances)
    before = changed_family(draw, flows, chances)
    events, change_ms = write_events(draw, flows, chances), seed % 2 * chance.randrange(500, LAST_MS)
    store = OnDisk(tmp_path / "store.sqlite")
    try:
        same_family(flows, events, chance, store, before=before, change_ms=change_ms)
    finally:
        store.database.close()


@pytest.mark.slow
def test_whatever_way_histories_are_read_files_change_and_collectors_restart():
    _, found = look_at_some(random.randrange(10**9) if FULL else 0, 2_000 if FULL else 500)
    assert set(found) == set(FORMS)


def played(flow, order, *, sweeping=()):
    """The instances and the counters after marks came in one by one, and time was looked at in between."""
    play = Played(flow)
    for place, (event, mark) in enumerate(order):
        play.take(event, mark)
        if place in sweeping:
            play.sweep(0)
    play.sweep(FAR_MS)
    return play.outcome()


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
    play = Played(model)
    for at in range(0, 40_000, 500):
        for event, mark in ordered:
            if mark[0] == at:
                play.take(event, mark)
        play.sweep(at)
    play.sweep(FAR_MS)
    (records, counts), (others, counted) = play.outcome(), expected
    assert counts == counted
    # Only who looked then has noted that a cancellation was late.
    assert [replace(saga, breached=()) for saga in records] == [replace(saga, breached=()) for saga in others]


@pytest.mark.slow
@EXAMPLES
@given(flows_and_histories(), st.integers(0, 2**32))
def test_instances_that_follow_each_other_are_as_the_interpreter_says(made, seed):
    """In any order, some of it twice, with a look at what time has decided whenever that can be known."""
    flow, history = made
    order = list(marks(history).items())
    chance = random.Random(seed)
    chance.shuffle(order)
    play = Played(model_of(flow))
    while order:
        event, mark = order.pop()
        play.take(event, mark)
        # Everything before what has still to be read is known.
        play.sweep(min([at for _, (at, *_) in order] or [0]))
        if chance.random() < 0.3:
            play.take(event, mark)
    play.sweep(FAR_MS)
    assert play.became() == instances_of(flow, history)


def test_the_interpreter_finds_what_is_wrong():
    steps = {"s0": {"done": ["D"], "undone": ["U"]}}
    flow = {"starts": ["Start"], "steps": steps, "completes": ["End"], "cancels": ["Stop"]}
    history = [(0, "Start"), (5_000, "D"), (9_000, "U"), (20_000, "D"), (30_000, "Stop")]
    history = [Happened(*item) for item in history]
    assert end_of(flow, history) == ("open", None, ("s0",))
    assert end_of(flow, [*history, Happened(40_000, "U")]) == ("compensated", 40_000, ())


def test_an_instance_that_new_rules_part_from_another_one_is_judged_by_them():
    """By the words of the file before, the first one was open all the time: nothing could follow it."""
    steps = {"s0": {"done": ["D"], "undone": ["U"]}}
    before = {"starts": ["Start"], "steps": steps, "completes": ["End"], "cancels": ["Stop"]}
    flow = {**before, "completes": ["D"]}
    history = [(1_000, "Start"), (2_500, "D"), (3_000, "Start"), (3_000, "D"), (4_000, "Stop"), (5_000, "U")]
    history = [Happened(*item) for item in history]
    play = Played(model_of(before))
    for event, mark in marks(history).items():
        play.take(event, mark)
    play.sweep(7_000)
    play.change(model_of(flow), 7_000)
    play.sweep(FAR_MS)
    became = instances_of(flow, history, before, 6_000, begun=True)
    assert [(item.outcome, item.ended) for item in became] == [("completed", 2_500), ("completed", 3_000)]
    assert [(saga.outcome, saga.ended_ms) for saga in (*play.earlier, play.saga)] == [
        (item.outcome, item.ended) for item in became
    ]


@pytest.mark.parametrize("looks", [(), (4_500,), (5_000,), (4_500, 5_000), (5_200,)])
def test_what_the_next_instance_does_is_nothing_that_the_one_before_owes(looks):
    """Cancelled, begun anew and done within a second, in which its own time was over as well."""
    steps = {"s0": {"done": ["D"], "undone": ["U"]}}
    flow = {"starts": ["Start"], "steps": steps, "completes": ["End"], "cancels": ["Stop"], "within": "3s"}
    history = [(1_000, "Start"), (3_500, "Stop"), (3_800, "Start"), (4_300, "Start"), (4_400, "D")]
    history = [Happened(*item) for item in history]
    play = Played(model_of(flow))
    for event, mark in marks(history).items():
        play.take(event, mark)
    for moment in (*looks, FAR_MS):
        play.sweep(moment)
    assert play.became() == instances_of(flow, history)
    assert [(item.outcome, item.ended) for item in play.became()] == [("failed", 3_500), ("timed_out", 6_800)]


@pytest.mark.parametrize("looks", [(), (3_000,), (3_000, 4_500)])
def test_a_deadline_missed_in_the_round_before_the_last_counts_whenever_it_is_looked_at(looks):
    """The event that begins the round has the same timestamp as the end."""
    steps = {"s0": {"done": ["D"], "failed": ["F"], "within": "1s"}}
    flow = {"starts": ["Start"], "steps": steps, "completes": ["D"], "cancels": ["Stop"]}
    play = Played(model_of(flow))
    history = [(0, "Start"), (1_500, "F"), (4_500, "Start"), (4_500, "D")]
    for event, mark in marks([Happened(*item) for item in history]).items():
        play.take(event, mark)
    for moment in (*looks, FAR_MS):
        play.sweep(moment)
    assert play.counts["saga_deadline_breaches", ("f", "s0")] == 1
