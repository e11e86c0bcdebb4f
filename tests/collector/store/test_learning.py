"""Packs are read once for all who learn from them, before the transaction that writes: everything counts once."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from flowtrail_collector.catalog.sql import SqlCatalog
from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.store.packs.learning import Learning
from flowtrail_collector.topology.sql import SqlTopology
from storekit import EVENT

NOW_MS = 1_700_000_000_000
TABLES = {
    "edges": "SELECT source, topic, target, events FROM edges ORDER BY 1, 2, 3",
    "readings": "SELECT * FROM readings ORDER BY 1, 2, 3",
    "types": "SELECT * FROM edge_types ORDER BY 1, 2, 3, 4, 5",
    "published": "SELECT * FROM published ORDER BY 1, 2, 3, 4",
    "pending": "SELECT event_row FROM edge_pending ORDER BY 1",
    "positions": "SELECT e.event_row, p.event_row FROM edge_position e, published_position p",
}


class Interrupted:
    """A database on which others do something between what is read and what is written."""

    def __init__(self, database, meanwhile):
        self._database = database
        self._meanwhile = meanwhile

    def __getattr__(self, name):
        return getattr(self._database, name)

    @contextmanager
    def transaction(self):
        self._meanwhile()
        with self._database.transaction() as connection:
            yield connection


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr("flowtrail_collector.store.packs.learning._BATCH", 4)


def write(database, first, count):
    """Chains of three events each, every one in a pack of its own."""
    for number in range(first, first + count):
        event = EVENT._replace(
            offset=number, event_id=f"e{number}", type="ABC"[number % 3], source=f"/{'abc'[number % 3]}",
            correlation_id=f"f{number // 3}", causation_id=f"e{number - 1}" if number % 3 else None,
            timestamp_ms=NOW_MS + number,
        )  # fmt: skip
        with store_on(database).unit() as unit:
            unit.add_events([event])


def learners(database):
    return [SqlTopology(database, time_seconds=lambda: NOW_MS / 1000), SqlCatalog(database)]


def learn(database, *who):
    learning = Learning(database, who or learners(database))
    while learning.learn():
        pass


def state(database):
    with database.read() as connection:
        return {name: connection.execute(query).fetchall() for name, query in TABLES.items()}


def counts(database):
    found = state(database)
    return [row[3] for row in found["edges"]], [row[4] for row in found["published"]]


def test_what_another_process_learned_meanwhile_counts_once(sql_database, small):
    write(sql_database, 0, 30)
    late = Learning(Interrupted(sql_database, lambda: learn(sql_database)), learners(sql_database))
    assert late.learn() == 0
    assert counts(sql_database) == ([10, 10], [10, 10, 10])
    write(sql_database, 30, 3)
    while late.learn():
        pass
    learn(sql_database)
    assert counts(sql_database) == ([11, 11], [11, 11, 11])


def test_what_is_written_meanwhile_is_learned_next(sql_database, small):
    write(sql_database, 0, 3)
    more = iter(range(3, 9, 3))

    def meanwhile():
        for first in more:
            write(sql_database, first, 3)
            break

    learn(Interrupted(sql_database, meanwhile), *learners(sql_database))
    assert counts(sql_database) == ([3, 3], [3, 3, 3])


@pytest.mark.parametrize("ahead", [0, 1])
def test_who_is_behind_the_others_catches_up_and_nothing_counts_twice(sql_database, small, ahead):
    """As in a store of a version in which each read for itself."""
    write(sql_database, 0, 18)
    learn(sql_database, learners(sql_database)[ahead])
    write(sql_database, 18, 12)
    learn(sql_database)
    assert counts(sql_database) == ([10, 10], [10, 10, 10])
    assert len(set(state(sql_database)["positions"][0])) == 1


def test_together_they_learn_what_each_learns_alone(sql_database, small):
    write(sql_database, 0, 20)
    learn(sql_database)
    together = state(sql_database)
    with sql_database.transaction() as connection:
        for table in ("edges", "edge_types", "edge_crossings", "readings", "published", "edge_pending"):
            connection.execute(f"DELETE FROM {table}")
        for table in ("edge_position", "published_position"):
            connection.execute(f"UPDATE {table} SET event_row = 0")
    for learner in learners(sql_database):
        learn(sql_database, learner)
    assert state(sql_database) == together
