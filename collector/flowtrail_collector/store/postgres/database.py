"""Connections to one PostgreSQL database, for any number of threads and workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from flowtrail_collector.errors import StoreConflictError, StoreError
from flowtrail_collector.store.packs.reading import newest_row
from flowtrail_collector.store.postgres.dialect import ddl, statement
from flowtrail_collector.store.postgres.driver import connect, is_conflict, new_pool, psycopg_error
from flowtrail_collector.store.postgres.schema import MIGRATIONS
from flowtrail_collector.store.schema.inspection import looked_at
from flowtrail_collector.store.schema.migrations import migrate

if TYPE_CHECKING:
    import psycopg

__all__ = ["PostgresConnection", "PostgresDatabase", "check_connection", "describe", "look_at"]

T = TypeVar("T")

# Names of advisory locks, within this database.
_WRITERS_TURN, EVENTS_LOCK, _MIGRATING = 0x666C6F77_00000001, 0x666C6F77_00000002, 0x666C6F77_00000003
# Workers that start together migrate one after another.
_BEGIN_MIGRATION = f"BEGIN; SELECT pg_advisory_xact_lock({_MIGRATING})"
_BEGIN_WRITE = f"BEGIN; SELECT pg_advisory_xact_lock({_WRITERS_TURN})"
_BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
# Not waiting for the disk is safe here: what a crash of the server takes back, it takes back together with the
# positions, so those records are read again.
_BEGIN_UNIT = "BEGIN; SET LOCAL synchronous_commit = off"
# A row takes 28 bytes besides its columns, an index entry 16 besides its key; most keys here are ids.
_USED = """SELECT coalesce(sum(t.n_live_tup * (28 + coalesce(w.width, 300) + i.indexes * 56)), 0)
 FROM pg_stat_user_tables t
 CROSS JOIN LATERAL (SELECT sum(avg_width) AS width FROM pg_stats s
 WHERE s.schemaname = t.schemaname AND s.tablename = t.relname) w
 CROSS JOIN LATERAL (SELECT count(*) AS indexes FROM pg_index x WHERE x.indrelid = t.relid) i"""


def check_connection(url: str) -> None:
    """Connect, and change nothing.

    Raises:
        ConfigurationError: The driver isn't installed.
        StoreError: No connection.
    """
    _connected(url, lambda connection: None)


def look_at(url: str) -> str | None:
    """Check that this version can use a database, and change nothing.

    Returns:
        The cluster it belongs to; None if it has met none yet.

    Raises:
        ConfigurationError: The driver isn't installed.
        StoreError: No connection, or a newer version wrote the schema.
    """

    def look(connection: psycopg.Connection[Any]) -> str | None:
        def rows(query: str) -> list[Any]:
            return connection.execute(query).fetchall()

        tables = [
            row[0] for row in rows("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        ]
        return looked_at(rows, tables, other="another database", own={"postgres": MIGRATIONS})

    return _connected(url, look)


def _connected(url: str, look: Callable[[psycopg.Connection[Any]], T]) -> T:
    error_type = psycopg_error()
    try:
        connection = connect(url)
        try:
            return look(connection)
        finally:
            connection.close()
    except error_type as error:
        raise StoreError(f"store {describe(url)}: {str(error).strip().splitlines()[0]}") from None


def describe(url: str) -> str:
    """A database's URL without user, password and settings: what may be shown and logged."""
    parts = urlsplit(url)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"postgresql://{parts.hostname or ''}{port}{parts.path}"


class PostgresConnection:
    """`sql.Connection` on a connection of the driver.

    Attributes:
        raw: The driver's, for statements in PostgreSQL's own words.
    """

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw
        self.total_changes = 0

    def execute(self, text: str, values: Sequence[Any] = (), /) -> psycopg.Cursor[Any]:
        """See `sql.Connection.execute`."""
        cursor = self.raw.cursor()
        cursor.execute(statement(text), values)
        self.total_changes += max(cursor.rowcount, 0)
        return cursor

    def executemany(self, text: str, rows: Iterable[Sequence[Any]], /) -> psycopg.Cursor[Any]:
        """See `sql.Connection.executemany`."""
        cursor = self.raw.cursor()
        cursor.executemany(statement(text), rows)
        self.total_changes += max(cursor.rowcount, 0)
        return cursor


