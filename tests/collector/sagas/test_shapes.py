"""Open instances looked at many at once stand as those that are settled one by one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail_collector.sagas.model.flows import Flow, Step
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date, settle
from flowtrail_collector.sagas.model.shapes import OpenSaga, Shapes, Standing
from flowtrail_collector.sagas.sql.glances import glance_of
from flowtrail_collector.sagas.sql.rows import NAMES, to_row
from sagakit.histories import flows_and_histories, marks, model_of, write_flow

COLUMNS = [1, 3, 4, 7, 8, 9, 10, 11, 12]


def glance(saga):
    row = to_row(saga)
    return glance_of([row[place] for place in COLUMNS])


def standing_of(saga):
    return Standing(
        saga.started_ms, saga.waiting, saga.waiting_since_ms, saga.next_deadline_ms, saga.breached
    )


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(flows_and_histories(most=6), st.composite(write_flow)(), st.integers(0, 20), st.integers(0, 20))
def test_at_a_glance_as_looked_at_closely(made, other, before, now):
    """Under another file until then, so that deadlines may have been missed and counted already."""
    flow, saga, counts = model_of(made[0]), SagaRecord("f", "k", events=marks(made[1])), Counter()
    for model, until_ms in ((model_of(other), 1_000 * before), (flow, None)):
        bring_up_to_date(model, saga, Counter())
        if until_ms is not None:
            settle(model, saga, until_ms, Counter())
    now_ms = 1_000 * max(before, now)
    found = Shapes(flow).of(glance(saga), now_ms)
    if found is None:
        return
    standing, missed = found
    saga.breached = glance(saga).standing.breached
    settle(flow, saga, now_ms, counts)
    assert (saga.outcome.value, standing) == ("open", standing_of(saga))
    assert counts == Counter({("saga_deadline_breaches", ("f", step)): 1 for step in missed})


ORDERS = Flow(
    "orders",
    ("Placed",),
    (
        Step("pay", ("Paid",), failed=("Declined",), undone=("Refunded",), within_ms=10_000),
        Step("ship", ("Shipped",), within_ms=20_000, after=("pay",)),
    ),
    ("Delivered",),
    ("Cancelled",),
    within_ms=60_000,
)


@pytest.mark.parametrize(
    ("events", "at_a_glance"),
    [
        ([(0, "Placed")], True),
        ([(0, "Placed"), (5, "Paid")], True),
        ([(5, "Paid"), (0, "Placed")], True),
        ([(0, "Placed"), (15, "Paid")], True),
        ([(5, "Paid")], True),
        ([(0, "Placed"), (0, "Paid")], False),
        ([(0, "Placed"), (5, "Declined")], False),
        ([(0, "Placed"), (5, "Paid"), (9, "Refunded")], False),
        ([(0, "Placed"), (5, "Delivered")], False),
        ([(0, "Placed"), (39.5, "Paid")], False),
        ([], False),
    ],
)
def test_the_ordinary_ones_take_no_closer_look(events, at_a_glance):
    """Forty seconds after the start: those are most of a store's, so the test above has something to compare."""
    saga = SagaRecord("orders", "k", events=marks([(int(1_000 * at), kind) for at, kind in events]))
    bring_up_to_date(ORDERS, saga, Counter())
    assert (Shapes(ORDERS).of(glance(saga), 40_000) is not None) is at_a_glance


def test_what_is_not_quiet_takes_a_closer_look():
    saga = SagaRecord("orders", "k", events=marks([(0, "Placed")]))
    bring_up_to_date(ORDERS, saga, Counter())
    for changed in ({"conflict": True}, {"not_undone": True}, {"breached": ("pay!0",)}, {"started_ms": 5}):
        assert Shapes(ORDERS).of(glance(replace(saga, **changed)), 40_000) is None


def test_a_glance_has_the_columns_it_names():
    assert [NAMES[place] for place in COLUMNS] == [
        "key", "outcome", "started_ms", "waiting", "waiting_since_ms", "next_deadline_ms", "breached", "flags",
        "events"]  # fmt: skip
    assert isinstance(glance(SagaRecord("f", "k")), OpenSaga)
