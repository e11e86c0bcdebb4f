"""What is counted in the end doesn't depend on how the events came in; every outcome, step by step."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.model.assessment import SETTLE_MS
from sagakit import ORDERS, Core, Happening, core

OTHERS = """\
  mail:
    starts: OrderPlaced
    steps:
      pick: {done: StockReserved, within: 2s}
      pay: {done: PaymentCompleted, failed: PaymentFailed, after: start, undone: PaymentRefunded, within: 4s}
      wrap: {done: Wrapped, optional: true, within: 1s}
    completes: [OrderShipped, OrderPickedUp]
    within: 12s
  parcels:
    starts: OrderPlaced
    steps:
      reserve: {done: StockReserved, failed: StockReservationFailed, within: 2s, undone: StockReleased}
      courier: {done: ParcelShipped, failed: ParcelLost, undone: ParcelReturned, times: 2, within: 5s}
      locker: {done: ParcelStored, failed: LockerFull, instead_of: courier, within: 3s}
      survey: {done: Surveyed, optional: true, after: courier, within: 1s}
      invoice: {done: Invoiced, failed: InvoiceFailed, after: [locker, survey], within: 2s}
    completes: Invoiced
    cancels: OrderCancelled
    correlate: subject
    within: 14s
  claim:
    starts: Filed
    steps:
      check: {done: Checked, failed: Incomplete, undone: CheckWithdrawn, within: 2s}
      approve: {done: Approved, failed: Rejected, again_after: Resubmitted, within: 3s}
      reserve: {done: Reserved, failed: NoFunds, undone: Freed, within: 2s}
      pay: {done: Paid, times: 2, undone: PaidBack, within: 2s}
    completes: Closed
    cancels: Withdrawn
    within: 18s
