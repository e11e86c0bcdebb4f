"""Open instances looked at many at once stand as those that are settled one by one."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date, settle
from flowtrail_collector.sagas.model.shapes import OpenSagas
from flowtrail_collector.sagas.sql.glances import GLANCES
from sagakit.histories import changed_flow, flows_and_histories, marks, model_of
from sagakit.playing import GLANCED, glances, looked_at, stand
from sagakit.simple import ORDERS


def standing_of(saga):
    return (saga.started_ms, saga.waiting, saga.waiting_since_ms, saga.next_deadline_ms, saga.breached)


def told(flow, sagas, now_ms):
    """How many a glance tells of; those stand as a closer look says."""
    looked = looked_at(flow, sagas, now_ms)
    counts = Counter()
    for saga in sagas:
        if saga.row_key not in looked.closer:
            glanced = replace(saga)
            stand(glanced, looked)
            assert settle(flow, saga, now_ms, counts) == []
            assert (saga.outcome.value, standing_of(glanced)) == ("open", standing_of(saga))
    breaches = {("saga_deadline_breaches", (flow.name, step)): n for step, n in looked.missed.items()}
    assert counts == Counter(breaches)
    return len(sagas) - len(looked.closer)


@pytest.mark.slow(3)
@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(st.data(), flows_and_histories(most=4), st.integers(0, 20), st.integers(0, 20))
def test_at_a_glance_as_looked_at_closely(data, made, before, now):
    """Under another file until then, so that deadlines may have been missed and counted already."""
    flow, history = made
    other = model_of(changed_flow(data.draw, flow, st))
    histories = [history, *data.draw(st.lists(st.permutations(history), max_size=3))]
    sagas = []
    for number, kinds in enumerate(histories):
        # The same types in another order, and a few moments later.
        moved = [was._replace(at=item.at + number) for was, item in zip(kinds, history, strict=True)]
        saga = SagaRecord("f", f"k{number}", events=marks(moved))
        bring_up_to_date(other, saga, Counter())
        settle(other, saga, 1_000 * before, Counter())
        sagas.append(saga)
    told(model_of(flow), sagas, 1_000 * max(before, now))


@pytest.mark.parametrize("seed", range(20))
def test_limits_that_change_again_and_again(seed):
    """Nothing but limits changes, and nothing fails, so that most are told at a glance."""
    chance, at_a_glance = random.Random(seed), 0
    for _ in range(50):
        saga, moment = SagaRecord("f", "k"), 0
        for number, kind in enumerate(["Start", "D0", "D1", "D2"][: chance.randint(1, 4)]):
            moment += chance.choice([400, 2_000, 5_000])
            saga.events[number] = (moment, kind, 0)
        now_ms = moment
        for _ in range(4):
            now_ms += chance.choice([0, 1_500, 4_000])
            limits = [f"{chance.choice([1, 3, 6, 9])}s" for _ in range(3)]
            steps = {f"s{n}": {"done": [f"D{n}"], "within": limit} for n, limit in enumerate(limits)}
            flow = model_of({"starts": ["Start"], "steps": steps, "completes": ["End"], "within": "40s"})
            bring_up_to_date(flow, saga, Counter())
            at_a_glance += told(flow, [saga], now_ms)
            settle(flow, saga, now_ms, Counter())
    assert at_a_glance > 50


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
    assert bool(looked_at(ORDERS, [saga], 40_000).closer) is not at_a_glance


def test_what_is_not_quiet_takes_a_closer_look():
    saga = SagaRecord("orders", "k", events=marks([(0, "Placed")]))
    bring_up_to_date(ORDERS, saga, Counter())
    for changed in ({"conflict": True}, {"not_undone": True}, {"breached": ("pay!0",)}, {"started_ms": 5}):
        assert looked_at(ORDERS, [replace(saga, **changed)], 40_000).closer == ["k"]


def test_a_glance_has_the_columns_it_names():
    assert GLANCES.startswith(f"SELECT {', '.join(GLANCED)}\n FROM")
    (found,) = glances([SagaRecord("f", "k"), SagaRecord("f", "l")])
    assert isinstance(found, OpenSagas)
    assert found.keys == ("k", "l")
