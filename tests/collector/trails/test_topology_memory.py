"""What a learner remembers of earlier events changes nothing of what it counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail_collector.errors import StoreError
from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.store.packs.learning import Learning
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.topology.sql import SqlTopology
from storekit import EVENT

NOW_MS = 1_700_000_000_000
TABLES = {
    "edges": "SELECT * FROM edges ORDER BY 1, 2, 3",
    "pending": "SELECT event_row FROM edge_pending ORDER BY 1",
    "position": "SELECT event_row FROM edge_position",
}
EVENTS = st.tuples(
    st.sampled_from(["orders", "stock", "stock.dlq"]),
    st.sampled_from("abcdefgh"),
    st.sampled_from(["/orders", "/stock", None]),
    st.sampled_from([None, *"abcdefghi"]),
    st.integers(0, 1_000),
)
# What is written, then: who learns, whether the store refuses, and how many numbers are left out.
STEPS = st.tuples(
    st.lists(EVENTS, max_size=5), st.sampled_from([0, 0, 0, 1, None]), st.booleans(), st.sampled_from([0, 0, 0, 7])
)  # fmt: skip


class Refusing:
    """A database that takes back what was written, if told so."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self.refuses = False

    def __getattr__(self, name):
        return getattr(self._database, name)

    @contextmanager
    def transaction(self) -> Iterator[object]:
        with self._database.transaction() as connection:
            yield connection
            if self.refuses:
                raise StoreError("no")


@pytest.fixture(scope="module")
def small():
    """Segments of eight rows, places for 32 ids, and three events remembered twice: all of it comes about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flowtrail_collector.store.packs.hashes._SEGMENT_BITS", 3)
        patch.setattr("flowtrail_collector.topology.sql.MAX_EVENTS", 1)  # each is a pack of its own
        patch.setattr("flowtrail_collector.store.packs.learning._BATCH", 4)
        patch.setattr("flowtrail_collector.topology.recent._PLACES", 32)
        patch.setattr("flowtrail_collector.topology.recent._GENERATIONS", 5)
        patch.setattr("flowtrail_collector.topology.recent._MOST_EVENTS", 3)
        yield


def write(database, events, number):
    for place, (topic, event_id, source, cause, at_ms) in enumerate(events):
        event = EVENT._replace(
            topic=topic, offset=number + place, event_id=event_id, source=source, causation_id=cause,
            correlation_id=None, timestamp_ms=NOW_MS + at_ms, trace_id=None, dead_letter=topic.endswith(".dlq"),
        )  # fmt: skip
        with store_on(database).unit() as unit:
            unit.add_events([event])


def leave_out(database, numbers):
    """As PostgreSQL does with the numbers of a transaction that was rolled back."""
    if numbers:
        with database.transaction() as connection:
            connection.execute(
                "INSERT INTO event_packs SELECT first_row + ?, events, newest_ms, body FROM event_packs"
                " ORDER BY first_row DESC LIMIT 1",
                (numbers,),
            )


def state(database):
    with database.read() as connection:
        return {name: connection.execute(query).fetchall() for name, query in TABLES.items()}


def clock():
    return NOW_MS / 1000


@pytest.mark.slow(5)
@settings(deadline=None, max_examples=40)
@given(st.lists(STEPS, min_size=1, max_size=20))
def test_whatever_is_remembered_the_edges_are_those_of_one_who_forgets(tmp_path_factory, small, steps):
    folder = tmp_path_factory.mktemp("topology")
    with (
        closing(SqliteDatabase(folder / "remembered.sqlite")) as remembered,
        closing(SqliteDatabase(folder / "forgotten.sqlite")) as forgotten,
    ):
        refusing = Refusing(remembered)
        learners = [Learning(refusing, [SqlTopology(refusing, time_seconds=clock)]) for _ in range(2)]
        number = 0
        for events, who, refuses, numbers in [*steps, ([], 1, False, 0)]:
            for database in (remembered, forgotten):
                write(database, events, number)
                leave_out(database, numbers if number else 0)
            number += len(events)
            if who is None:
                continue
            if refuses:
                refusing.refuses = True
                with suppress(StoreError):
                    learners[who].learn()
                refusing.refuses = False
            while learners[who].learn():
                pass
            while Learning(forgotten, [SqlTopology(forgotten, time_seconds=clock)]).learn():
                pass
            assert state(remembered) == state(forgotten)