"""
FLOWS = parse_flows(ORDERS + OTHERS)
END_MS = 100_000


def happenings(types):
    return st.lists(
        st.builds(
            Happening,
            type=st.sampled_from(sorted(types)),
            at_ms=st.integers(1, 20_000),
            id=st.sampled_from([f"e{n}" for n in range(12)]),
            flow=st.sampled_from(["f1", "f2"]),
            subject=st.sampled_from(["order-1", "order-2", None]),
        ),
        max_size=16,
    )


HAPPENINGS = st.one_of(
    happenings(FLOWS.by_name["orders"].types | FLOWS.by_name["mail"].types),
    happenings(FLOWS.by_name["parcels"].types),
    happenings(FLOWS.by_name["claim"].types),
)
QUICK, THOROUGH = (
    settings(
        max_examples=count,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    for count in (10, 300)
)
ORDER_SENSITIVE = "out_of_order_events"  # says by its name in which order they were read


def counted(made: Core):
    found = {key: value for key, value in made.counters().items() if key[0] != ORDER_SENSITIVE}
    return found, made.kinds()


def in_one_go(folder, happened):
    with core(folder, FLOWS, "one.sqlite") as made:
        made.read(sorted(happened, key=lambda item: item.at_ms))
        made.pass_time(END_MS)
        return counted(made)


def check_any_order(happened, data):
    repeated = happened + (data.draw(st.lists(st.sampled_from(happened), max_size=6)) if happened else [])
    shuffled = data.draw(st.permutations(repeated))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = in_one_go(folder, repeated)
        with core(folder, FLOWS) as made:
            for begin, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True):
                made.read(shuffled[begin:end], until_ms=0)
            made.pass_time(END_MS)
            assert counted(made) == expected


def check_any_pace(partitions, data):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = in_one_go(folder, [item for items in partitions for item in items])
        with core(folder, FLOWS) as made:
            left = [sorted(items, key=lambda item: item.at_ms) for items in partitions]
            for number in range(len(left)):
                made.read([], number, until_ms=0)
            while any(left):
                number = data.draw(st.sampled_from([n for n, items in enumerate(left) if items]))
                size = data.draw(st.integers(1, 5))
                made.read(left[number][:size], number)
                del left[number][:size]
                if not left[number]:
                    made.read([], number, until_ms=END_MS)
                if data.draw(st.booleans()):
                    made.sweeper.sweep()
            made.pass_time(END_MS)
            assert counted(made) == expected


PARTITIONS = st.lists(HAPPENINGS, min_size=2, max_size=3)


@pytest.mark.slow
@QUICK
@given(HAPPENINGS, st.data())
def test_any_order_and_portions_count_the_same(happened, data):
    check_any_order(happened, data)


@pytest.mark.slow
@QUICK
@given(PARTITIONS, st.data())
def test_partitions_read_at_any_pace_with_sweeps_in_between_count_the_same(partitions, data):
    check_any_pace(partitions, data)


@pytest.mark.slow(30)
@THOROUGH
@given(HAPPENINGS, st.data())
def test_any_order_and_portions_thoroughly(happened, data):
    check_any_order(happened, data)


@pytest.mark.slow(30)
@THOROUGH
@given(PARTITIONS, st.data())
def test_any_pace_thoroughly(partitions, data):
    check_any_pace(partitions, data)


def story(*happened, flow="f1"):
    return [Happening(kind, at_ms, flow=flow) for kind, at_ms in happened]


PAID = [("OrderPlaced", 1_000), ("StockReserved", 2_000), ("PaymentCompleted", 3_000)]


def run(folder, *batches, until_ms=END_MS):
    with core(folder) as made:
        for batch in batches:
            made.read(batch)
            made.pass_time(max(item.at_ms for item in batch) + 2_500)
        made.pass_time(until_ms)
        return made.counters(), made.kinds()


def test_completed_with_durations(tmp_path):
    counters, kinds = run(tmp_path, story(*PAID, ("OrderShipped", 4_500)))
    assert kinds == {}
    assert counters["started", "orders"] == counters["ended", "orders", "completed"] == 1
    assert counters["duration_seconds_sum", "orders", "completed"] == 3.5
    assert counters["duration_seconds_bucket", "orders", "completed", "5"] == 1
    assert counters["step_duration_seconds_sum", "orders", "ship"] == 1.5
    assert not [key for key in counters if key[0] == "deadline_breaches"]


def test_compensated(tmp_path):
    cancelled = [("PaymentFailed", 3_000), ("OrderCancelled", 3_100)]
    counters, kinds = run(tmp_path, story(*PAID[:2], *cancelled), story(("StockReleased", 9_000)))
    assert counters["ended", "orders", "compensated"] == 1
    assert counters["duration_seconds_sum", "orders", "compensated"] == 8
    assert kinds == {}


def test_uncompensated_until_it_is_undone(tmp_path):
    with core(tmp_path) as made:
        made.read(story(*PAID[:2], ("OrderCancelled", 2_500)))
        made.pass_time(8_000)
        assert made.kinds() == {"open": 1, "uncompensated": 1}
        made.pass_time(END_MS)
        assert made.ended() == {"timed_out": 1}
        assert made.counters()["incomplete_compensations", "orders"] == 1
        assert made.kinds() == {}


def test_failed(tmp_path):
    counters, _ = run(tmp_path, story(PAID[0], ("StockReservationFailed", 2_000), ("OrderCancelled", 2_100)))
    assert counters["ended", "orders", "failed"] == 1


def test_timed_out_then_completed_late(tmp_path):
    with core(tmp_path) as made:
        made.read(story(*PAID))
        made.pass_time(16_500)
        assert made.ended() == {}, "the watermark has not passed what clocks may disagree by"
        made.pass_time(17_500)
        assert made.ended() == {"timed_out": 1}
        made.read(story(("OrderShipped", 20_000)))
        made.pass_time(END_MS)
        counters = made.counters()
        assert made.ended() == {"timed_out": 1}
        assert counters["late_completions", "orders"] == counters["late_events", "orders"] == 1


def test_completed_late_but_read_before_anybody_looked(tmp_path):
    counters, _ = run(tmp_path, story(*PAID, ("OrderShipped", 20_000)))
    assert counters["ended", "orders", "timed_out"] == counters["late_completions", "orders"] == 1


def test_conflict(tmp_path):
    counters, _ = run(tmp_path, story(*PAID, ("OrderShipped", 4_000), ("OrderCancelled", 4_200)))
    assert counters["conflicts", "orders"] == counters["ended", "orders", "completed"] == 1
    assert counters["late_events", "orders"] == 1


def test_partial_instances_are_counted_apart_until_their_start_shows(tmp_path):
    with core(tmp_path) as made:
        made.read(story(*PAID[1:]))
        made.pass_time(5_000)
        assert made.kinds() == {"partial": 1}
        assert ("started", "orders") not in made.counters()
        made.read(story(PAID[0]))
        assert made.kinds() == {"open": 1}
        assert made.counters()["started", "orders"] == 1


def test_a_missed_deadline_is_a_breach_and_not_an_end(tmp_path):
    with core(tmp_path) as made:
        made.read(story(*PAID[:2]))
        made.pass_time(8_900)
        assert made.kinds() == {"open": 1}, "due at 8 s, and clocks may disagree by a second"
        made.pass_time(9_100)
        assert made.kinds() == {"open": 1, "stuck": 1}
        assert made.counters()["deadline_breaches", "orders", "charge"] == 1
        made.pass_time(11_000)
        assert made.counters()["deadline_breaches", "orders", "charge"] == 1
        made.read(story(("PaymentCompleted", 12_000), ("OrderShipped", 12_500)))
        made.pass_time(END_MS)
        assert made.ended() == {"completed": 1}


def test_a_deadline_missed_while_nobody_looked_is_counted_all_the_same(tmp_path):
    counters, _ = run(tmp_path, story(*PAID[:2], ("PaymentCompleted", 9_000), ("OrderShipped", 9_500)))
    assert counters["deadline_breaches", "orders", "charge"] == 1
    assert counters["ended", "orders", "completed"] == 1


def test_nothing_is_missed_after_a_cancellation(tmp_path):
    counters, _ = run(tmp_path, story(*PAID[:2], ("OrderCancelled", 3_000), ("StockReleased", 14_000)))
    assert not [key for key in counters if key[0] == "deadline_breaches"]


def test_being_behind_is_not_being_stuck(tmp_path):
    """A day passes on the clock, but one partition hasn't been read."""
    with core(tmp_path) as made:
        made.read([], partition=1, until_ms=5_000)
        made.read(story(*PAID[:2]), until_ms=86_400_000)
        made.sweeper.sweep()
        assert made.kinds() == {"open": 1}
        made.read(story(("PaymentCompleted", 4_000), ("OrderShipped", 4_900)), partition=1)
        made.pass_time(86_400_000)
        assert made.ended() == {"completed": 1}


