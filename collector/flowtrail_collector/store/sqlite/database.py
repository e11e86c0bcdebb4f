"""The collector's SQLite file: one writer at a time, any number of readers.

WAL lets readers go on while a transaction writes. `synchronous=NORMAL` is enough for exactness under a killed
process: a transaction is there whole or not at all. After a power cut the last ones may be gone, together
with the offsets they advanced, so their records are simply read again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowtrail_collector.errors import StoreError
from flowtrail_collector.store.packs.reading import newest_row
from flowtrail_collector.store.schema.inspection import Rows, looked_at, rows_of_file
from flowtrail_collector.store.schema.migrations import migrate
from flowtrail_collector.store.sqlite.claim import Claim
from flowtrail_collector.store.sqlite.fair_lock import FairLock

__all__ = ["SqliteDatabase", "look_at"]

_BUSY_TIMEOUT_MS = 10_000
_MAX_IDLE_READERS = 8
_INCREMENTAL = 2  # of PRAGMA auto_vacuum
# What lies free is used again; only beyond this share of the file it is worth moving pages for.
_FREE_SHARE = 0.25
_FREE_PAGES = 256
_DAMAGED = ": put a backup of it there, or name another file with --store"


class SqliteDatabase:
    """Connections to one SQLite file.

    Args:
        path: The file; made if it isn't there.
        alone: Refuse a file that another collector uses.
        writable: Otherwise it is there and up to date, and this only reads it, beside whoever writes it.

    Raises:
        StoreError: It can't be opened or written, a newer version wrote it, or it is in use.
    """

    def __init__(self, path: str | Path, *, alone: bool = False, writable: bool = True) -> None:
        self.path = Path(path)
        self._claim = Claim(self.path) if alone else None
        self._lock = FairLock()
        self._idle_readers: list[sqlite3.Connection] = []
        self._closed = False
        try:
            self._writer = self._connect(read_only=not writable)
        except sqlite3.Error as error:
            self._release()
            raise self._refusal(error) from None
        if writable:
            self._migrate()

    def _migrate(self) -> None:
        try:
            with self.transaction() as connection:
                migrate(connection, other="another file")
        except BaseException:
            self._writer.close()
            self._release()
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A writing transaction: committed at the end of the block, rolled back if it raises.

        Raises:
            StoreError: SQLite refused; nothing was changed.
        """
        with self._lock:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException as error:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise self._refusal(error) from error
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading; all it reads within the block is as of one moment.

        Raises:
            StoreError: SQLite refused.
        """
        connection = None
        try:
            connection = self._idle_readers.pop() if self._idle_readers else self._connect(read_only=True)
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")
            self._give_back(connection)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sqlite3.Error):
                raise self._refusal(error) from error
            raise

    @property
    def name(self) -> str:
        """See `sql.Database.name`."""
        return str(self.path)

    def newest_event_row(self) -> int:
        """See `sql.Database.newest_event_row`."""
        with self.read() as connection:
            return newest_row(connection)

    def size_bytes(self) -> int:
        """Size of the file and its write-ahead log."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def used_bytes(self) -> int:
        """See `sql.Database.used_bytes`."""
        with self.read() as connection:
            names = ("page_count", "freelist_count", "page_size")
            pages, free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
        return int((pages - free) * size)

    def give_back(self, limit: int) -> bool:
        """See `sql.Database.give_back`; a file that an earlier version made keeps its size."""
        with self.transaction() as connection:
            names = ("auto_vacuum", "page_count", "freelist_count")
            mode, pages, free = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
            if mode != _INCREMENTAL or free <= max(_FREE_PAGES, pages * _FREE_SHARE):
                return False
            # One by one: the driver ends the statement after the first of many.
            for _ in range(min(limit, free)):
                connection.execute("PRAGMA incremental_vacuum(1)").fetchall()
        return True

    def close(self) -> None:
        """Close every connection; open blocks must have ended."""
        with self._lock:
            self._closed = True
            while self._idle_readers:
                self._idle_readers.pop().close()
            self._writer.close()
            self._release()

    def _refusal(self, error: sqlite3.Error) -> StoreError:
        return _refusal(self.path, error)

    def _release(self) -> None:
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._closed or len(self._idle_readers) >= _MAX_IDLE_READERS:
            connection.close()
        else:
            self._idle_readers.append(connection)

    def _connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        # check_same_thread off: the lock, not the thread, guards the writer; close() runs in another thread.
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
        else:
            # Before the first table, or not at all; so that what was forgotten can be given back in portions.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA cache_size = -32768")
        return connection


def look_at(path: Path) -> str | None:
    """Check that this version can use a file, and change nothing.

    Returns:
        The cluster it belongs to; None if it has met none yet.

    Raises:
        StoreError: It is damaged or no store, or a newer version wrote it.
    """

    def look(rows: Rows) -> str | None:
        tables = [row[0] for row in rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return looked_at(rows, tables, other="another file", own={})

    try:
        return rows_of_file(path, look)
    except sqlite3.Error as error:
        raise _refusal(path, error) from None


def _refusal(path: Path, error: sqlite3.Error) -> StoreError:
    # This class itself, none below it, says that the file is damaged or no database at all.
    advice = _DAMAGED if type(error) is sqlite3.DatabaseError else ""
    return StoreError(f"store {path}: {error}{advice}")
