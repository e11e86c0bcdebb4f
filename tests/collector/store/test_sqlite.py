"""The store's contract on SQLite, and what is SQLite's own."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from flowtrail_collector.errors import StoreError
from flowtrail_collector.events.model import Position
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from sagakit import ORDERS, Happening, core
from storekit import StoreContract
from storekit.older import back_before
from storekit.reads import ReadsContract


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def opened(self, tmp_path):
        databases = []

        def open_store():
            databases.append(SqliteDatabase(tmp_path / "store.sqlite"))
            return SqliteStore(databases[-1])

        yield open_store
        for database in databases:
            database.close()


class TestSqliteReads(ReadsContract):
    @pytest.fixture
    def database(self, tmp_path):
        database = SqliteDatabase(tmp_path / "reads.sqlite")
        yield database
        database.close()

    @pytest.fixture
    def store(self, database):
        return SqliteStore(database)


def test_a_newer_schema_is_refused(tmp_path):
    path = tmp_path / "store.sqlite"
    SqliteDatabase(path).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE schema_versions SET version = 99 WHERE part = 'core'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"newer flowtrail \(core schema 99\): upgrade"):
        SqliteDatabase(path)


def test_a_file_that_is_something_else_is_refused(tmp_path):
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"something else altogether, long enough to be looked at. " * 50)
    with pytest.raises(StoreError, match=r"store\.sqlite"):
        SqliteDatabase(path)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(StoreError, match="store"):
        SqliteDatabase(tmp_path)


def test_a_store_that_cannot_be_written_says_so_and_changes_nothing(tmp_path):
    database = SqliteDatabase(tmp_path / "store.sqlite")
    with database.transaction() as connection:
        connection.execute("INSERT INTO counters VALUES ('a', '[]', 1)")
    # The disk is full: SQLite isn't given one more page.
    database._writer.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StoreError, match="full"), database.transaction() as connection:  # noqa: PT012
        connection.execute("UPDATE counters SET value = 2")
        connection.executemany(
            "INSERT INTO counters VALUES (?, '[]', 1)", [(f"{n}" * 1000,) for n in range(3_000)]
        )
    with database.read() as connection:
        assert connection.execute("SELECT name, value FROM counters").fetchall() == [("a", 1)]
    database._writer.execute("PRAGMA max_page_count = 1000000")
    with database.transaction() as connection:
        connection.execute("UPDATE counters SET value = 3")
    database.close()


def test_readers_see_one_moment_and_do_not_wait_for_the_writer(tmp_path):
    database = SqliteDatabase(tmp_path / "store.sqlite")
    with database.transaction() as connection:
        connection.execute("INSERT INTO counters VALUES ('a', '[]', 1)")
    with database.read() as reader:
        assert reader.execute("SELECT value FROM counters").fetchone() == (1,)
        with database.transaction() as connection:
            connection.execute("UPDATE counters SET value = 2")
        assert reader.execute("SELECT value FROM counters").fetchone() == (1,)
    with database.read() as reader:
        assert reader.execute("SELECT value FROM counters").fetchone() == (2,)
        with pytest.raises(sqlite3.OperationalError):
            reader.execute("UPDATE counters SET value = 9")
    database.close()


def test_writers_take_turns(tmp_path):
    database = SqliteDatabase(tmp_path / "store.sqlite")
    with database.transaction() as connection:
        connection.execute("INSERT INTO counters VALUES ('a', '[]', 0)")

    def count():
        for _ in range(50):
            with database.transaction() as connection:
                (value,) = connection.execute("SELECT value FROM counters").fetchone()
                connection.execute("UPDATE counters SET value = ?", (value + 1,))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        assert connection.execute("SELECT value FROM counters").fetchone() == (200,)
    assert database.size_bytes() > 0
    database.close()
    assert not list(tmp_path.glob("*-wal"))


def test_a_store_of_a_version_before_opens_and_its_open_instances_are_looked_at(tmp_path):
    """Written without notes of rules, by a version that kept the bare names of steps past their deadline."""
    path = tmp_path / "store.sqlite"
    with core(tmp_path) as made:
        made.read([Happening("OrderPlaced", 1_000)])
        made.pass_time(5_500)
        assert made.kinds() == {"open": 1, "stuck": 1}
    connection = sqlite3.connect(path)
    back_before(connection, "rules")
    assert connection.execute("SELECT breached FROM sagas").fetchall() == [("reserve",)]
    connection.commit()
    connection.close()
    with core(tmp_path, ORDERS.replace("within: 3s", "within: 9s")) as made:
        made.pass_time(6_000)
        assert made.kinds() == {"open": 1}
        made.pass_time(12_000)
        assert made.kinds() == {"open": 1, "stuck": 1}
        assert made.counters()["deadline_breaches", "orders", "reserve"] == 1


def test_a_store_of_a_version_before_takes_the_first_cluster_that_it_meets(tmp_path):
    path = tmp_path / "store.sqlite"
    SqliteDatabase(path).close()
    connection = sqlite3.connect(path)
    back_before(connection, "cluster")
    connection.execute("INSERT INTO positions VALUES ('orders', 0, 10, 5)")
    connection.commit()
    connection.close()
    database = SqliteDatabase(path)
    store = SqliteStore(database)
    assert store.positions() == {("orders", 0): Position(10, 5)}
    store.belong_to("one")
    with pytest.raises(StoreError, match="belongs to Kafka cluster one"):
        store.belong_to("two")
    database.close()


def test_late_events_that_the_version_before_counted_are_not_counted_again(tmp_path):
    with core(tmp_path) as made:
        made.read([Happening("OrderPlaced", 1_000), Happening("OrderShipped", 2_000)])
        made.read([Happening("StockReserved", 5_000)], until_ms=60_000)
        made.pass_time(60_000)
        assert made.counters()["late_events", "orders"] == 1
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    back_before(connection, "instances")
    connection.commit()
    connection.close()
    with core(tmp_path) as made:
        made.read([Happening("PaymentCompleted", 6_000)])
        made.pass_time(61_000)
        assert made.counters()["late_events", "orders"] == 2
