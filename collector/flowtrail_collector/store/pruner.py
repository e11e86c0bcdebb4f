"""Deleting what is old, on any of the databases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from flowtrail_collector.store.schema.core import EVENT_MS
from flowtrail_collector.store.sql import Connection, Database, marks

__all__ = ["SqlPruner"]

# Rows are numbered as they were read: a range of numbers is a bounded piece of neighbouring pages.
# The newest stays: SQLite numbers on from it, and would begin anew with none, below what was noted of the others.
_EVENTS = f"""DELETE FROM events WHERE rowid < ? AND rowid <= (SELECT min(event_row) FROM edge_position)
 AND rowid < (SELECT max(rowid) FROM events) AND {EVENT_MS} < ?"""  # noqa: S608 - our own column
_OLDEST = f"SELECT {EVENT_MS} FROM events ORDER BY rowid LIMIT 1"  # noqa: S608
_DUE = f"{_EVENTS.replace('DELETE', 'SELECT count(*)', 1)} AND rowid >= ?"
_FLOWS_DUE = f"{_EVENTS.replace('DELETE', 'SELECT DISTINCT correlation_id', 1)} AND rowid >= ?"
_LEFT = "SELECT count(*) FROM events WHERE rowid >= ? AND rowid < ?"
_SAGAS = """DELETE FROM sagas WHERE (flow, key) IN (
 SELECT flow, key FROM sagas WHERE updated_ms < ? AND (outcome != 'open' OR started_ms IS NULL){}
 ORDER BY updated_ms LIMIT ?)"""

Spare = Callable[[Connection, Collection[str]], set[str]]
"""Those of these correlation ids whose events stay all the same."""


class SqlPruner:
    """`Pruner` on the collector's database.

    Args:
        database: The collector's database.
        spare: Which events stay although they are too old; None for none.
        besides: Outcomes of instances that are left alone.
    """

    def __init__(
        self, database: Database, *, spare: Spare | None = None, besides: Sequence[str] = ()
    ) -> None:
        self._database = database
        self._spare = spare
        self._besides = tuple(besides)
        # Behind the events that stayed: they go with their flows, and aren't looked at again.
        self._after = -1

    def prune_events(self, before_ms: int, limit: int) -> int:
        """See `Pruner.prune_events`; those that stay count as well."""
        with self._database.transaction() as connection:
            (first,) = connection.execute(
                "SELECT min(rowid) FROM events WHERE rowid > ?", (self._after,)
            ).fetchone()
            if first is None:
                return 0
            if self._spare is None:
                return connection.execute(_EVENTS, (first + limit, before_ms)).rowcount
            return self._prune_sparing(connection, self._spare, (first, first + limit), before_ms)

    def prune_sagas(self, before_ms: int, limit: int) -> int:
        """See `Pruner.prune_sagas`."""
        besides = f" AND outcome NOT IN ({marks(self._besides)})" if self._besides else ""
        statement = _SAGAS.format(besides)
        with self._database.transaction() as connection:
            return connection.execute(statement, (before_ms, *self._besides, limit)).rowcount

    def _prune_sparing(
        self, connection: Connection, spare: Spare, rows: tuple[int, int], before_ms: int
    ) -> int:
        first, end = rows
        values = (end, before_ms, first)
        flows = {row[0] for row in connection.execute(_FLOWS_DUE, values).fetchall()} - {None}
        kept = sorted(spare(connection, flows))
        if not kept:
            return connection.execute(f"{_EVENTS} AND rowid >= ?", values).rowcount
        unless = f" AND (correlation_id IS NULL OR correlation_id NOT IN ({marks(kept)}))"
        gone = connection.execute(f"{_EVENTS} AND rowid >= ?{unless}", (*values, *kept)).rowcount
        (stayed,) = connection.execute(_DUE, values).fetchone()
        (left,) = connection.execute(_LEFT, (first, end)).fetchone()
        if stayed < left:  # among them are others, whose time will come
            return gone
        self._after = end - 1
        return gone + int(stayed)

    def oldest_event_ms(self) -> int | None:
        """See `Pruner.oldest_event_ms`."""
        with self._database.read() as connection:
            row = connection.execute(_OLDEST).fetchone()
        return None if row is None else int(row[0])

    def used_bytes(self) -> int:
        """See `Pruner.used_bytes`."""
        return self._database.used_bytes()

    def give_back(self, limit: int) -> bool:
        """See `Pruner.give_back`."""
        return self._database.give_back(limit)
