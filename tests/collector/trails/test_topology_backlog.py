"""A backlog: topics are read at different speeds, events are learned from behind the reading; every edge counts once."""

from __future__ import annotations

import logging
from random import Random

import pytest

from flowtrail_collector.events.model import Advance
from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.store.packs.learning import Learning
from flowtrail_collector.topology.model import EdgeKey
from flowtrail_collector.topology.sql import SqlTopology
from storekit import EVENT

HOUR_MS = 3_600_000
START_MS = 1_700_000_000_000
# A topic, the type on it, what that is caused by, and how long after the order's beginning it is recorded.
STEPS = (("a", "Placed", None, 0), ("b", "Paid", "Placed", 1_000), ("a", "Shipped", "Paid", 2_000))
PLACED_PAID, PAID_SHIPPED = EdgeKey("Placed", "a", "Paid"), EdgeKey("Paid", "b", "Shipped")


class Backlog:
    """Two topics with orders an hour apart: what was written, in the order of time, and how far it was read."""

    def __init__(self, database, orders, partitions=2):
        self.store = store_on(database)
        self.written = {(topic, n): [] for topic in "ab" for n in range(partitions)}
        self.next = dict.fromkeys(self.written, 0)
        for order in range(orders):
            for topic, kind, cause, after_ms in STEPS:
                log = self.written[topic, order % partitions]
                event = EVENT._replace(
                    topic=topic, partition=order % partitions, offset=len(log), type=kind, source=f"/{kind}",
                    event_id=f"{order}-{kind}", correlation_id=str(order), trace_id=None, dead_letter=False,
                    causation_id=cause and f"{order}-{cause}", timestamp_ms=START_MS + order * HOUR_MS + after_ms,
                )  # fmt: skip
                log.append(event)
        with self.store.unit() as unit:
            unit.advance([Advance(topic, partition, None, 0, 0) for topic, partition in self.written])

    def read(self, place, count):
        """A batch of one partition, with its position."""
        topic, partition = place
        begin = self.next[place]
        events = self.written[place][begin : begin + count]
        if events:
            with self.store.unit() as unit:
                unit.add_events(events)
                unit.advance([Advance(topic, partition, begin, begin + len(events), events[-1].timestamp_ms)])
            self.next[place] += len(events)

    def left(self):
        return [place for place, log in self.written.items() if self.next[place] < len(log)]


def learner(database):
    return Learning(database, [SqlTopology(database)])


def finish(database, learning):
    while learning.learn():
        pass
    assert learning.learn() == 0
    return {key: edge.events for key, edge in SqlTopology(database).edges().items()}


def waiting(database):
    with database.read() as connection:
        return [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("edge_pending", "edge_aside")
        ]


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr("flowtrail_collector.store.packs.learning._BATCH", 4)
    monkeypatch.setattr("flowtrail_collector.topology.waiting._MOST_AT_HAND", 3)


@pytest.mark.slow(2)
@pytest.mark.parametrize("seed", range(12))
def test_in_whatever_order_partitions_are_read_each_edge_counts_once(sql_database, small, seed):
    dice, orders = Random(seed), 30
    backlog, learning = Backlog(sql_database, orders), learner(sql_database)
    while places := backlog.left():
        backlog.read(dice.choice(places), dice.choice((1, 3, 10, 40)))
        for _ in range(dice.choice((0, 0, 1, 2, 5))):
            learning.learn()
        if dice.random() < 0.2:  # a restart: nothing is known but the store
            learning = learner(sql_database)
    assert finish(sql_database, learning) == {PLACED_PAID: orders, PAID_SHIPPED: orders}
    assert waiting(sql_database) == [0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("first", ["a", "b"])
def test_all_is_read_before_anything_is_learned(sql_database, small, first):
    """What was read says nothing of what was looked through."""
    backlog = Backlog(sql_database, 50)
    for place in sorted(backlog.written, reverse=first == "b"):
        backlog.read(place, 1_000)
    assert finish(sql_database, learner(sql_database)) == {PLACED_PAID: 50, PAID_SHIPPED: 50}


@pytest.mark.slow(10)
def test_far_more_effects_wait_than_are_held_in_memory(sql_database):
    orders = 20_000
    backlog, learning = Backlog(sql_database, orders), learner(sql_database)
    for place in sorted(backlog.written, reverse=True):
        while place in backlog.left():
            backlog.read(place, 5_000)
            finish(sql_database, learning)
        if place == ("b", 0):
            assert waiting(sql_database) == [5_000, orders - 5_000]
            learning = learner(sql_database)
    assert finish(sql_database, learning) == {PLACED_PAID: orders, PAID_SHIPPED: orders}
    assert waiting(sql_database) == [0, 0]


@pytest.mark.slow
def test_who_waits_for_nothing_is_given_up_once_all_was_looked_through(sql_database, small):
    backlog = Backlog(sql_database, 20)
    for place in (("b", 0), ("b", 1)):  # the causes never come
        backlog.read(place, 1_000)
    learning = learner(sql_database)
    finish(sql_database, learning)
    assert waiting(sql_database) == [3, 17]
    with sql_database.transaction() as connection:
        connection.execute("UPDATE positions SET watermark_ms = ?", (START_MS + 21 * HOUR_MS,))
    assert finish(sql_database, learning) == {}
    assert waiting(sql_database) == [0, 0]


@pytest.mark.slow
def test_who_waits_for_longer_than_causes_are_looked_for_is_given_up_with_a_line(
    sql_database, small, monkeypatch, caplog
):
    backlog = Backlog(sql_database, 60)
    monkeypatch.setattr("flowtrail_collector.store.packs.hashes._SEGMENT_BITS", 3)
    for _ in range(60):
        backlog.read(("b", 0), 1)
        backlog.read(("b", 1), 1)
    with caplog.at_level(logging.WARNING, "flowtrail_collector"):
        finish(sql_database, learner(sql_database))
    assert sum(waiting(sql_database)) <= 4 * 8 + 4
    assert "are not counted" in caplog.text