class PostgresDatabase:
    """`sql.Database` on PostgreSQL.

    Args:
        url: `postgresql://user@host:port/database?settings`, as libpq takes it. The password may come from
            `PGPASSFILE`, `PGPASSWORD` or a service file; it is never shown.

    Raises:
        ConfigurationError: The driver isn't installed.
        StoreError: No connection, or a newer version wrote the schema.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.name = describe(url)
        self._error = psycopg_error()
        self._pool = new_pool(url)
        try:
            with self._block(_BEGIN_MIGRATION) as connection:
                migrate(connection, other="another database", ddl=ddl, own={"postgres": MIGRATIONS})
        except BaseException:
            self.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[PostgresConnection]:
        """See `sql.Database.transaction`."""
        with self._block(_BEGIN_WRITE) as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[PostgresConnection]:
        """See `sql.Database.read`."""
        with self._block(_BEGIN_READ) as connection:
            yield connection

    @contextmanager
    def unit(self) -> Iterator[PostgresConnection]:
        """A writing transaction beside any number of others, for what locks row by row.

        Raises:
            StoreConflictError: It was in another's way; nothing was changed, and trying again may help.
            StoreError: Nothing was changed.
        """
        with self._block(_BEGIN_UNIT) as connection:
            yield connection

    def newest_event_row(self) -> int:
        """See `sql.Database.newest_event_row`."""
        # Numbers are handed out before commits. Whoever adds events holds this lock shared until then: once it
        # is granted, every row with a smaller number than the newest is there to be seen.
        with self._block("BEGIN") as connection:
            connection.execute(f"SELECT pg_advisory_xact_lock({EVENTS_LOCK})")
            return newest_row(connection)

    def size_bytes(self) -> int:
        """Size of the database on disk."""
        with self.read() as connection:
            ((size,),) = connection.execute("SELECT pg_database_size(current_database())").fetchall()
        return int(size)

    def used_bytes(self) -> int:
        """See `sql.Database.used_bytes`: rows that are alive, by the widths that ANALYZE found."""
        with self.read() as connection:
            ((size,),) = connection.execute(_USED).fetchall()
        return int(size)

    def give_back(self, limit: int) -> bool:
        """See `sql.Database.give_back`: autovacuum does it."""
        return False

    def identity(self) -> str:
        """A few letters that tell this database from others."""
        with self.read() as connection:
            ((identity,),) = connection.execute("SELECT id FROM identity").fetchall()
        return str(identity)

    def close(self) -> None:
        """Close every connection; one in use, at the end of its block."""
        self._pool.close()

    @contextmanager
    def _block(self, begin: str) -> Iterator[PostgresConnection]:
        try:
            connection = self._begin(begin)
            try:
                yield PostgresConnection(connection)
                connection.execute("COMMIT")
            except BaseException:
                self._roll_back(connection)
                raise
            self._pool.putconn(connection)
        except self._error as error:
            raise self._store_error(error) from None

    def _begin(self, begin: str) -> psycopg.Connection[Any]:
        while True:
            connection = self._take()
            try:
                connection.execute(begin, prepare=False)
            except BaseException:
                self._roll_back(connection)
                # The server went away while it lay idle: nothing was begun, so another one may do it.
                if not connection.broken:
                    raise
            else:
                return connection

    def _take(self) -> psycopg.Connection[Any]:
        stats = self._pool.get_stats()
        if not stats["pool_available"] and stats["pool_size"] < stats["pool_max"]:
            # The pool would go on waiting for a server that is away, and not say what is wrong with it.
            check_connection(self._url)
        return self._pool.getconn()

    def _roll_back(self, connection: psycopg.Connection[Any]) -> None:
        with suppress(self._error):
            connection.execute("ROLLBACK")
        self._pool.putconn(connection)

    def _store_error(self, error: Exception) -> StoreError:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        kind = StoreConflictError if is_conflict(error) else StoreError
        return kind(f"store {self.name}: {reason}")