def test_duplicates_are_counted_and_change_nothing(tmp_path):
    once = story(*PAID, ("OrderShipped", 4_000))
    counters, _ = run(tmp_path, once, once, once)
    assert counters["duplicate_events", "orders"] == 8
    assert counters["started", "orders"] == counters["ended", "orders", "completed"] == 1
    assert ("late_events", "orders") not in counters


def test_the_same_id_from_two_sources_is_two_events(tmp_path):
    with core(tmp_path) as made:
        made.read(
            [Happening("OrderPlaced", 1_000, "1"), Happening("StockReserved", 2_000, "1", source="/stock")]
        )
        assert ("duplicate_events", "orders") not in made.counters()


def test_the_same_id_with_another_type_is_two_events(tmp_path):
    with core(tmp_path) as made:
        made.read([Happening("OrderPlaced", 1_000, "1"), Happening("OrderCancelled", 900, "1")])
        assert made.kinds() == {"open": 1}
        assert ("duplicate_events", "orders") not in made.counters()


def test_an_effect_read_before_its_cause_is_out_of_order(tmp_path):
    with core(tmp_path) as made:
        made.read([Happening("StockReserved", 2_000, "2", cause="1")])
        made.read([Happening("OrderPlaced", 1_000, "1")])
        assert made.counters()["out_of_order_events", "orders"] == 1


def test_one_event_moves_every_flow_that_names_it(tmp_path):
    with core(tmp_path, FLOWS) as made:
        made.read(story(*PAID, ("OrderShipped", 4_000)))
        made.pass_time(END_MS)
        counters = made.counters()
        assert counters["ended", "orders", "completed"] == counters["ended", "mail", "completed"] == 1


def test_a_flow_that_left_the_file_holds_nothing_up(tmp_path):
    with core(tmp_path) as made:
        made.read(story(*PAID))
    with core(tmp_path, "flows: {other: {starts: A, completes: B}}") as made:
        made.pass_time(END_MS)
        made.read([Happening("A", 5, flow="x"), Happening("B", 6, flow="x")])
        made.pass_time(END_MS + 5_000)
        assert made.ended() == {"completed": 1}


def test_timestamps_from_the_future_count_as_now(tmp_path):
    with core(tmp_path) as made:
        made.read(story(("OrderPlaced", made.now_ms + 86_400_000)), until_ms=made.now_ms)
        (record,) = made.store.saga_figures().open_steps
        assert record == ("orders", "reserve", 1, made.now_ms)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 400, 1_500])
