"""What comes next in an open instance: from what is remembered, kept in the store, counted by columns."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter

import pytest

from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.model.assessment import Outcome, assess
from flowtrail_collector.sagas.model.bands import bands_of
from flowtrail_collector.sagas.model.filters import SagaFilter
from flowtrail_collector.sagas.model.forecast import NEEDED, Outlook
from flowtrail_collector.sagas.model.histories import History, history_of
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date
from flowtrail_collector.sagas.model.route import Route
from flowtrail_collector.sagas.sql.predicted import count_predicted
from flowtrail_collector.trails.sql import TrailReads
from sagakit import Happening, core

ORDERS = """\
flows:
  orders:
    starts: Placed
    steps:
      reserve: {done: Reserved, within: 10s, undone: Released}
      charge: {done: Charged, failed: Declined, within: 20s, undone: Refunded}
      ship: {done: Shipped, within: 60s}
    completes: Shipped
    cancels: Cancelled
    within: 80s
"""
FLOWS = parse_flows(ORDERS)
FLOW = FLOWS.by_name["orders"]
ROUTE = Route(FLOW)


def instance(*events: tuple[str, int], ended: Outcome | None = None) -> SagaRecord:
    marks = {number: (at, kind, 0) for number, (kind, at) in enumerate(events)}
    saga = SagaRecord("orders", "k", events=marks)
    bring_up_to_date(FLOW, saga, Counter())
    if ended is not None:
        saga.outcome, saga.ended_ms = ended, events[-1][1]
    return saga


def completed(reserve: int, charge: int, ship: int, at: int = 0) -> History:
    moments = [("Placed", at), ("Reserved", at + reserve), ("Charged", at + reserve + charge)]
    saga = instance(*moments, ("Shipped", at + reserve + charge + ship), ended=Outcome.COMPLETED)
    found = history_of(FLOW, ROUTE, saga)
    assert found is not None
    return found


def forecast(outlook: Outlook, saga: SagaRecord, now_ms: int):
    return outlook.forecast(saga, assess(FLOW, saga.events), now_ms)


STEADY = [completed(1_000, 2_000 + n, 3_000, n) for n in range(100)]


def test_remaining_steps_and_when_they_will_be_done():
    found = forecast(Outlook(FLOW, STEADY), instance(("Placed", 0), ("Reserved", 5_000)), 5_500)
    assert found.remaining == ("charge", "ship")
    assert (found.comparable, found.unknown, found.risks) == (100, None, ())
    assert found.earliest_ms == pytest.approx(10_002, abs=2)
    assert found.expected_ms == pytest.approx(10_049, abs=2)
    assert found.latest_ms == pytest.approx(10_097, abs=2)


def test_how_long_it_has_waited_rules_out_those_that_were_quicker():
    slow = [completed(1_000, 9_000 + n, 3_000) for n in range(60)]
    saga = instance(("Placed", 0), ("Reserved", 1_000))
    outlook = Outlook(FLOW, [*STEADY, *slow])
    assert forecast(outlook, saga, 1_001).comparable == 160
    late = forecast(outlook, saga, 4_000)
    assert late.comparable == 60
    assert late.earliest_ms > 13_000


@pytest.mark.parametrize("known", [0, 1, NEEDED - 1])
def test_nothing_is_predicted_from_too_few(known):
    found = forecast(Outlook(FLOW, STEADY[:known]), instance(("Placed", 0)), 10)
    assert found.latest_ms is None
    assert found.expected_ms is None
    assert f"{known} instance" in found.unknown
    assert f"{NEEDED} are needed" in found.unknown
    assert found.remaining == ("reserve", "charge", "ship")
    assert found.risks == ()


def test_longer_than_any_before_is_said_and_is_a_predicted_breach():
    saga = instance(("Placed", 0), ("Reserved", 1_000))
    found = forecast(Outlook(FLOW, STEADY), saga, 4_000)
    assert found.latest_ms is None
    assert found.unknown == "only 0 of the 100 instances known went on after such a wait"
    assert [(risk.step, risk.deadline_ms) for risk in found.risks] == [("charge", 21_000), (None, 80_000)]
    assert forecast(Outlook(FLOW, STEADY), saga, 21_000).risks[0].step is None  # that one is missed by now


def test_a_flow_s_own_time_is_predicted_to_be_over_too():
    slow = [completed(1_000, 2_000, 50_000 + n) for n in range(100)]
    quick = forecast(Outlook(FLOW, slow), instance(("Placed", 0)), 10)
    assert quick.risks == ()
    late = instance(("Placed", 0), ("Reserved", 9_000), ("Charged", 30_500))
    (risk,) = forecast(Outlook(FLOW, slow), late, 30_900).risks
    assert (risk.step, risk.deadline_ms, risk.probability) == (None, 80_000, 1)


def test_a_cancelled_instance_is_expected_to_be_undone():
    def undone(took: int) -> History:
        events = [("Placed", 0), ("Reserved", 1_000), ("Cancelled", 2_000), ("Released", 2_000 + took)]
        found = history_of(FLOW, ROUTE, instance(*events, ended=Outcome.COMPENSATED))
        assert found is not None
        return found

    saga = instance(("Placed", 0), ("Reserved", 5_000), ("Cancelled", 6_000))
    outlook = Outlook(FLOW, [undone(500 + n) for n in range(100)])
    found = forecast(outlook, saga, 6_100)
    assert found.remaining == ("reserve",)
    assert found.earliest_ms == pytest.approx(6_502, abs=2)
    assert found.latest_ms == pytest.approx(6_597, abs=2)
    assert "1 cancelled instance of its flow" in forecast(Outlook(FLOW, [undone(1)]), saga, 6_100).unknown


def test_a_history_reads_as_it_was_written():
    rng = random.Random(7)
    for _ in range(50):
        took = {name: rng.randrange(10**9) for name in ("reserve", "charge") if rng.random() < 0.8}
        history = History(
            rng.random() < 0.5, rng.randrange(10**12), took, dict(list(took.items())[:1]), {"ship": 4},
            {"charge": "voucher"} if took else {}, rng.randrange(3), rng.choice([None, 0, 8]),
        )  # fmt: skip
        assert History.read(history.completed, history.ended_ms, history.text()) == history


@pytest.mark.parametrize("seed", range(6))
def test_bands_find_the_instances_that_their_events_find(seed):
    rng = random.Random(seed)

    def span() -> int:
        return int(1_000 * rng.lognormvariate(1.5, 1.2))

    outlook = Outlook(FLOW, [completed(span(), span(), span()) for _ in range(rng.choice([39, 60, 300]))])
    wrong = looked_at = 0
    for _ in range(400):
        events, at = [("Placed", 0)], 0
        for kind in ("Reserved", "Charged")[: rng.randrange(3)]:
            at += span()
            events.append((kind, at))
        saga = instance(*events)
        now_ms = at + rng.choice([1, 10, 60]) * rng.randrange(1_200)
        if now_ms >= 80_000:
            continue
        risks = forecast(outlook, saga, now_ms).risks
        waited_ms = now_ms - saga.waiting_since_ms
        within = [
            band
            for band in bands_of(outlook, saga.waiting)
            if band.from_ms <= waited_ms and (band.to_ms is None or waited_ms < band.to_ms)
        ]
        assert len(within) <= 1
        counted = any(band.left_ms is None or 80_000 - now_ms < band.left_ms for band in within)
        if any(risk.step for risk in risks):
            assert counted
        looked_at += 1
        wrong += counted != bool(risks)
    assert wrong <= 0.05 * looked_at  # within a band, how long the rest takes is told as of its beginning


def flow_of(number: int, took: int, start: int) -> list[Happening]:
    moments = [("Placed", 0), ("Reserved", 1_000), ("Charged", 1_000 + took), ("Shipped", 4_000 + took)]
    return [Happening(kind, start + at, flow=f"f{number}", subject=f"o{number}") for kind, at in moments]


def ended_flows(made, count: int, begin_ms: int = 1_000_000) -> int:
    """Reads flows that ended, a second apart; returns when all had."""
    for number in range(count):
        made.read(flow_of(number, 2_000 + number, begin_ms + 1_000 * number))
    until_ms = begin_ms + 1_000 * count + 60_000
    made.pass_time(until_ms)
    return until_ms


def test_the_sweep_remembers_and_a_restart_forgets_nothing(tmp_path):
    with core(tmp_path, ORDERS) as made:
        now_ms = ended_flows(made, 60)
        made.read([Happening("Placed", now_ms, flow="new", subject="new")])
    with core(tmp_path, ORDERS) as made:
        made.pass_time(now_ms + 500)
        reads = TrailReads(made.database, made.flows)
        (row,) = reads.list_sagas(SagaFilter(outcome="open"))
        assert row.saga.forecast is not None
        assert row.saga.forecast.comparable == 60
        assert row.saga.forecast.earliest_ms > now_ms + 6_000
        assert reads.predicted() == {"orders": 0}
        made.pass_time(now_ms + 1_500)  # longer than any
        assert reads.predicted() == {"orders": 1}
        (again,) = reads.list_sagas(SagaFilter(predicted=True))
        assert [risk.step for risk in again.saga.forecast.risks] == ["reserve", None]
        made.pass_time(now_ms + 10_500)  # missed by now, and the flow's own time is still to come
        assert reads.list_sagas(SagaFilter(predicted=True, outcome="completed")) == []


def test_however_many_are_open_an_index_tells_who_will_be_late(tmp_path):
    with core(tmp_path, ORDERS) as made:
        now_ms = ended_flows(made, 60)
        made.read([Happening("Placed", now_ms, flow="new", subject="new")])
        made.pass_time(now_ms + 1)
        said = []
        with made.database.read() as connection:
            connection.set_trace_callback(said.append)
            bands = TrailReads(made.database, made.flows).forecasts.bands([("orders", "reserve")])
            count_predicted(connection, made.flows, bands, now_ms)
            connection.set_trace_callback(None)
            plans = [connection.execute(f"EXPLAIN QUERY PLAN {asked}").fetchall() for asked in said]
    assert len(plans) == len(bands["orders", "reserve"]) > 0
    for ((*_, plan),) in plans:
        assert (
            "USING COVERING INDEX sagas_by_outcome (outcome=? AND flow=? AND waiting=? AND waiting_since_ms"
            in plan
        )


def test_a_store_of_the_version_before_learns_from_the_instances_it_has(tmp_path):
    with core(tmp_path, ORDERS) as made:
        now_ms = ended_flows(made, 50)
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        connection.execute("DROP TABLE saga_histories")
        connection.execute("DELETE FROM schema_versions WHERE part = 'forecast'")
    connection.close()
    with core(tmp_path, ORDERS) as made:
        made.pass_time(now_ms + 1)
        assert len(made.store.histories("orders", ROUTE.shape)) == 50


def test_a_flow_of_another_shape_forgets_what_says_nothing_of_it_and_looks_again(tmp_path):
    with core(tmp_path, ORDERS) as made:
        now_ms = ended_flows(made, 50)
    changed = ORDERS.replace("done: Shipped,", "done: Shipped, after: reserve,")
    with core(tmp_path, changed) as made:
        made.pass_time(now_ms + 1)
        assert made.store.histories("orders", ROUTE.shape) == []
        shape = Route(made.flows.by_name["orders"]).shape
        found = made.store.histories("orders", shape)
        assert len(found) == 50
        assert all(history.took["ship"] == history.took["charge"] + 3_000 for history in found)
    shorter = ORDERS.replace("within: 20s", "within: 15s")
    assert Route(parse_flows(shorter).by_name["orders"]).shape == ROUTE.shape  # deadlines change no durations
