"""The redrive's store, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections import Counter

import pytest

from flowtrail_collector.dead_letters.model.audit import WriteLine
from flowtrail_collector.dead_letters.model.headers import DeadLetterHeaders
from flowtrail_collector.dead_letters.model.letter import Selection
from flowtrail_collector.dead_letters.model.redrive import Action
from flowtrail_collector.dead_letters.model.survey import Group
from flowtrail_collector.dead_letters.ports import JobState, Moved, Order
from flowtrail_collector.dead_letters.sql.jobs import SqlRedrive
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


def test_a_job_is_read_back_as_it_was_asked_for(store):
    order = Order(Selection(group="billing", since_ms=1), "elsewhere", 2.5, 7, "me")
    job = store.add_job(order, NOW_MS)
    assert store.job(job.id) == job
    assert job.order == order
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
    assert store.dismiss(Selection(topic=DLQ), "me", "note", NOW_MS) == 3
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
