"""Deduplication that survives a restart."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from flowtrail import _fork
from flowtrail._clock import now_ms
from flowtrail.dedupe._port import By, Identified, check_by, event_key
from flowtrail.dedupe._table import HandledEvents

_BUSY_SECONDS = 30.0


class SqliteDedupe:
    """Remembers handled events in a SQLite file of its own, shared by all processes that open it.

    Args:
        path: The file; created if need be.
        by: `id` or `sequence`; see `event_key`.
        keep_seconds: Events are forgotten after this time; longer than a topic retains its records is enough.
        table: Where they are remembered.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        by: By = "id",
        keep_seconds: float = 14 * 86400,
        table: str = "flowtrail_dedupe",
    ) -> None:
        check_by(by)
        self._by = by
        self._table = HandledEvents(table)
        self._keep_ms = int(keep_seconds * 1000)
        self._marked = 0
        self._lock = threading.Lock()
        self._path = path
        self._connection = self._open()
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute(self._table.create("INTEGER") + " WITHOUT ROWID")
        _fork.in_child(self._forked)

    def _open(self) -> sqlite3.Connection:
        # One connection, used by one thread at a time: look-ups take microseconds.
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        # A crash of the machine may lose the last marks, and then repeat those events.
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    def _forked(self) -> None:
        """A connection of SQLite's may not be used, nor closed, in a forked child."""
        _fork.free(self._lock)
        if str(self._path) != ":memory:":
            _fork.leave_behind(self._connection)
            self._connection = self._open()

    def key(self, event: Identified) -> str:
        """See `Dedupe.key`."""
        return event_key(event, self._by)

    def is_handled(self, consumer: str, key: str) -> bool:
        """See `Dedupe.is_handled`."""
        statement = f"SELECT 1 FROM {self._table.name} WHERE consumer = ? AND event_key = ?"  # noqa: S608
        with self._lock, closing(self._connection.execute(statement, (consumer, key))) as cursor:
            return cursor.fetchone() is not None

    def mark_handled(self, consumer: str, key: str) -> None:
        """See `Dedupe.mark_handled`."""
        handled_at_ms = now_ms()
        with self._lock:
            self._connection.execute(self._table.insert, (consumer, key, handled_at_ms))
            self._marked += 1
            if self._marked % 10_000 == 0:
                self._connection.execute(
                    f"DELETE FROM {self._table.name} WHERE handled_at_ms < ?",  # noqa: S608
                    (handled_at_ms - self._keep_ms,),
                )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
