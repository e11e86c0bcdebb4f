"""Deleting what is old, on any of the databases."""

from __future__ import annotations

from flowtrail_collector.store.packs.hashes import first_key, segment_of
from flowtrail_collector.store.sql import Database

__all__ = ["SqlPruner"]

# A pack goes as a whole, when its last event is old, and once it was looked through for edges.
# The newest stays: SQLite numbers on from it, and would begin anew with none, below what was noted of the others.
_OLD = """SELECT first_row, events FROM event_packs
 WHERE newest_ms < ? AND first_row + events - 1 <= (SELECT min(event_row) FROM edge_position)
 AND first_row < (SELECT max(first_row) FROM event_packs) ORDER BY newest_ms, first_row LIMIT ?"""
_OLDEST = "SELECT min(newest_ms) FROM event_packs"
_FIRST = "SELECT min(first_row) FROM event_packs"
_IDS = """DELETE FROM event_ids WHERE key < ? AND key <= (
 SELECT coalesce(max(key), 0) FROM (SELECT key FROM event_ids ORDER BY key LIMIT ?) AS first)"""
_IDS_AT_ONCE = 20_000
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
            gone, packs = 0, []
            for first_row, events in connection.execute(_OLD, (before_ms, limit)).fetchall():
                packs.append((first_row,))
                gone += events
                if gone >= limit:
                    break
            connection.executemany("DELETE FROM event_packs WHERE first_row = ?", packs)
        if gone < limit:
            self._forget_ids()
        return gone

    def _forget_ids(self) -> None:
        """Forget the ids of segments all of whose packs are gone; those of other packs find nothing until then."""
        gone = _IDS_AT_ONCE
        while gone >= _IDS_AT_ONCE:
            with self._database.transaction() as connection:
                first = connection.execute(_FIRST).fetchone()[0] or 0
                gone = connection.execute(_IDS, (first_key(segment_of(first)), _IDS_AT_ONCE)).rowcount

    def prune_sagas(self, before_ms: int, limit: int) -> int:
        """See `Pruner.prune_sagas`."""
        with self._database.transaction() as connection:
            return connection.execute(_SAGAS, (before_ms, limit)).rowcount

    def oldest_event_ms(self) -> int | None:
        """See `Pruner.oldest_event_ms`."""
        with self._database.read() as connection:
            row = connection.execute(_OLDEST).fetchone()
        return None if row[0] is None else int(row[0])

    def used_bytes(self) -> int:
        """See `Pruner.used_bytes`."""
        return self._database.used_bytes()
