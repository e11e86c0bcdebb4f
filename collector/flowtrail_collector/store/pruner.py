"""Deleting what is old, on any of the databases."""

from __future__ import annotations

from flowtrail_collector.store.schema.core import EVENT_MS
from flowtrail_collector.store.sql import Database

__all__ = ["SqlPruner"]

# Rows are numbered as they were read: a range of numbers is a bounded piece of neighbouring pages.
# The newest stays: SQLite numbers on from it, and would begin anew with none, below what was noted of the others.
_EVENTS = f"""DELETE FROM events WHERE rowid < ? AND rowid <= (SELECT min(event_row) FROM edge_position)
 AND rowid < (SELECT max(rowid) FROM events) AND {EVENT_MS} < ?"""  # noqa: S608 - our own column
_OLDEST = f"SELECT {EVENT_MS} FROM events ORDER BY rowid LIMIT 1"  # noqa: S608
_SAGAS = """DELETE FROM sagas WHERE (flow, key) IN (
 SELECT flow, key FROM sagas WHERE updated_ms < ? AND (outcome != 'open' OR started_ms IS NULL)
 ORDER BY updated_ms LIMIT ?)"""


class SqlPruner:
    """`Pruner` on the collector's database.

    Args:
        database: The collector's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def prune_events(self, before_ms: int, limit: int) -> int:
        """See `Pruner.prune_events`."""
        with self._database.transaction() as connection:
            (first,) = connection.execute("SELECT min(rowid) FROM events").fetchone()
            if first is None:
                return 0
            return connection.execute(_EVENTS, (first + limit, before_ms)).rowcount

    def prune_sagas(self, before_ms: int, limit: int) -> int:
        """See `Pruner.prune_sagas`."""
        with self._database.transaction() as connection:
            return connection.execute(_SAGAS, (before_ms, limit)).rowcount

    def oldest_event_ms(self) -> int | None:
        """See `Pruner.oldest_event_ms`."""
        with self._database.read() as connection:
            row = connection.execute(_OLDEST).fetchone()
        return None if row is None else int(row[0])

    def used_bytes(self) -> int:
        """See `Pruner.used_bytes`."""
        return self._database.used_bytes()
