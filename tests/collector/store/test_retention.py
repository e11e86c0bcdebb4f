"""What is old goes, a piece at a time; what is needed stays."""

from __future__ import annotations

import random
import threading
import time

import pytest

from flowtrail_collector.ingest.sql.postgres import PostgresStore
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.runtime.retention import RetentionKeeper
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.spans.model import Resource, Span, SpanKind, SpanStatus
from flowtrail_collector.spans.sql.store import SqlSpans
from flowtrail_collector.store.packs.format import Packer
from flowtrail_collector.store.packs.hashes import first_key, key_of, segment_of
from flowtrail_collector.store.packs.learning import Learning
from flowtrail_collector.store.postgres.driver import connect
from flowtrail_collector.store.pruner import SqlPruner
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.topology.sql import SqlTopology
from storekit import EVENT
from storekit.events import stored_events

NOW = 1_700_000_000
HOUR = 3_600_000


@pytest.fixture
def store(sql_database):
    return (
        SqliteStore(sql_database) if isinstance(sql_database, SqliteDatabase) else PostgresStore(sql_database)
    )


def fill(database, store, ages_hours, *, looked_through=True, padding_bytes=0):
    dice = random.Random(1)
    with store.unit() as unit:
        unit.add_events(
            EVENT._replace(
                offset=number,
                event_id=f"e{number:05}{dice.randbytes(padding_bytes).hex()}",
                correlation_id=f"f{number:05}",
                timestamp_ms=NOW * 1000 - int(age * HOUR),
            )
            for number, age in enumerate(ages_hours)
        )
    if looked_through:
        topology = SqlTopology(database)
        while Learning(database, [topology]).learn():
            pass


def kept(database):
    return [event.offset for event in stored_events(database).values()]


def ages(database):
    """Of what is kept, in hours."""
    return [(NOW * 1000 - event.timestamp_ms) / HOUR for event in stored_events(database).values()]


def keeper(database, **settings):
    spans = SqlSpans(database, time_seconds=lambda: NOW)
    settings = {"events_seconds": 3_600.0 * 2, "sagas_seconds": 3_600.0 * 2, **settings}
    return RetentionKeeper(SqlPruner(database), spans, **settings, time_seconds=lambda: NOW)


def test_old_events_go(sql_database, store):
    for age in (5, 4, 1, 3, 0):
        fill(sql_database, store, [age])
    assert keeper(sql_database).prune() == 3
    assert ages(sql_database) == [1, 0]
    assert keeper(sql_database).prune() == 0


def test_events_that_were_read_together_go_when_the_last_of_them_is_old(sql_database, store):
    fill(sql_database, store, [5, 1, 4])
    fill(sql_database, store, [5, 3, 4])
    fill(sql_database, store, [0])
    assert keeper(sql_database).prune() == 3
    assert ages(sql_database) == [5, 1, 4, 0]


def test_a_timestamp_from_the_future_keeps_nothing_for_ever(sql_database, store):
    fill(sql_database, store, [5, -1e6, 4])
    fill(sql_database, store, [0])
    an_hour_from_now = int(time.time() * 1000) + HOUR
    assert SqlPruner(sql_database).prune_events(an_hour_from_now, 100) == 3
    assert ages(sql_database) == [0]


def test_ids_of_what_is_gone_go_too(sql_database, store):
    with sql_database.transaction() as connection:
        for row in (1, 300_000, 600_000):
            connection.execute(
                "INSERT INTO event_packs VALUES (?, 1, ?, ?)", (row, row, Packer().packed([EVENT]))
            )
            connection.execute("INSERT INTO event_ids VALUES (?, ?)", (key_of(segment_of(row), 7), row))
        connection.execute("UPDATE edge_position SET event_row = 600000")
    pruner = SqlPruner(sql_database)
    assert [pruner.prune_events(300_001, limit) for limit in (1, 1, 1)] == [1, 1, 0]
    assert pruner.prune_events(300_001, 10) == 0
    fill(sql_database, store, [10_000_000])
    assert pruner.prune_events(600_001, 10) == 1
    with sql_database.read() as connection:
        left = {
            row for (row,) in connection.execute("SELECT pack FROM event_ids WHERE key < ?", (first_key(3),))
        }
    assert left <= {600_000, *stored_events(sql_database)}


def test_events_go_in_pieces(sql_database, store):
    for _ in range(5):
        fill(sql_database, store, [5] * 5)
    fill(sql_database, store, [0])
    pruner = SqlPruner(sql_database)
    before = NOW * 1000 - HOUR
    assert [pruner.prune_events(before, 10) for _ in range(4)] == [10, 10, 5, 0]
    assert pruner.oldest_event_ms() == NOW * 1000


def test_what_has_not_been_looked_through_stays(sql_database, store):
    for _ in range(3):
        fill(sql_database, store, [5], looked_through=False)
    assert keeper(sql_database).prune() == 0
    fill(sql_database, store, [])
    assert keeper(sql_database).prune() == 2  # the newest stays


def test_instances_that_ended_or_never_began_go(sql_database, store):
    old, new = NOW * 1000 - 3 * HOUR, NOW * 1000 - HOUR
    with store.unit() as unit:
        unit.save_sagas(
            [
                SagaRecord("a", "ended", outcome=Outcome.COMPLETED, started_ms=1, updated_ms=old),
                SagaRecord("a", "lately", outcome=Outcome.COMPLETED, started_ms=1, updated_ms=new),
                SagaRecord("a", "open", started_ms=1, updated_ms=old),
                SagaRecord("a", "partial", updated_ms=old),
                SagaRecord("a", "partial lately", updated_ms=new),
            ]
        )
    assert keeper(sql_database).prune() == 2
    with sql_database.read() as connection:
        keys = {row[0] for row in connection.execute("SELECT key FROM sagas")}
    assert keys == {"lately", "open", "partial lately"}


def test_too_big_a_store_loses_its_oldest(sql_database, store):
    fill(sql_database, store, [100 - number / 50 for number in range(5_000)], padding_bytes=200)
    spans = SqlSpans(sql_database, time_seconds=lambda: NOW - 99 * 3_600)
    spans.add([Span("a" * 32, "b" * 16, None, Resource("s"), "n", SpanKind.CLIENT, 1, 2, SpanStatus.UNSET)])
    if not isinstance(sql_database, SqliteDatabase):
        analyze(sql_database)
    pruner = SqlPruner(sql_database)
    half = pruner.used_bytes() // 2
    made = keeper(sql_database, events_seconds=1e9, sagas_seconds=1e9, max_bytes=half)
    if isinstance(sql_database, SqliteDatabase):
        assert 1_500 < made.prune() < 4_000
        assert pruner.used_bytes() <= half
        assert kept(sql_database)[-1] == 4_999
        assert spans.spans(["a" * 32]) == []
    else:
        # Its figures come a moment after the fact; a keeper that looks again meanwhile must end all the same.
        stop = threading.Event()
        made.prune(stop)
        assert len(kept(sql_database)) < 5_000


def test_nothing_young_goes_for_size(sql_database, store, caplog):
    fill(sql_database, store, [0] * 10)
    assert keeper(sql_database, max_bytes=1).prune() == 0
    assert "nothing in it is old" in caplog.text or not isinstance(sql_database, SqliteDatabase)


def analyze(database):
    with connect(database._url) as connection:
        connection.execute("ANALYZE")
        connection.execute("SELECT pg_stat_force_next_flush()")
