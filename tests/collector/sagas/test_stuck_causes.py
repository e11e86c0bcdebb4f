"""Why instances are stuck, by cause: counted by the store as an interpreter counts them one by one."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.causes import HOUR_MS
from flowtrail_collector.dead_letters.model.headers import DeadLetterHeaders
from flowtrail_collector.events.identity import id_hash
from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.lag.model.progress import GroupProgress
from flowtrail_collector.sagas.model.assessment import Outcome, add_event
from flowtrail_collector.sagas.model.causes import LATE, TIMED_OUT, Shape, Wait, merged
from flowtrail_collector.sagas.model.filters import SagaFilter
from flowtrail_collector.sagas.model.flows import Flow, Flows, Step
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.model.lifecycle import bring_up_to_date, settle
from flowtrail_collector.sagas.model.view import SagaRow, SagaView, saga_view
from flowtrail_collector.sagas.sql.causes import TIMED_OUT_MS, read_shapes
from flowtrail_collector.sagas.stuck import Reason, diagnose_cause
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.trails.sql import TrailReads
from redrivekit import dead

NOW_MS = 1_000 * HOUR_MS
SECOND = 1_000
SHOP = Flow(
    "shop",
    ("Placed",),
    (
        Step("reserve", ("Reserved",), ("NotReserved",), by="stock", within_ms=30 * SECOND),
        Step("charge", ("Charged",), by="billing", within_ms=60 * SECOND, after=("reserve",),
             asks=("Charge",), asked_by="orders"),
        Step("pack", ("Packed",), within_ms=40 * SECOND, after=("reserve",)),
    ),
    ("Shipped",),
    ("Cancelled",),
    within_ms=20 * HOUR_MS,
)  # fmt: skip
GIFTS = Flow("gifts", ("Placed",), (Step("wrap", ("Wrapped",), by="stock", within_ms=SECOND),), ("Shipped",))
FLOWS = Flows.of([SHOP, GIFTS])
HISTORIES = {
    "shop": [["Placed"], ["Placed", "NotReserved"], ["Placed", "Reserved"], ["Placed", "Reserved", "Charge"],
             ["Placed", "Reserved", "Charge", "Packed"], ["Placed", "Reserved", "Charge", "Charged", "Packed"],
             ["Placed", "Reserved", "Charge", "Charged", "Packed", "Shipped"], ["Reserved"]],
    "gifts": [["Placed"], ["Placed", "Wrapped"], ["Placed", "Wrapped", "Shipped"]],
}  # fmt: skip


def instance(flow: Flow, key: str, kinds: list[str], start_ms: int) -> SagaRecord:
    """An instance as the sweep leaves it behind."""
    saga = SagaRecord(flow.name, key, subject=f"order {key}")
    for place, kind in enumerate(kinds):
        at = start_ms + place * SECOND
        add_event(saga.events, id_hash(f"{key} {kind}"), (at, kind, 0))
        saga.updated_ms = max(saga.updated_ms, at)
    counts: Counter = Counter()
    bring_up_to_date(flow, saga, counts)
    settle(flow, saga, NOW_MS, counts)
    return saga


def some_letters(dice, keys):
    for number, key in enumerate(keys):
        for _ in range(dice.choice([0, 0, 1, 1, 2])):
            header = DeadLetterHeaders(
                "x", "t", group=dice.choice(["stock", "billing", "orders", "others", None]),
                error_type=dice.choice(["ValueError", "KeyError"]), error_message=f"no card for ORD-{number}",
            )  # fmt: skip
            letter = dead(number * 10 + dice.randrange(10_000) * 10_000, letter=header)
            state = dice.choice(["pending", "pending", "dismissed"])
            yield letter._replace(correlation_id=key, state=state)


def told_apart(flow, saga, letters):
    """(step, what it waits for, the dead letter's cause) of each way in which an instance is stuck."""
    pending = [letter for letter in letters if letter.state == "pending"]
    view = saga_view(flow, saga, lambda step: step.by)
    if saga.outcome is Outcome.TIMED_OUT and saga.ended_ms >= NOW_MS - TIMED_OUT_MS:
        step = next((step for step in view.steps if step.state == "open" or step.uncancelled), None)
        causes = [letter.cause for letter in pending]
        kind = Wait.NOTHING if step is None else wait_of(step)
        yield TIMED_OUT, step.name if step else "", kind, min(causes, default=None)
    for step in flow.steps if saga.outcome is Outcome.OPEN and saga.started_ms is not None else ():
        if step.name in saga.late:
            (shown,) = [each for each in view.steps if each.name == step.name]
            groups = {step.by, step.asked_by} - {None}
            causes = [letter.cause for letter in pending if not groups or letter.group in groups]
            yield LATE, step.name, wait_of(shown), min(causes, default=None)


def wait_of(step):
    if step.uncancelled:
        return Wait.CANCELLED
    return Wait.ASKED if step.asked is False else Wait.DONE


def kept(database, seed, number):
    """Instances of all kinds with their dead letters, in a store; gives both."""
    dice, sagas = random.Random(seed), []
    for place in range(number):
        flow = dice.choice([SHOP, SHOP, GIFTS])
        ago = dice.choice(
            [2 * SECOND, HOUR_MS // 4, HOUR_MS, 90 * 60 * SECOND, 3 * HOUR_MS, 21 * HOUR_MS, 60 * HOUR_MS]
        )
        start = NOW_MS - ago - dice.randrange(1_000)
        sagas.append(instance(flow, f"f{place}", dice.choice(HISTORIES[flow.name]), start))
    letters = list(
        {(x.topic, x.partition, x.offset): x for x in some_letters(dice, [s.key for s in sagas])}.values()
    )
    with store_on(database).unit() as unit:
        unit.save_sagas(sagas)
        unit.add_dead_letters(letters)
    return sagas, letters


def reads_of(database):
    reads = TrailReads(database, FLOWS)
    reads._time_seconds = lambda: NOW_MS / 1000
    return reads


@pytest.mark.slow(3)
@pytest.mark.parametrize("seed", range(4))
def test_causes_are_counted_and_listed_as_one_by_one(sql_database, seed):
    sagas, letters = kept(sql_database, seed, 300)
    of = defaultdict(list)
    for letter in letters:
        of[letter.correlation_id].append(letter)
    expected = defaultdict(set)
    for saga in sagas:
        flow = FLOWS.by_name[saga.flow]
        for state, *rest in told_apart(flow, saga, of[saga.key]):
            expected[state, saga.flow, *rest].add(saga.key)
    reads = reads_of(sql_database)
    found = reads.stuck_causes()
    assert {(row.state, row.flow, row.step, row.wait, row.letter): row.instances for row in found} == {
        name: len(keys) for name, keys in expected.items()
    }
    assert len(found) > 10
    assert len({row.cause for row in found}) == len(found)
    assert [row.last_ms for row in found] == sorted((row.last_ms for row in found), reverse=True)
    for row in found:
        keys = expected[row.state, row.flow, row.step, row.wait, row.letter]
        listed = reads.list_sagas(SagaFilter(cause=row.cause, limit=1_000))
        assert {each.correlation_id for each in listed} == keys
        assert len(listed) == row.instances
        assert row.example.correlation_id in keys
        assert {letter.cause for letter in row.example.dead_letters} == (
            {row.letter} if row.letter else set()
        )


@pytest.mark.slow
def test_since_when_and_how_many_lately(sql_database):
    late = [60, 60 * 20, 60 * 40, 60 * 50, 60 * 80, 60 * 200]  # seconds ago that each became late
    sagas = [instance(GIFTS, f"f{ago}", ["Placed"], NOW_MS - SECOND - ago * SECOND) for ago in late]
    with store_on(sql_database).unit() as unit:
        unit.save_sagas(sagas)
    (row,) = reads_of(sql_database).stuck_causes()
    assert (row.instances, row.half_hour, row.half_hour_before, row.last_hour, row.hour_before) == (
        6,
        2,
        2,
        4,
        1,
    )
    assert (row.first_ms, row.last_ms) == (NOW_MS - 200 * 60 * SECOND, NOW_MS - 60 * SECOND)
    assert row.lately_ms == NOW_MS - 20 * 60 * SECOND
    assert (row.trend, row.example.correlation_id) == ("rising", "f60")


def test_no_cause_no_instances(sql_database):
    reads = reads_of(sql_database)
    assert reads.stuck_causes() == []
    assert reads.list_sagas(SagaFilter(cause="0123456789abcdef")) == []


def test_a_cause_keeps_its_name_while_its_group_changes(sql_database):
    with store_on(sql_database).unit() as unit:
        unit.save_sagas([instance(GIFTS, "f1", ["Placed"], NOW_MS - HOUR_MS)])
    (row,) = reads_of(sql_database).stuck_causes()
    said = {
        status: diagnose_cause(row, lambda group, status=status: GroupProgress(3, 9.0, 1, status))
        for status in ("stopped", "stalled", "ok")
    }
    assert [found.reason for found in said.values()] == [Reason.STOPPED, Reason.STALLED, Reason.BEHIND]
    assert (
        said["stalled"].text
        == "wrap waits for stock, which has members but commits nothing and is 3 messages (9s) behind"
    )


def test_what_all_have_in_common_names_no_order(sql_database):
    sagas = [instance(GIFTS, f"f{n}", ["Placed"], NOW_MS - HOUR_MS) for n in range(20)]
    letters = [
        dead(n, letter=DeadLetterHeaders("x", "t", group="stock", attempts=n, error_type="ValueError",
                                         error_message=f"no paper for ORD-{n}"))._replace(correlation_id=f"f{n}")
        for n in range(20)
    ]  # fmt: skip
    with store_on(sql_database).unit() as unit:
        unit.save_sagas(sagas)
        unit.add_dead_letters(letters)
    (row,) = reads_of(sql_database).stuck_causes()
    found = diagnose_cause(row, lambda group: None)
    assert (row.instances, found.reason) == (20, Reason.DEAD_LETTER)
    assert found.text == "wrap waits for stock, which dead-lettered OrderPlaced (ValueError: no paper for *)"


SHAPES = st.lists(
    st.builds(
        Shape, st.sampled_from([LATE, TIMED_OUT]), st.sampled_from(["a", "b"]), st.sampled_from(["x", "y"]),
        st.integers(0, 3), st.none() | st.sampled_from(["", "c1"]), st.integers(1, 9), st.integers(0, 5),
        st.integers(5, 9), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.none() | st.integers(5, 9), st.text("kl", min_size=1, max_size=4),
    ),
    max_size=12, unique_by=lambda shape: shape[:5],
)  # fmt: skip


@given(SHAPES, st.randoms())
def test_shapes_in_any_order_make_the_same_causes(shapes, dice):
    examples = [(shape, SagaRow(SagaView(shape.flow, shape.key), stuck=True)) for shape in shapes]
    mixed = list(examples)
    dice.shuffle(mixed)
    found = merged(examples)
    assert merged(mixed) == found
    assert sum(row.instances for row in found) == sum(shape.instances for shape in shapes)
    assert all(row.first_ms <= row.last_ms for row in found)


def test_late_instances_are_found_by_their_index(tmp_path):
    """Whatever else is in the store, only those that missed a deadline or ended otherwise than well are looked through."""
    database = SqliteDatabase(tmp_path / "store.sqlite")
    asked = []

    class Watched:
        def execute(self, statement, values=()):
            asked.append((statement, values))
            return connection.execute(statement, values)

    with database.read() as connection:
        read_shapes(Watched(), FLOWS, lambda step: step.by, NOW_MS)
        plans = [
            [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]
            for text, values in asked
        ]
    database.close()
    late, timed_out = plans
    assert any("sagas USING INDEX sagas_breached" in line for line in late), late
    assert any("sagas_ended_badly (ended_ms>?" in line for line in timed_out), timed_out
    assert any("dead_letters_by_correlation (correlation_id=?" in line for line in late), late
