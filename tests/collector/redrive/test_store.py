"""The redrive's store, on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import pytest

from flowtrail_collector.dead_letters.model.audit import WriteLine
from flowtrail_collector.dead_letters.model.headers import DeadLetterHeaders
from flowtrail_collector.dead_letters.model.letter import Selection
from flowtrail_collector.dead_letters.model.redrive import Action
from flowtrail_collector.dead_letters.model.survey import Group
from flowtrail_collector.dead_letters.ports import JobState, Moved, Order
from flowtrail_collector.dead_letters.sql import jobs
from flowtrail_collector.dead_letters.sql.jobs import SqlRedrive
from flowtrail_collector.dead_letters.sql.letters import add_letters
from flowtrail_collector.errors import CountedOtherwiseError
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.trails.sql import TrailReads
from redrivekit import DLQ, MINUTE_MS, OWN, dead, keep, states

OTHER = DeadLetterHeaders(
    "spring-kafka", "payments", 1, 9, group="inventory", error_type="KeyError", replays=2
)
NOW_MS = 10 * MINUTE_MS


@pytest.fixture
def store(sql_database):
    keep(
        sql_database,
        [
            *(dead(n, timestamp_ms=n * MINUTE_MS) for n in range(3)),
            dead(0, topic="payments-dlt", partition=1, letter=OTHER, order="o2", timestamp_ms=NOW_MS),
        ],
    )
    with sql_database.transaction() as connection:
        connection.execute(
            "INSERT INTO sagas (flow, key, outcome, updated_ms, events) VALUES (?, ?, ?, ?, ?)",
            ("fulfilment", "flow-o2", "open", 0, b""),
        )
    return SqlRedrive(sql_database)


SELECTIONS = [
    (Selection(), 4),
    (Selection(topic=DLQ), 3),
    (Selection(topic=DLQ, partition=0, offset=2), 1),
    (Selection(source_topic="payments"), 1),
    (Selection(group="billing"), 3),
    (Selection(error_type="KeyError"), 1),
    (Selection(id="o1"), 3),
    (Selection(id="flow-o2"), 1),
    (Selection(id=f"{DLQ}-0-1"), 1),
    (Selection(flow="fulfilment"), 1),
    (Selection(flow="none"), 0),
    (Selection(since_ms=MINUTE_MS, until_ms=2 * MINUTE_MS), 1),
    (Selection(state="quarantined"), 0),
]


def test_selections(store):
    for selection, count in SELECTIONS:
        assert sum(group.letters for group in store.groups(selection, NOW_MS)) == count, selection
        job = store.add_job(Order(selection), NOW_MS)
        assert job.total == count, selection
        assert len(store.next_letters(store.job(job.id), 100)) == count, selection


def test_groups_are_what_is_alike(store):
    assert store.groups(Selection(), NOW_MS) == [
        Group(DLQ, "flowtrail", "orders", "ValueError", 0, 1, 3),
        Group("payments-dlt", "spring-kafka", "payments", "KeyError", 2, 0, 1),
    ]


def test_what_was_counted_is_what_is_done(store, sql_database):
    counted = Selection(as_of=store.last_change())
    assert sum(group.letters for group in store.groups(counted, NOW_MS)) == 4
    # Two more arrive, one of them in a partition nobody had heard of, and one of the four is dealt with.
    keep(sql_database, [dead(3), dead(0, topic="new.dlq")])
    assert store.dismiss(Order(Selection(topic=DLQ, offset=1), actor="ann"), "known", NOW_MS) == 1
    job = store.add_job(Order(counted, expected_total=4), NOW_MS)
    assert job.total == 3
    assert {letter.place for letter in store.next_letters(job, 100)} == {
        (DLQ, 0, 0), (DLQ, 0, 2), ("payments-dlt", 1, 0),
    }  # fmt: skip
    assert store.next_letters(store.job(job.id), 100) == store.next_letters(job, 100)
    assert store.dismiss(Order(counted, actor="me", expected_total=4), "seen", NOW_MS) == 3
    left = {place for place, state in states(sql_database).items() if state == "pending"}
    assert left == {(DLQ, 0, 3), ("new.dlq", 0, 0)}


def test_what_came_to_its_state_since_wasnt_counted(store):
    counted = Selection(state="quarantined", as_of=store.last_change())
    job = store.add_job(Order(), NOW_MS)
    letter = store.letter((DLQ, 0, 0))
    store.settle(job, [Moved(letter, Action.QUARANTINED, "q", 0, 0, 3)], {}, letter.place, NOW_MS)
    assert store.groups(counted, NOW_MS) == []
    assert store.dismiss(Order(counted, actor="me"), "seen", NOW_MS) == 0
    assert store.dismiss(Order(Selection(state="quarantined"), actor="me"), "seen", NOW_MS) == 1


def test_a_record_that_takes_the_place_of_another_wasnt_counted(store, sql_database):
    counted = Selection(topic=DLQ, as_of=store.last_change())
    with sql_database.transaction() as connection:
        connection.execute("DELETE FROM dead_letters WHERE topic = ?", (DLQ,))
    keep(sql_database, [dead(0), dead(1)])
    assert store.add_job(Order(counted), NOW_MS).total == 0


def test_more_than_expected_is_nothing(store, sql_database):
    before = states(sql_database)
    for as_of in (None, store.last_change(), 10**9):
        order = Order(Selection(as_of=as_of), expected_total=3)
        for act in (
            lambda order=order: store.add_job(order, NOW_MS),
            lambda order=order: store.dismiss(order, "n", NOW_MS),
        ):
            with pytest.raises(CountedOtherwiseError, match="4 dead letters match by now instead of 3"):
                act()
    assert store.jobs(10) == []
    assert states(sql_database) == before


def test_what_arrives_while_many_are_dismissed_stays(store, sql_database, monkeypatch):
    monkeypatch.setattr(jobs, "_DISMISS_BATCH", 2)
    written, offsets = jobs._write_down, itertools.count(100)

    def meanwhile(connection, done, lines):
        written(connection, done, lines)
        add_letters(connection, [dead(next(offsets), topic="zz.dlq")])

    monkeypatch.setattr(jobs, "_write_down", meanwhile)
    assert store.dismiss(Order(Selection(), actor="me"), "seen", NOW_MS) == 4
    assert {topic for (topic, _, _), state in states(sql_database).items() if state == "pending"} == {
        "zz.dlq"
    }


def test_a_job_is_read_back_as_it_was_asked_for(store):
    order = Order(Selection(group="billing", since_ms=1), "elsewhere", 2.5, 7, "me")
    job = store.add_job(order, NOW_MS)
    assert store.job(job.id) == job
    assert job.order == replace(order, selection=replace(order.selection, as_of=store.last_change()))
    assert store.next_job() == job
    assert store.jobs(10) == [job]
    assert store.job("nobody") is None


def test_settled_batch_by_batch(store, sql_database):
    job = store.add_job(Order(actor="me"), NOW_MS)
    first, second, *rest = store.next_letters(job, 3)
    assert [letter.place for letter in (first, second, *rest)] == [(DLQ, 0, n) for n in range(3)]
    moved = [
        Moved(first, Action.REDRIVEN, "orders", 0, 100, 1),
        Moved(second, Action.QUARANTINED, "orders.quarantine", 0, 0, 3),
    ]
    job = store.settle(job, moved, {"gone": 1}, rest[0].place, NOW_MS + 5)
    assert job == store.job(job.id)
    assert (job.redriven, job.quarantined, job.refused, job.left) == (1, 1, 1, 1)
    assert Counter(states(sql_database).values()) == {"pending": 2, "redriven": 1, "quarantined": 1}
    (last,) = store.next_letters(job, 3)
    assert last.place == ("payments-dlt", 1, 0)
    assert last.replays == 2
    job = store.settle(job, [], {"gone": 1}, last.place, NOW_MS + 6)
    assert job.refusals == {"gone": 2}
    assert store.next_letters(job, 3) == []
    ended = store.end_job(job.id, JobState.DONE, NOW_MS + 7)
    assert (ended.state, ended.ended_ms) == (JobState.DONE, NOW_MS + 7)
    assert store.next_job() is None
    # what is over stays as it is
    assert store.end_job(job.id, JobState.CANCELLED, NOW_MS + 8) == ended
    assert [line.target_topic for line in store.audit(10, job=job.id)] == ["orders.quarantine", "orders"]
    assert store.audit(10, place=first.place)[0].target_offset == 100
    came_to, other = ("orders", 0, 100), ("orders", 0, 101)
    assert TrailReads(sql_database, Flows()).redriven_by([came_to, other]) == {came_to: "me"}
    assert store.redriven_counts() == {
        (DLQ, "orders", "billing", "redriven"): 1,
        (DLQ, "orders", "billing", "quarantined"): 1,
    }


def test_replays_are_known_from_where_copies_went(store, sql_database):
    job = store.add_job(Order(), NOW_MS)
    letter = store.letter((DLQ, 0, 0))
    store.settle(job, [Moved(letter, Action.REDRIVEN, "orders", 0, 100, 1)], {}, letter.place, NOW_MS)
    died_again = DeadLetterHeaders("kafka-connect", "orders", 0, 100, group="sink")
    keep(sql_database, [dead(50, letter=died_again)])
    assert store.letter((DLQ, 0, 50)).replays == 1
    assert [group.replays for group in store.groups(Selection(offset=50), NOW_MS)] == [1]


def test_found_by_any_id(store):
    assert [letter.place for letter in store.find("o1", 2)] == [(DLQ, 0, 2), (DLQ, 0, 1)]
    assert store.find("flow-o2", 5)[0].source_topic == "payments"
    assert store.find("nobody", 5) == []


def test_dismissed_in_pieces(store, sql_database, monkeypatch):
    monkeypatch.setattr("flowtrail_collector.dead_letters.sql.jobs._DISMISS_BATCH", 2)
    assert store.dismiss(Order(Selection(topic=DLQ), actor="me"), "note", NOW_MS) == 3
    assert Counter(states(sql_database).values()) == {"dismissed": 3, "pending": 1}
    assert len(store.audit(10)) == 3


def test_writes_the_newest_first(store):
    lines = [WriteLine(n, "me", "127.0.0.1", "redrive", "x") for n in range(3)]
    for line in lines:
        store.note_write(line)
    assert store.writes(2) == [lines[2], lines[1]]


def test_own_dead_letters_have_the_fields_in_their_places(store):
    letter = store.letter((DLQ, 0, 1))
    assert (letter.source_topic, letter.source_partition, letter.source_offset) == ("orders", 0, 7)
    assert (letter.group, letter.error_type, letter.convention) == (OWN.group, OWN.error_type, "flowtrail")
    assert (letter.event_id, letter.subject, letter.timestamp_ms) == (f"{DLQ}-0-1", "o1", MINUTE_MS)


QUEUE = "rabbitmq:billing.dlq"
BY_AGE = [(90, 1), (10, 2), (50, 2), (40, 3), (70, None)]  # places that say nothing of the order, and minutes


@pytest.mark.parametrize("portion", [1, 2, 10])
@pytest.mark.parametrize("takes", [True, False], ids=["redriven", "refused"])
def test_what_has_no_offsets_goes_oldest_first_and_once(store, sql_database, portion, takes):
    keep(
        sql_database,
        [
            dead(place, topic=QUEUE, timestamp_ms=minute and minute * MINUTE_MS)
            for place, minute in sorted(BY_AGE)
        ],
    )
    job = store.add_job(Order(Selection(topic=QUEUE)), NOW_MS)
    seen, again = [], itertools.count(20)
    while found := store.next_letters(job, portion):
        seen += [letter.place[2] for letter in found]
        moved = [Moved(letter, Action.REDRIVEN, "orders", 0, 0, 1) for letter in found] if takes else []
        job = store.settle(job, moved, {} if takes else {"gone": len(found)}, found[-1].place, NOW_MS)
        # It dies again, at a place that may be before the last one of those that were counted.
        keep(sql_database, [dead(next(again), topic=QUEUE, timestamp_ms=20 * MINUTE_MS)])
    assert seen == [70, 90, 10, 50, 40]
    assert job.left == 0
