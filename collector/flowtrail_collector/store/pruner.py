"""Deleting what is old, on any of the databases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from flowtrail_collector.store.packs.hashes import first_key, segment_of
from flowtrail_collector.store.packs.reading import packs_at
from flowtrail_collector.store.packs.thinning import thin_out
from flowtrail_collector.store.sql import Connection, Database, marks

__all__ = ["SqlPruner"]

# A pack goes as a whole, when its last event is old, and once it was looked through for edges.
# The newest stays: SQLite numbers on from it, and would begin anew with none, below what was noted of the others.
_GOES = """first_row + events - 1 <= (SELECT min(event_row) FROM edge_position)
 AND first_row < (SELECT max(first_row) FROM event_packs)"""
_OLD = f"""SELECT first_row, events FROM event_packs WHERE newest_ms < ? AND {_GOES}
 ORDER BY newest_ms, first_row LIMIT ?"""  # noqa: S608 - our own columns
_NEXT = f"""SELECT first_row, events, newest_ms FROM event_packs WHERE first_row > ? AND {_GOES}
 ORDER BY first_row LIMIT ?"""  # noqa: S608
_OLDEST = "SELECT min(newest_ms) FROM event_packs"
_FIRST = "SELECT min(first_row) FROM event_packs"
_IDS = """DELETE FROM event_ids WHERE key < ? AND key <= (
 SELECT coalesce(max(key), 0) FROM (SELECT key FROM event_ids ORDER BY key LIMIT ?) AS first)"""
_IDS_AT_ONCE = 20_000
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
        # The last pack of which events may have stayed: they go with their flows, and aren't looked at again.
        self._after = -1

    def prune_events(self, before_ms: int, limit: int) -> int:
        """See `Pruner.prune_events`; what was forgotten of a pack before counts as well, and what stays."""
        if self._spare is None:
            gone = self._prune(before_ms, limit)
        else:
            gone = self._prune_sparing(self._spare, before_ms, limit)
        if gone < limit:
            self._forget_ids()
        return gone

    def _prune(self, before_ms: int, limit: int) -> int:
        gone, packs = 0, []
        with self._database.transaction() as connection:
            for first_row, events in connection.execute(_OLD, (before_ms, limit)).fetchall():
                packs.append((first_row,))
                gone += events
                if gone >= limit:
                    break
            connection.executemany("DELETE FROM event_packs WHERE first_row = ?", packs)
        return gone

    def _prune_sparing(self, spare: Spare, before_ms: int, limit: int) -> int:
        with self._database.transaction() as connection:
            due, count = self._due(connection, before_ms, limit)
            flows = {flow for pack in packs_at(connection, due) for flow in pack.column("correlation_id")}
            kept = spare(connection, flows - {None})
            gone = thin_out(connection, due, lambda flow: flow not in kept)
        if count < limit:
            return gone
        self._after = due[-1]
        return count

    def _due(self, connection: Connection, before_ms: int, limit: int) -> tuple[list[int], int]:
        """The next packs in the order they were read, until one whose time will come; how many events they were."""
        due: list[int] = []
        count = 0
        for first_row, events, newest_ms in connection.execute(_NEXT, (self._after, limit)).fetchall():
            if newest_ms >= before_ms or count >= limit:
                break
            due.append(first_row)
            count += events
        return due, count

    def _forget_ids(self) -> None:
        """Forget the ids of segments all of whose packs are gone; those of other packs find nothing until then."""
        gone = _IDS_AT_ONCE
        while gone >= _IDS_AT_ONCE:
            with self._database.transaction() as connection:
                first = connection.execute(_FIRST).fetchone()[0] or 0
                gone = connection.execute(_IDS, (first_key(segment_of(first)), _IDS_AT_ONCE)).rowcount

    def prune_sagas(self, before_ms: int, limit: int) -> int:
        """See `Pruner.prune_sagas`."""
        besides = f" AND outcome NOT IN ({marks(self._besides)})" if self._besides else ""
        statement = _SAGAS.format(besides)
        with self._database.transaction() as connection:
            return connection.execute(statement, (before_ms, *self._besides, limit)).rowcount

    def oldest_event_ms(self) -> int | None:
        """See `Pruner.oldest_event_ms`."""
        with self._database.read() as connection:
            row = connection.execute(_OLDEST).fetchone()
        return None if row[0] is None else int(row[0])

    def used_bytes(self) -> int:
        """See `Pruner.used_bytes`."""
        return self._database.used_bytes()

    def give_back(self, limit: int) -> bool:
        """See `Pruner.give_back`."""
        return self._database.give_back(limit)
