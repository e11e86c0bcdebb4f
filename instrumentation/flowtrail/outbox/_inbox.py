"""Deduplication in the handler's own transaction: every effect exactly once."""

from __future__ import annotations

import time
from contextlib import closing

from flowtrail.dedupe._port import By, Identified, check_by, event_key
from flowtrail.outbox._sql import Connection, dialect_of, table_name


class Inbox:
    """Remembers handled events in the database that the handler writes to.

    The row and the handler's own changes commit together or not at all, so a redelivered event changes
    nothing, wherever the process was killed.

    Args:
        consumer: Who handles; events are remembered per consumer. Usually the group.
        table: Where events are remembered.
        by: What identifies an event: `id` (source and id) or `sequence` (source, subject and sequence).
    """

    def __init__(self, consumer: str, table: str = "flowtrail_inbox", *, by: By = "id") -> None:
        check_by(by)
        self._consumer = consumer
        self._table = table_name(table)
        self._by = by

    def create_table(self, connection: Connection) -> None:
        """Create the table unless it is there; the caller commits."""
        dialect = dialect_of(connection)
        with closing(connection.cursor()) as cursor:
            cursor.execute(
                f"CREATE TABLE IF NOT EXISTS {self._table} (consumer TEXT NOT NULL, event_key TEXT NOT NULL,"
                f" handled_at_ms {dialect.integer} NOT NULL, PRIMARY KEY (consumer, event_key))"
            )

    def accept(self, connection: Connection, event: Identified) -> bool:
        """Note an event as handled, in the caller's transaction.

        Args:
            connection: The caller's connection; it isn't committed.
            event: The event that is about to be handled.

        Returns:
            False if this consumer has handled the event already: there is nothing to do.
        """
        with closing(connection.cursor()) as cursor:
            cursor.execute(
                dialect_of(connection).sql(
                    f"INSERT INTO {self._table} (consumer, event_key, handled_at_ms)"  # noqa: S608
                    " VALUES (?, ?, ?) ON CONFLICT (consumer, event_key) DO NOTHING"
                ),
                (self._consumer, event_key(event, self._by), time.time_ns() // 1_000_000),
            )
            return bool(cursor.rowcount == 1)

    def forget(self, connection: Connection, *, older_than_seconds: float) -> int:
        """Delete what was handled longer ago; the caller commits. Returns how many rows that were.

        Keep more than the time for which a topic's records are retained, and redriven.
        """
        before_ms = time.time_ns() // 1_000_000 - int(older_than_seconds * 1000)
        with closing(connection.cursor()) as cursor:
            cursor.execute(
                dialect_of(connection).sql(
                    f"DELETE FROM {self._table} WHERE consumer = ? AND handled_at_ms < ?"  # noqa: S608
                ),
                (self._consumer, before_ms),
            )
            return int(cursor.rowcount)
