"""The store's contract on PostgreSQL, and what is PostgreSQL's own."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flowtrail_collector.errors import StoreConflictError, StoreError
from flowtrail_collector.ingest.sql.postgres import PostgresStore
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord, earlier_key
from flowtrail_collector.store.postgres.database import PostgresDatabase, describe
from flowtrail_collector.store.postgres.dialect import ddl, statement
from flowtrail_collector.store.postgres.driver import connect
from servers import free_port
from servers._process import wait_for
from storekit import EVENT, StoreContract
from storekit.events import stored_values
from storekit.older import back_before
from storekit.reads import ReadsContract

pytestmark = pytest.mark.servers
_BACKENDS = "SELECT pid FROM pg_stat_activity"


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def opened(self, postgres):
        databases = []

        def open_store():
            databases.append(PostgresDatabase(postgres))
            return PostgresStore(databases[-1])

        yield open_store
        for database in databases:
            database.close()


@pytest.fixture
def database(postgres):
    database = PostgresDatabase(postgres)
    yield database
    database.close()


class TestPostgresReads(ReadsContract):
    @pytest.fixture
    def store(self, database):
        return PostgresStore(database)


@pytest.mark.parametrize(
    "text", ["", "\\N", "tab\there", "line\nbreak\r", 'quo"te', "back\\slash", "{a,b}", "NULL", "Größe", "\0"]
)
def test_texts_from_strangers_come_back(database, text):
    store, kept = PostgresStore(database), text.replace("\0", "\ufffd")
    with store.unit() as unit:
        unit.add_events(
            [EVENT, EVENT._replace(offset=2, event_id=text, subject=None, key=text, dead_letter=True)]
        )
        unit.save_sagas([SagaRecord("a", text, subject=text), SagaRecord("a", "other")])
        unit.count({("c", (text,)): 1})
    rows = stored_values(database, "event_id, subject, key, dead_letter")
    assert rows == [("e1", "o1", "k", False), (kept, None, kept, True)]
    with store.unit() as unit:
        (saga,) = unit.load_sagas([SagaKey("a", text)]).values()
    assert saga.subject == kept
    assert dict(store.counters("")) == {("c", (text,)): 1}


def test_two_workers_that_begin_the_same_instance_notice(database):
    store = PostgresStore(database)
    key = SagaKey("a", "k")
    with pytest.raises(StoreConflictError, match="began the same instance"), store.unit() as late:  # noqa: PT012
        assert late.load_sagas([key]) == {}
        with store.unit() as first:
            assert first.load_sagas([key]) == {}
            first.save_sagas([SagaRecord(*key, subject="first")])
        late.save_sagas([SagaRecord(*key, subject="late")])
    with store.unit() as unit:
        assert unit.load_sagas([key])[key].subject == "first"


def test_an_instance_in_use_is_left_to_the_next_sweep(database):
    store = PostgresStore(database)
    with store.unit() as unit:
        unit.save_sagas([SagaRecord("a", "1", next_deadline_ms=1), SagaRecord("a", "2", next_deadline_ms=2)])
    with store.unit() as worker, store.unit() as sweep:
        worker.load_sagas([SagaKey("a", "1")])
        assert [saga.key for saga in sweep.due_sagas(10, 10, (), others=True)] == ["2"]


def test_the_newest_row_waits_for_those_under_way(database):
    store = PostgresStore(database)
    with store.unit() as unit:
        unit.add_events([EVENT])
    before = database.newest_event_row()
    with database.unit() as waiting:
        waiting.execute("SET LOCAL lock_timeout = '50ms'")
        with store.unit() as unit:
            unit.add_events([EVENT])
            with pytest.raises(Exception, match="lock timeout"):
                waiting.execute("SELECT pg_advisory_xact_lock(?)", (0x666C6F77_00000002,))
        waiting.execute("ROLLBACK")
    assert database.newest_event_row() > before > 0


def test_a_newer_schema_is_refused(postgres, database):
    with database.transaction() as connection:
        connection.execute("UPDATE schema_versions SET version = 99 WHERE part = 'core'")
    with pytest.raises(StoreError, match=r"newer flowtrail \(core schema 99\): upgrade"):
        PostgresDatabase(postgres)


def test_errors_name_the_database_and_not_who_asks():
    url = f"postgresql://someone:secret@127.0.0.1:{free_port()}/shop?sslmode=disable"
    with pytest.raises(StoreError, match=r"store postgresql://127\.0\.0\.1:\d+/shop: ") as caught:
        PostgresDatabase(url)
    assert "secret" not in str(caught.value)
    assert describe(url).startswith("postgresql://127.0.0.1:")
    assert describe(url).endswith("/shop")


def test_readers_see_one_moment(database):
    store = PostgresStore(database)
    with database.read() as reader:
        assert reader.execute("SELECT count(*) FROM counters").fetchone() == (0,)
        with store.unit() as unit:
            unit.count({("a", ()): 1})
        assert reader.execute("SELECT count(*) FROM counters").fetchone() == (0,)


def test_a_connection_that_the_server_closed_is_replaced(postgres, database):
    with database.transaction() as connection:
        (own,) = connection.execute("SELECT pg_backend_pid()").fetchone()
    other = PostgresDatabase(postgres)
    with other.transaction() as connection:
        connection.execute("SELECT pg_terminate_backend(?)", (own,))
    other.close()
    assert database.newest_event_row() == 0


def test_blocks_at_the_same_time_have_a_connection_each_and_none_stays_open(postgres, database):
    together = threading.Barrier(12)

    def backend(_):
        with database.read() as connection:
            together.wait(30)
            return connection.execute("SELECT pg_backend_pid()").fetchone()[0]

    with ThreadPoolExecutor(12) as threads:
        backends = set(threads.map(backend, range(12)))
    assert len(backends) == 12
    database.close()
    with connect(postgres) as other:
        assert wait_for(lambda: not backends & {pid for (pid,) in other.execute(_BACKENDS)}, 20)


def test_a_block_that_fails_leaves_a_connection_that_can_be_used(database):
    with database.transaction() as connection:
        (used,) = connection.execute("SELECT pg_backend_pid()").fetchone()
    with (
        pytest.raises(StoreError, match='relation "nowhere" does not exist'),
        database.transaction() as broken,
    ):
        broken.execute("SELECT * FROM nowhere")
    with pytest.raises(ZeroDivisionError), database.transaction() as given_up:  # noqa: PT012
        given_up.execute("INSERT INTO counters VALUES ('a', '[]', 1)")
        raise ZeroDivisionError
    with database.transaction() as connection:
        assert connection.execute("SELECT pg_backend_pid()").fetchone() == (used,)
        assert connection.execute("SELECT count(*) FROM counters").fetchone() == (0,)


def test_what_is_translated():
    assert statement("INSERT OR IGNORE INTO t VALUES (?, '5%')") == (
        "INSERT INTO t VALUES (%s, '5%%') ON CONFLICT DO NOTHING"
    )
    assert statement("SELECT instr(a, ?) > 0 FROM t WHERE b IN ()") == (
        "SELECT strpos(a, %s) > 0 FROM t WHERE b IN (NULL)"
    )
    assert ddl("CREATE TABLE t (a INTEGER, b BLOB)") == (
        "CREATE TABLE t (a BIGINT, b BYTEA, rowid BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY)"
    )
    assert ddl("CREATE TABLE t (a TEXT PRIMARY KEY) WITHOUT ROWID") == (
        'CREATE TABLE t (a TEXT COLLATE "C" PRIMARY KEY)'
    )
    with pytest.raises(ValueError, match="SQLite's own"):
        statement("INSERT OR REPLACE INTO t VALUES (1)")


def test_instances_of_the_version_before_know_what_it_counted(postgres, database):
    ended = SagaRecord("a", "k", outcome=Outcome.COMPLETED, started_ms=1, ended_ms=5, updated_ms=9)
    ended.events = {1: (1, "S", 0), 2: (5, "E", 0), 3: (9, "L", 0)}
    with PostgresStore(database).unit() as unit:
        unit.save_sagas([ended, SagaRecord("a", "open", started_ms=1, events={1: (1, "S", 0)})])
    with connect(postgres) as other:
        back_before(other, "instances")
    again = PostgresDatabase(postgres)
    try:
        with PostgresStore(again).unit() as unit:
            found = unit.load_sagas([SagaKey("a", "k"), SagaKey("a", "open")])
    finally:
        again.close()
    assert {key.key: (saga.instance, saga.late_events) for key, saga in found.items()} == {
        "k": (1, 1),
        "open": (1, 0),
    }


def test_an_instance_and_the_one_that_follows_it_are_rows_of_their_own(database):
    saga = SagaRecord("a", "k", started_ms=9, instance=2)
    store = PostgresStore(database)
    with store.unit() as unit:
        unit.save_sagas([SagaRecord("a", "k", started_ms=1)])
    with store.unit() as unit:
        unit.load_sagas([SagaKey("a", "k")])
        unit.save_sagas([saga, SagaRecord("a", "k", outcome=Outcome.FAILED, started_ms=1, followed=True)])
    with store.unit() as unit:
        keys = [SagaKey("a", "k"), SagaKey("a", earlier_key("k", 1))]
        assert [unit.load_sagas(keys)[key].outcome for key in keys] == [Outcome.OPEN, Outcome.FAILED]
