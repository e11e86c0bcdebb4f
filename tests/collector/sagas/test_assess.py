"""What a set of events says of an instance: a function of the set, in whatever order it came together."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail_collector.events.identity import id_hash
from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.model.assessment import (
    SETTLE_MS,
    Outcome,
    StepState,
    add_event,
    assess,
)
from sagakit import ORDERS

FLOW = parse_flows(ORDERS).by_name["orders"]
PARALLEL = parse_flows("""\
flows:
  parallel:
    starts: [Placed, PlacedByPhone]
    steps:
      stock: {done: Stock, within: 1s}
      fraud: {done: [Cleared, Waived], after: start, within: 2s}
      gift: {done: Wrapped, optional: true, within: 1s}
      pack: {done: Packed, after: [stock, fraud], within: 3s}
    completes: [Delivered, PickedUp]
    cancels: Cancelled
""").by_name["parallel"]
MARKS = st.tuples(st.integers(0, 20_000), st.sampled_from(sorted(FLOW.types)), st.integers(-5, 5))
EVENTS = st.dictionaries(st.integers(1, 12), MARKS)


def events(*happened):
    """An instance's events from (type, time in ms)."""
    return {number: (at_ms, kind, 0) for number, (kind, at_ms) in enumerate(happened, 1)}


def waiting_for(progress):
    return tuple(item.step.name for item in progress.steps if item.waits)


def states(progress):
    return {item.step.name: item.state for item in progress.steps}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), MARKS)), st.data())
def test_any_permutation_and_duplication_says_the_same(happened, data):
    known = {}
    for event, mark in happened:
        add_event(known, event, mark)
    again = {}
    repeated = happened + data.draw(st.lists(st.sampled_from(happened))) if happened else []
    for event, mark in data.draw(st.permutations(repeated)):
        add_event(again, event, mark)
    assert assess(FLOW, again) == assess(FLOW, known)


@settings(deadline=None)
@given(EVENTS)
def test_an_end_once_settled_is_not_changed_by_what_happens_later(happened):
    """What is declared when the watermark passes must be what all events say in the end."""
    final = assess(FLOW, happened)
    for until_ms in range(0, 22_000, 500):
        progress = assess(FLOW, {event: mark for event, mark in happened.items() if mark[0] <= until_ms})
        if progress.ended_ms is not None and progress.ended_ms + SETTLE_MS <= until_ms:
            assert (progress.outcome, progress.ended_ms) == (final.outcome, final.ended_ms)


def test_a_completed_order():
    progress = assess(
        FLOW,
        events(("OrderPlaced", 0), ("StockReserved", 10), ("PaymentCompleted", 25), ("OrderShipped", 60)),
    )
    assert (progress.outcome, progress.started_ms, progress.ended_ms) == (Outcome.COMPLETED, 0, 60)
    assert [(i.since_ms, i.until_ms) for i in progress.steps] == [(0, 10), (10, 25), (25, 60)]
    assert not progress.conflict
    assert waiting_for(progress) == ()


def test_an_open_order_waits_for_one_step():
    progress = assess(FLOW, events(("OrderPlaced", 0), ("StockReserved", 10)))
    assert progress.outcome is Outcome.OPEN
    assert waiting_for(progress) == ("charge",)
    assert progress.steps[1].deadline_ms == 10 + 6_000
    assert states(progress)["ship"] is StepState.WAITING


def test_compensated_only_when_everything_is_undone():
    happened = [("OrderPlaced", 0), ("StockReserved", 10), ("PaymentFailed", 20), ("OrderCancelled", 30)]
    progress = assess(FLOW, events(*happened))
    assert (progress.outcome, progress.not_undone) == (Outcome.OPEN, ("reserve",))
    progress = assess(FLOW, events(*happened, ("StockReleased", 40)))
    assert (progress.outcome, progress.ended_ms) == (Outcome.COMPENSATED, 40)
    assert states(progress) == {
        "reserve": StepState.UNDONE,
        "charge": StepState.FAILED,
        "ship": StepState.WAITING,
    }
    assert progress.steps[0].until_ms == 10
    assert progress.steps[0].undone_ms == 40


