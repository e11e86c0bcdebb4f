"""Deduplication in the handler's own transaction: every effect exactly once."""

from __future__ import annotations

from flowtrail._clock import now_ms
from flowtrail._sql import Connection, dialect_of, execute, in_transaction
from flowtrail.dedupe._port import By, Identified, check_by, event_key
from flowtrail.dedupe._table import HandledEvents


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
        self._table = HandledEvents(table)
        self._by = by

    def create_table(self, connection: Connection) -> None:
        """Create the table unless it is there; the caller commits."""
        execute(connection, self._table.create(dialect_of(connection).integer))

    def accept(self, connection: Connection, event: Identified) -> bool:
        """Note an event as handled, in the caller's transaction.

        Args:
            connection: The caller's connection, see `Outbox.add`; it isn't committed.
            event: The event that is about to be handled.

        Returns:
            False if this consumer has handled the event already: there is nothing to do.

        Raises:
            ConfigurationError: The connection commits each statement by itself (Django outside of `atomic`).
        """
        in_transaction(connection)
        key = event_key(event, self._by)
        return execute(connection, self._table.insert, (self._consumer, key, now_ms())) == 1

    def forget(self, connection: Connection, *, older_than_seconds: float) -> int:
        """Delete what was handled longer ago; the caller commits. Returns how many rows that were.

        Keep more than the time for which a topic's records are retained, and redriven.
        """
        before_ms = now_ms() - int(older_than_seconds * 1000)
        statement = f"DELETE FROM {self._table.name} WHERE consumer = ? AND handled_at_ms < ?"  # noqa: S608
        return execute(connection, statement, (self._consumer, before_ms))
