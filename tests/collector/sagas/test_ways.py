"""Simple instances stand as those that are judged one by one, after whichever of their events."""

from __future__ import annotations

import random
from collections import Counter
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date, settle
from flowtrail_collector.sagas.model.ways import Ways
from sagakit.histories import changed_flow, flows_and_histories, marks, model_of
from sagakit.simple import ORDERS, SIMPLE, nearly_simple


def is_simple(flow, ways, saga):
    """Whether an instance is; it stands as it does when it is judged closely, or as before."""
    before, closely, counted, counts = deepcopy(saga), deepcopy(saga), Counter(), Counter()
    simple = ways.bring_up_to_date(saga, counts)
    if simple:
        bring_up_to_date(flow, closely, counted)
        assert (saga, counts) == (closely, counted)
    else:
        assert (saga, counts) == (before, Counter())
    return simple


@pytest.mark.slow(3)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), flows_and_histories(most=6), st.integers(0, 20), st.integers(0, 6))
def test_whatever_happened_they_stand_alike(data, made, before, known):
    """Some events were there under another file, which may have missed or counted something already."""
    flow, history = model_of(made[0]), marks(made[1])
    other = model_of(changed_flow(data.draw, made[0], st))
    saga = SagaRecord(flow.name, "k", events=dict(list(history.items())[:known]))
    if known and history:
        bring_up_to_date(other, saga, Counter())
        settle(other, saga, 1_000 * before, Counter())
    saga.events.update(history)
    is_simple(flow, Ways(flow), saga)


@pytest.mark.parametrize("seed", range(20))
def test_nearly_simple_ones_after_each_event(seed):
    chance, simple = random.Random(seed), 0
    for _ in range(20):
        flow, histories = nearly_simple(chance)
        ways = Ways(flow)
        for history in histories:
            saga = SagaRecord(flow.name, "k")
            for unique, mark in history.items():
                saga.events[unique] = mark
                simple += is_simple(flow, ways, deepcopy(saga))
                bring_up_to_date(flow, saga, Counter())
    assert simple > 400


@pytest.mark.parametrize(
    ("events", "simple"),
    [
        *((SIMPLE[:count], True) for count in range(1, 5)),
        *((SIMPLE[count:], True) for count in range(1, 4)),
        (SIMPLE[::-1], True),
        ([*SIMPLE, (12, "Noticed")], True),
        ([(0, "Placed"), (5, "Paid"), (5, "Shipped")], True),
        ([(0, "Placed"), (11, "Paid")], False),  # too late
        ([*SIMPLE, (3, "Placed")], False),
        ([(0, "Placed"), (3, "Declined")], False),
        ([*SIMPLE, (8, "Refunded")], False),
        ([*SIMPLE, (8, "Cancelled")], False),
        ([], False),
    ],
)
def test_the_ordinary_ones_are_simple(events, simple):
    """Those are most of a store's, so the tests above have something to compare."""
    made = SagaRecord("orders", "k", events=marks([(1_000 * at, kind) for at, kind in events]))
    assert is_simple(ORDERS, Ways(ORDERS), made) == simple


@pytest.mark.parametrize(
    "known",
    [{"conflict": True}, {"not_undone": True}, {"completed_late": True}, {"breached": ("pay#0",)},
     {"repeated_starts": 1}, {"late_events": 1}, {"outcome": Outcome.COMPLETED}, {"outcome": Outcome.RETIRED}],
    ids=str,
)  # fmt: skip
def test_one_of_which_more_is_known_is_not(known):
    made = SagaRecord("orders", "k", events=marks([(1_000 * at, kind) for at, kind in SIMPLE]), started_ms=0)
    assert not is_simple(ORDERS, Ways(ORDERS), replace(made, **known))


def test_a_start_by_other_rules_is_looked_at_closely():
    made = SagaRecord("orders", "k", events=marks([(1_000, "Paid")]), started_ms=1_000)
    assert not is_simple(ORDERS, Ways(ORDERS), made)


def test_made_up_types_are_bounded(monkeypatch):
    monkeypatch.setattr("flowtrail_collector.sagas.model.ways._MAX_WAYS", 3)
    ways = Ways(ORDERS)
    for number in range(10):
        made = SagaRecord("orders", "k", events=marks([(0, "Placed"), (1_000, f"T{number}")]))
        assert is_simple(ORDERS, ways, made)
    assert len(ways._known) == 3