def test_failed_when_there_is_nothing_to_undo():
    progress = assess(
        FLOW, events(("OrderPlaced", 0), ("StockReservationFailed", 10), ("OrderCancelled", 20))
    )
    assert (progress.outcome, progress.ended_ms) == (Outcome.FAILED, 20)


def test_what_is_done_after_the_end_does_not_open_it_again():
    late = 20 + SETTLE_MS + 1
    progress = assess(FLOW, events(("OrderPlaced", 0), ("OrderCancelled", 20), ("StockReserved", late)))
    assert (progress.outcome, progress.ended_ms) == (Outcome.FAILED, 20)


@pytest.mark.parametrize(
    ("shipped_ms", "outcome", "ended_ms"), [(50, Outcome.COMPLETED, 50), (70, Outcome.FAILED, 60)]
)
def test_of_two_ends_the_first_counts(shipped_ms, outcome, ended_ms):
    progress = assess(FLOW, events(("OrderPlaced", 0), ("OrderCancelled", 60), ("OrderShipped", shipped_ms)))
    assert (progress.outcome, progress.ended_ms, progress.conflict) == (outcome, ended_ms, True)


def test_a_partial_instance_has_no_start():
    progress = assess(FLOW, events(("PaymentCompleted", 20), ("OrderShipped", 30)))
    assert (progress.started_ms, progress.outcome) == (None, Outcome.COMPLETED)


def test_a_failed_step_ends_a_flow_that_names_no_cancelling_event():
    flow = parse_flows("flows: {f: {starts: A, steps: {s: {done: B, failed: C}}, completes: D}}").by_name["f"]
    assert assess(flow, events(("A", 0), ("C", 5))).outcome is Outcome.FAILED


def test_parallel_steps_have_their_turn_together():
    progress = assess(PARALLEL, events(("Placed", 100)))
    assert waiting_for(progress) == ("stock", "fraud")
    assert [item.deadline_ms for item in progress.steps] == [1_100, 2_100, None, None]
    progress = assess(PARALLEL, events(("Placed", 100), ("Waived", 400)))
    assert waiting_for(progress) == ("stock",)
    progress = assess(PARALLEL, events(("Placed", 100), ("Waived", 400), ("Stock", 300)))
    assert waiting_for(progress) == ("pack",)
    assert progress.steps[3].since_ms == 400


def test_nobody_waits_for_an_optional_step_and_it_is_seen():
    assert "gift" not in waiting_for(assess(PARALLEL, events(("Placed", 0))))
    done = assess(PARALLEL, events(("Placed", 0), ("Wrapped", 5), ("PickedUp", 9)))
    assert states(done)["gift"] is StepState.DONE
    assert done.outcome is Outcome.COMPLETED


@pytest.mark.parametrize("start", ["Placed", "PlacedByPhone"])
@pytest.mark.parametrize("end", ["Delivered", "PickedUp"])
def test_alternatives(start, end):
    progress = assess(PARALLEL, events((start, 3), (end, 9)))
    assert (progress.started_ms, progress.ended_ms, progress.outcome) == (3, 9, Outcome.COMPLETED)


def test_hashes_are_64_bits_and_never_0():
    assert id_hash("a") == id_hash("a") != id_hash("b")
    assert -(2**63) <= id_hash("\ud800") < 2**63
    assert id_hash("") != 0


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", -5426141060434712860),
        ("018bcfe5-6800-7000-8abc-0123456789ab", 27254093815940710),
        ("\ud800", 7497787021708494914),
    ],
)
def test_a_hash_is_the_one_that_stores_have(text, kept):
    assert id_hash(text) == kept


PARCELS = parse_flows("""\
flows:
  parcels:
    starts: Placed
    steps:
      reserve: {done: Reserved, failed: OutOfStock, within: 2s, undone: Released}
      courier: {done: ParcelShipped, failed: ParcelLost, undone: ParcelReturned, times: 2, within: 5s}
      locker: {done: ParcelStored, failed: LockerFull, instead_of: courier, within: 3s}
      survey: {done: Surveyed, optional: true, after: courier}
      invoice: {done: Invoiced, after: [locker, survey], within: 2s}
    completes: Invoiced
    cancels: Cancelled
""").by_name["parcels"]


