"""Instances that simply completed, settled many at once, end as those that are settled one by one."""

from __future__ import annotations

import random
from collections import Counter
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.completed import Completions
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date, settle
from sagakit.histories import changed_flow, flows_and_histories, marks, model_of
from sagakit.simple import ORDERS, SIMPLE, nearly_simple


def compared(flow, sagas, now_ms):
    """How many were settled at once; all end as those that are settled one by one, and count the same."""
    closely, counted, counts = deepcopy(sagas), Counter(), Counter()
    before = {saga.key: deepcopy(saga) for saga in sagas}
    done, left = Completions(Flows.of([flow])).settle(sagas, now_ms, counts)
    assert [saga.key for saga in sagas] == sorted(saga.key for saga in done + left)
    assert left == [before[saga.key] for saga in left]
    for saga in left:
        settle(flow, saga, now_ms, counts)
    for saga in closely:
        settle(flow, saga, now_ms, counted)
    assert sagas == closely
    # Of sums of seconds the last digit depends on the order.
    assert +counts == {key: pytest.approx(value) for key, value in (+counted).items()}
    return len(done)


def instance(flow, number, events, *settled_ms):
    saga = SagaRecord(flow.name, f"k{number:03}", events=events)
    bring_up_to_date(flow, saga, Counter())
    for now_ms in settled_ms:
        settle(flow, saga, now_ms, Counter())
    return saga


@pytest.mark.slow(3)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), flows_and_histories(most=6), st.integers(0, 20), st.integers(0, 20))
def test_whatever_happened_at_once_is_as_one_by_one(data, made, before, now):
    """Under another file until then, so that something may have been missed or counted already."""
    flow, history = made
    other = model_of(changed_flow(data.draw, flow, st))
    histories = [history, *data.draw(st.lists(st.permutations(history), max_size=2))]
    sagas = [
        instance(other, number, marks(events), 1_000 * before) for number, events in enumerate(histories)
    ]
    compared(model_of(flow), sagas, 1_000 * max(before, now))


@pytest.mark.parametrize("seed", range(20))
def test_nearly_simple_ones(seed):
    """Limits that are kept and missed, under the same file all the time."""
    chance, at_once = random.Random(seed), 0
    for _ in range(20):
        flow, histories = nearly_simple(chance)
        sagas = [
            instance(flow, number, events, *chance.choice([(), (), (1_500,)]))
            for number, events in enumerate(histories)
        ]
        at_once += compared(flow, sagas, chance.choice([2_000, 4_000, 40_000]))
    assert at_once > 40


@pytest.mark.parametrize(
    ("events", "at_once"),
    [
        (SIMPLE, True),
        (SIMPLE[::-1], True),
        (SIMPLE[:2] + SIMPLE[3:], True),
        ([*SIMPLE, (3, "Noticed")], True),
        ([(0, "Placed"), (11, "Paid"), (12, "Delivered")], False),  # too late
        ([(0, "Placed"), (11, "Delivered")], False),  # never, and too late
        ([*SIMPLE, (12, "Noticed")], False),  # behind the end
        ([*SIMPLE, (3, "Placed")], False),
        ([*SIMPLE, (3, "Declined")], False),
        ([*SIMPLE, (8, "Refunded")], False),
        ([*SIMPLE, (8, "Cancelled")], False),
        ([(0, "Placed"), (5, "Paid"), (5, "Shipped"), (9, "Delivered")], True),
        ([(0, kind) for _, kind in SIMPLE], True),
        (SIMPLE[:3], False),
        (SIMPLE[1:], False),
        ([(0, "Placed"), (61, "Delivered")], False),
        ([(0, "Placed"), (99.5, "Delivered")], False),  # something earlier may still be read
    ],
)
def test_the_ordinary_ones_are_settled_at_once(events, at_once):
    """Those are most of a store's, so the tests above have something to compare."""
    made = instance(ORDERS, 0, marks([(int(1_000 * at), kind) for at, kind in events]))
    assert compared(ORDERS, [made], 100_000) == at_once


@pytest.mark.parametrize(
    "known",
    [{"conflict": True}, {"not_undone": True}, {"completed_late": True}, {"breached": ("pay#0",)},
     {"repeated_starts": 1}, {"late_events": 1}, {"started_ms": None}, {"outcome": Outcome.COMPLETED},
     {"outcome": Outcome.RETIRED}],
    ids=str,
)  # fmt: skip
def test_one_of_which_more_is_known_is_not(known):
    made = instance(ORDERS, 0, marks([(1_000 * at, kind) for at, kind in SIMPLE]))
    assert Completions(Flows.of([ORDERS])).settle([replace(made, **known)], 100_000, Counter())[0] == []


def test_one_that_a_parent_waits_for_is_not():
    flows = parse_flows("""\
flows:
  order: {starts: Placed, completes: Billed, steps: {ship: {children: {flow: shipment, parent: correlation}}}}
  shipment: {starts: Handed, completes: Delivered, steps: {carry: {done: Delivered}}}
  invoice: {starts: Handed, completes: Delivered, steps: {carry: {done: Delivered}}}
""")
    made = [
        instance(flow, 0, marks([(0, "Handed"), (1, "Delivered")]))
        for flow in flows.by_name.values()
        if flow.name != "order"
    ]
    done, left = Completions(flows).settle(made, 100_000, Counter())
    assert ([saga.flow for saga in done], [saga.flow for saga in left]) == (["invoice"], ["shipment"])
