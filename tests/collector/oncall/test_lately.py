"""What the store knows of the last half hours, counted as one by one; and what is told of it."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import pytest

from flowtrail_collector.conditions import Condition
from flowtrail_collector.dead_letters.model.headers import DeadLetterHeaders
from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.lag.model.progress import GroupProgress
from flowtrail_collector.oncall.model import SPAN_MS, Kind
from flowtrail_collector.oncall.service import OnCall
from flowtrail_collector.oncall.watch import Watch
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.flows import Flow, Flows, Step
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.trails.sql import TrailReads
from redrivekit import dead

NOW_MS = 1_000 * SPAN_MS
STEPS = (
    Step("x", ("X",), by="g1", within_ms=1_000),
    Step("y", ("Y",), by="g2", within_ms=1_000),
    Step("z", ("Z",), by="g1"),
)
FLOWS = Flows.of([Flow(name, ("Placed",), STEPS, ("Done",)) for name in ("a", "b")])


def moment(dice):
    """More or less than one or two spans ago, to the millisecond at the edges."""
    return NOW_MS - dice.choice([0, 1, SPAN_MS, SPAN_MS + 1, 2 * SPAN_MS, 2 * SPAN_MS + 1, 5 * SPAN_MS])


@pytest.fixture
def reads(sql_database):
    reads = TrailReads(sql_database, FLOWS)
    reads._time_seconds = lambda: NOW_MS / 1000
    return reads


@pytest.mark.parametrize("seed", range(3))
def test_ends_are_counted_as_one_by_one(sql_database, reads, seed):
    dice, sagas = random.Random(seed), []
    for number in range(200):
        outcome = dice.choice(list(Outcome))
        ended_ms = None if outcome is Outcome.OPEN else moment(dice)
        sagas.append(
            SagaRecord(
                dice.choice("ab"),
                f"f{number}",
                outcome=outcome,
                started_ms=1,
                ended_ms=ended_ms,
                updated_ms=1,
            )
        )
    with store_on(sql_database).unit() as unit:
        unit.save_sagas(sagas)
    now, before, first = Counter(), Counter(), defaultdict(list)
    for saga in sagas:
        if saga.outcome in (Outcome.OPEN, Outcome.COMPLETED, Outcome.RETIRED):
            continue
        name = saga.flow, saga.outcome.value
        if saga.ended_ms >= NOW_MS - SPAN_MS:
            now[name] += 1
            first[name].append(saga.ended_ms)
        elif saga.ended_ms >= NOW_MS - 2 * SPAN_MS:
            before[name] += 1
    found = reads.ended_lately(NOW_MS, SPAN_MS)
    assert {(each.flow, each.outcome): (each.now, each.before, each.first_ms) for each in found} == {
        name: (now[name], before[name], min(first[name])) for name in now
    }
    own = {saga.key: (saga.flow, saga.outcome.value) for saga in sagas}
    assert all(own[each.example] == (each.flow, each.outcome) for each in found)


def test_who_is_waited_for(sql_database, reads):
    dice, sagas = random.Random(1), []
    for number in range(200):
        outcome = dice.choice([Outcome.OPEN, Outcome.OPEN, Outcome.COMPLETED])
        sagas.append(
            SagaRecord(
                dice.choice(["a", "b", "left"]), f"f{number}", outcome=outcome, started_ms=dice.choice([None, 1]),
                waiting=dice.choice([(), ("x",), ("y",), ("x", "z"), ("x", "y", "z")]),
            )
        )  # fmt: skip
    with store_on(sql_database).unit() as unit:
        unit.save_sagas(sagas)
    owners = {"x": "g1", "y": "g2", "z": "g1"}
    expected = Counter()
    for saga in sagas:
        if saga.outcome is Outcome.OPEN and saga.started_ms and saga.flow != "left":
            expected.update({owners[step] for step in saga.waiting})
    assert reads.waited_for() == expected


@pytest.mark.parametrize("seed", range(3))
def test_causes_are_counted_as_one_by_one(sql_database, reads, seed):
    dice, letters = random.Random(seed), []
    for number in range(300):
        header = DeadLetterHeaders(
            "x", "t", group=dice.choice("gh"), error_type=dice.choice(["E", "F", "G", "H"])
        )
        letter = dead(number, letter=header, timestamp_ms=moment(dice), order=f"o{dice.randrange(40)}")
        cause = dice.choice([letter.cause, letter.cause, letter.cause, None])
        letters.append(letter._replace(state=dice.choice(["pending", "redriven", "dismissed"]), cause=cause))
    with store_on(sql_database).unit() as unit:
        unit.add_dead_letters(letters)
    of = defaultdict(list)
    for letter in letters:
        of[letter.cause].append(letter)
    expected = {}
    for cause, own in of.items():
        now = [letter for letter in own if letter.timestamp_ms >= NOW_MS - SPAN_MS]
        before = [x for x in own if NOW_MS - 2 * SPAN_MS <= x.timestamp_ms < NOW_MS - SPAN_MS]
        if len(now) > len(before):
            flows, first = {x.correlation_id for x in now}, min(x.timestamp_ms for x in now)
            expected[cause] = (len(now), len(before), len(flows), first, len(now) == len(own))
    found = reads.causes_lately(NOW_MS, SPAN_MS, 50)
    assert {row.cause: row[1:6] for row in found} == expected
    assert [row.now for row in found] == sorted((row.now for row in found), reverse=True)
    assert all(row.example in of[row.cause] for row in found)
    assert len(reads.causes_lately(NOW_MS, SPAN_MS, 2)) == min(2, len(expected))


def test_each_is_found_by_its_index(tmp_path):
    """However much is older, only what happened lately is looked through."""
    database = SqliteDatabase(tmp_path / "store.sqlite")
    reads, asked = TrailReads(database, FLOWS), []
    with database.read() as connection:
        connection.set_trace_callback(asked.append)
    reads.ended_lately(NOW_MS, SPAN_MS)
    reads.causes_lately(NOW_MS, SPAN_MS, 9)
    with database.read() as connection:
        connection.set_trace_callback(None)
        texts = [text for text in asked if text.startswith("SELECT")]
        plans = [[row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}")] for text in texts]
    database.close()
    ends, causes = plans
    assert "SEARCH sagas USING INDEX sagas_ended_badly (ended_ms>?)" in ends
    assert any("dead_letters_by_time (state=? AND timestamp_ms>?)" in line for line in causes)


class NoLag:
    collected_at = 1.0
    readings = ()

    def unread(self):
        return {}

    def overview(self, name=None, limit=None):
        return {"failures": [{"scope": "topic", "name": "orders", "reason": "partition 3 has no leader"}]}


def test_what_follows_from_a_cause_is_told_with_it(sql_database, reads):
    letter = DeadLetterHeaders(
        "x", "t", group="g1", error_type="CardError", error_message="no card for ORD-7"
    )
    late = [
        SagaRecord(
            "a", f"flow-o{n}", started_ms=1, waiting=("x",), breached=("x",), waiting_since_ms=NOW_MS - 5_000
        )
        for n in range(3)
    ]
    timed_out = SagaRecord(
        "b", "k", subject="ORD-9", outcome=Outcome.TIMED_OUT, started_ms=1, ended_ms=NOW_MS - 60_000
    )
    with store_on(sql_database).unit() as unit:
        unit.save_sagas([*late, timed_out])
        unit.add_dead_letters(
            [dead(n, letter=letter, timestamp_ms=NOW_MS - 9_000, order=f"o{n}") for n in range(2)]
        )
    now = [NOW_MS / 1000 - 20]
    clock = lambda: now[0]  # noqa: E731
    watch = Watch(NoLag(), reads, lambda: {"tail": Condition.of("no broker answers")}, time_seconds=clock)
    on_call = OnCall(watch, NoLag(), reads, lambda group: GroupProgress(0, 0.0, 2, "ok"), time_seconds=clock)
    on_call.look(stored=False)
    now[0] += 20
    on_call.look(stored=True)
    report = on_call.report()
    assert [(change.kind, change.touched) for change in report.changes] == [
        (Kind.COLLECTOR, 0), (Kind.DEAD_LETTERS, 2), (Kind.STUCK, 1), (Kind.ENDED, 1), (Kind.UNREADABLE, 0),
    ]  # fmt: skip
    assert [change.text for change in report.changes] == [
        "tail of the collector is failing: no broker answers",
        "for the first time group g1 dead-lettered 2 messages of type OrderPlaced (CardError: no card for *)",
        "1 order of a is stuck: x waits for g1, which has read everything and has not answered",
        "1 order of b timed out",
        "topic orders: partition 3 has no leader",
    ]
    assert (report.groups, report.flows, report.left_out) == (0, 2, 0)
    assert len(on_call.report(2).changes) == 2
    assert on_call.report(2).left_out == 3