def parcels(*happened):
    return assess(PARCELS, events(("Placed", 0), ("Reserved", 100), *happened))


def test_a_step_that_takes_several_events_is_done_with_the_last():
    progress = parcels(("ParcelShipped", 300))
    assert waiting_for(progress) == ("courier", "locker")
    progress = parcels(("ParcelShipped", 300), ("ParcelShipped", 200), ("ParcelShipped", 900))
    assert states(progress)["courier"] is StepState.DONE
    assert progress.steps[1].until_ms == 300, "the second of three"


def test_what_happened_once_of_several_times_has_to_be_undone():
    progress = parcels(("ParcelShipped", 300), ("Cancelled", 400), ("Released", 500))
    assert (progress.outcome, progress.not_undone) == (Outcome.OPEN, ("courier",))
    progress = parcels(("ParcelShipped", 300), ("Cancelled", 400), ("Released", 500), ("ParcelReturned", 600))
    assert (progress.outcome, progress.ended_ms) == (Outcome.COMPENSATED, 600)


def test_of_alternatives_one_is_enough():
    progress = parcels()
    assert waiting_for(progress) == ("courier", "locker")
    assert [item.deadline_ms for item in progress.steps[1:3]] == [5_100, 5_100], "late only when all are"
    progress = parcels(("ParcelStored", 700))
    assert states(progress) == {
        "reserve": StepState.DONE,
        "courier": StepState.SKIPPED,
        "locker": StepState.DONE,
        "survey": StepState.WAITING,
        "invoice": StepState.OPEN,
    }
    assert waiting_for(progress) == ("invoice",)
    assert progress.steps[4].since_ms == 700


def test_one_alternative_that_fails_leaves_the_others():
    progress = parcels(("LockerFull", 200))
    assert waiting_for(progress) == ("courier",)
    assert states(progress)["locker"] is StepState.FAILED
    progress = parcels(("LockerFull", 200), ("ParcelLost", 900))
    assert waiting_for(progress) == ("courier", "locker"), "now for the cancellation"
    assert [item.due_ms for item in progress.steps[1:3]] == [900 + 5_000, 900 + 3_000]


def test_an_optional_step_is_passed_whether_it_comes_or_not():
    assert parcels(("ParcelStored", 700)).steps[4].since_ms == 700
    assert parcels(("ParcelStored", 700), ("Surveyed", 900)).steps[4].since_ms == 700


def test_a_failed_step_waits_for_the_cancellation_that_should_follow():
    progress = assess(PARCELS, events(("Placed", 0), ("OutOfStock", 300)))
    assert (progress.outcome, waiting_for(progress)) == (Outcome.OPEN, ("reserve",))
    assert (progress.steps[0].waits_since_ms, progress.steps[0].due_ms) == (300, 2_300)
    progress = assess(PARCELS, events(("Placed", 0), ("OutOfStock", 300), ("Cancelled", 400)))
    assert (progress.outcome, waiting_for(progress)) == (Outcome.FAILED, ())


def test_a_step_is_known_to_have_been_done_by_its_taking_back():
    progress = assess(PARCELS, events(("Placed", 0), ("Released", 400)))
    assert progress.steps[1].since_ms == 400, "so it was the next one's turn"


@settings(deadline=None)
@given(
    st.dictionaries(
        st.integers(1, 14),
        st.tuples(st.integers(0, 20_000), st.sampled_from(sorted(PARCELS.types)), st.integers(-5, 5)),
    )
)
def test_an_end_of_such_a_flow_once_settled_is_not_changed_either(happened):
    final = assess(PARCELS, happened)
    for until_ms in range(0, 22_000, 500):
        progress = assess(PARCELS, {event: mark for event, mark in happened.items() if mark[0] <= until_ms})
        if progress.ended_ms is not None and progress.ended_ms + SETTLE_MS <= until_ms:
            assert (progress.outcome, progress.ended_ms) == (final.outcome, final.ended_ms)