def test_more_instances_than_one_statement_or_sweep_takes(tmp_path, size):
    with core(tmp_path) as made:
        made.read([Happening("OrderPlaced", 1_000, flow=f"f{n}") for n in range(size)])
        made.read([Happening("OrderShipped", 2_000, flow=f"f{n}") for n in range(size)])
        made.pass_time(END_MS)
        assert made.ended() == {"completed": size}


@pytest.mark.parametrize("every_ms", [250, 1_000, 5_000])
def test_a_stuck_order_is_found_by_the_second_sweep_behind_its_deadline(tmp_path, every_ms):
    """Clocks may disagree by a second: the sweep that comes within it waits for the next."""
    with core(tmp_path) as made:
        made.read(story(("OrderPlaced", 1_000), ("StockReserved", 2_000)))
        deadline_ms, sweeps, now_ms = 2_000 + 6_000, 0, 2_000
        while "stuck" not in made.kinds():
            now_ms += every_ms
            made.pass_time(now_ms)
            # Sweeps within the second that is left for clocks to disagree can't know.
            sweeps += now_ms > deadline_ms + SETTLE_MS
            assert sweeps <= 2
        assert now_ms > deadline_ms
        assert [tuple(item) for item in made.store.saga_figures().late_steps] == [("orders", "charge", 1)]


def test_a_failed_step_whose_cancellation_does_not_follow_is_stuck_at_it(tmp_path):
    with core(tmp_path) as made:
        made.read(story(("OrderPlaced", 1_000), ("StockReserved", 2_000), ("PaymentFailed", 3_000)))
        made.pass_time(3_000 + 6_000)
        assert made.kinds() == {"open": 1}
        made.pass_time(3_000 + 6_000 + SETTLE_MS + 2)
        assert made.kinds() == {"open": 1, "stuck": 1}
        assert [tuple(item) for item in made.store.saga_figures().late_steps] == [("orders", "charge", 1)]
        made.read(story(("OrderCancelled", 11_000), ("StockReleased", 11_500)))
        made.pass_time(END_MS)
        assert made.kinds() == {}
        assert made.ended() == {"compensated": 1}


def test_a_flow_by_subject_is_one_instance_over_several_correlations(tmp_path):
    returns = """\
flows:
  returns:
    starts: ReturnRequested
    steps:
      refund: {done: Refunded, within: 5s}
    completes: Refunded
    correlate: subject
"""
    with core(tmp_path, returns) as made:
        made.read(
            [
                Happening("ReturnRequested", 1_000, flow="web-1", subject="order-7"),
                Happening("Refunded", 2_000, flow="bank-9", subject="order-7"),
                Happening("Refunded", 2_000, flow="bank-9", id="other", subject=None),
            ]
        )
        made.pass_time(END_MS)
        assert made.ended() == {"completed": 1}
        assert made.kinds() == {}


CLAIM = """\
flows:
  claim:
    starts: Filed
    steps:
      approve: {done: Approved, failed: Rejected, within: 3s, again_after: Resubmitted}
    completes: Closed
    cancels: Withdrawn
"""


@pytest.mark.parametrize("sweeping", [True, False])
def test_each_round_has_its_own_deadline_and_is_counted_once(tmp_path, sweeping):
    with core(tmp_path, CLAIM) as made:

        def then(until_ms, **kinds):
            if sweeping:
                made.pass_time(until_ms)
                made.pass_time(until_ms + 1)
                assert made.kinds() == {"open": 1, **kinds}

        made.read(story(("Filed", 1_000)))
        then(5_500, stuck=1)
        made.read(story(("Rejected", 6_000)))
        then(7_500)
        made.read([Happening("Resubmitted", 8_000, "again")])
        then(11_500)
        then(12_500, stuck=1)
        made.read([Happening("Resubmitted", 13_000, "once more")])
        then(15_500)
        made.read(story(("Approved", 15_900), ("Closed", 17_000)))
        made.pass_time(END_MS)
        assert made.counters()["deadline_breaches", "claim", "approve"] == 2
        assert made.ended() == {"completed": 1}


def test_a_cancellation_that_does_not_follow_is_no_missed_deadline_of_the_step(tmp_path):
    with core(tmp_path, CLAIM) as made:
        made.read(story(("Filed", 1_000), ("Rejected", 2_000)))
        made.pass_time(7_000)
        assert made.kinds() == {"open": 1, "stuck": 1}
        made.read(story(("Resubmitted", 8_000)))
        assert made.kinds() == {"open": 1}
        made.read(story(("Approved", 10_000), ("Closed", 10_500)))
        made.pass_time(END_MS)
        assert ("deadline_breaches", "claim", "approve") not in made.counters()
