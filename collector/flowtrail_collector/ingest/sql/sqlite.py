"""The store's port on SQLite."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.dead_letters.sql.letters import add_letters
from flowtrail_collector.errors import FencedError
from flowtrail_collector.events.model import Advance, EventRow, Seen
from flowtrail_collector.ingest.ports import NOTHING_SEEN
from flowtrail_collector.ingest.sql.store import POSITION_COLUMNS, SqlStore, position_row
from flowtrail_collector.ingest.sql.unit import SqlUnit
from flowtrail_collector.metrics.counts import Counts
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.sql import rows as sagas
from flowtrail_collector.sagas.sql.blobs import PYTHON as BLOBS
from flowtrail_collector.sagas.sql.blobs import Blobs
from flowtrail_collector.store.packs.hashes import id_hash
from flowtrail_collector.store.packs.reading import newest_row
from flowtrail_collector.store.packs.writing import PACK_COLUMNS, Packing, made
from flowtrail_collector.store.packs.writing import PYTHON as PACKING
from flowtrail_collector.store.sql import insert_rows, marks
from flowtrail_collector.store.sqlite.database import SqliteDatabase

__all__ = ["SqliteStore"]

_COUNT = """INSERT INTO counters (name, labels, value) VALUES (?, ?, ?)
 ON CONFLICT (name, labels) DO UPDATE SET value = value + excluded.value"""
# Of one that simply completed nothing else changes. By its row, which was just read and lies beside its neighbours in
# time; keys lie anywhere in their index.
_COMPLETE = """UPDATE sagas SET outcome = 'completed', started_ms = ?, ended_ms = ?, waiting = '',
 waiting_since_ms = NULL, next_deadline_ms = NULL, late_events = 0 WHERE rowid = ?"""
_ADD_PACK = f"INSERT INTO event_packs ({PACK_COLUMNS}) VALUES (?, ?, ?, ?)"  # noqa: S608 - our own columns
_ADVANCE = f"""INSERT INTO positions ({POSITION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
 ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset,
 watermark_ms = excluded.watermark_ms, records = records + excluded.records,
 without_type = without_type + excluded.without_type, without_id = without_id + excluded.without_id,
 mapping_problems = mapping_problems + excluded.mapping_problems,
 last_ms = coalesce(excluded.last_ms, last_ms)"""  # noqa: S608 - our own columns


class SqliteUnit(SqlUnit):
    """A unit of work within one SQLite transaction."""

    _connection: sqlite3.Connection

    def __init__(self, connection: sqlite3.Connection, packing: Packing, blobs: Blobs) -> None:
        super().__init__(connection)
        self._packing = packing
        self._blobs = blobs
        self._row_of: dict[tuple[str, str], int] = {}

    def load_sagas(self, keys: Iterable[SagaKey]) -> dict[SagaKey, SagaRecord]:
        """See `Unit.load_sagas`."""
        return sagas.load(self._connection, keys, self._blobs)

    def due_sagas(self, until_ms: int, limit: int, flows: Iterable[str], *, others: bool) -> list[SagaRecord]:
        """See `SagaUnit.due_sagas`."""
        names = list(flows)
        # The plus keeps SQLite to the index of deadlines.
        statement = f"""SELECT {sagas.COLUMNS}, rowid FROM sagas WHERE next_deadline_ms <= ?
 AND +flow {"NOT" if others else ""} IN ({marks(names)}) ORDER BY next_deadline_ms LIMIT ?"""  # noqa: S608
        rows = self._connection.execute(statement, (until_ms, *names, limit)).fetchall()
        self._row_of.update({(row[0], row[1]): row[-1] for row in rows})
        return [sagas.to_record(row, self._blobs) for row in rows]

    def take_sagas(self, keys: Iterable[SagaKey]) -> tuple[dict[SagaKey, SagaRecord], set[SagaKey]]:
        """See `SagaUnit.take_sagas`; a SQLite file has one writer."""
        return sagas.load(self._connection, keys, self._blobs), set()

    def save_sagas(self, records: Iterable[SagaRecord]) -> None:
        """See `Unit.save_sagas`."""
        sagas.save(self._connection, records, self._blobs)

    def settle_sagas(self, records: Iterable[SagaRecord]) -> None:
        """See `SagaUnit.settle_sagas`."""
        sagas.settle(self._connection, records)

    def complete_sagas(self, records: Iterable[SagaRecord]) -> None:
        """See `SagaUnit.complete_sagas`."""
        self._connection.executemany(
            _COMPLETE,
            [(saga.started_ms, saga.ended_ms, self._row_of[saga.flow, saga.row_key]) for saga in records],
        )

    def add_events(self, events: Iterable[EventRow], hash_of: Callable[[str], int] = id_hash) -> None:
        """See `Unit.add_events`."""
        row = newest_row(self._connection) + 1
        packs = []
        for pack in made(events, hash_of, until_ms=int(time.time() * 1000), by=self._packing):
            packs.append((row, pack))
            row += pack.events
        self._connection.executemany(_ADD_PACK, [(number, *pack[:3]) for number, pack in packs])
        insert_rows(self._connection, "INSERT INTO event_ids (key, pack)", self._packing.id_rows(packs))

    def add_dead_letters(self, letters: Iterable[DeadLetter]) -> None:
        """See `Unit.add_dead_letters`."""
        add_letters(self._connection, letters)

    def count(self, increments: Counts) -> None:
        """See `Unit.count`."""
        self._connection.executemany(
            _COUNT, [(name, json.dumps(labels), value) for (name, labels), value in increments.items()]
        )

    def advance(
        self, advances: Iterable[Advance], seen: Mapping[tuple[str, int], Seen] = NOTHING_SEEN
    ) -> None:
        """See `Unit.advance`."""
        for advance in advances:
            topic, partition, expected = advance[:3]
            row = self._connection.execute(
                "SELECT next_offset FROM positions WHERE topic = ? AND partition = ?", (topic, partition)
            ).fetchone()
            stored = row[0] if row else None
            if stored != expected:
                raise FencedError(f"{topic}-{partition} stands at {stored}, not at {expected}")
            self._connection.execute(_ADVANCE, position_row(advance, seen))


class SqliteStore(SqlStore):
    """`Store` on one SQLite file; for `packing` and `blobs` see `store_on`."""

    def __init__(self, database: SqliteDatabase, packing: Packing = PACKING, blobs: Blobs = BLOBS) -> None:
        super().__init__(database)
        self._file = database
        self._packing = packing
        self._blobs = blobs

    @contextmanager
    def unit(self) -> Iterator[SqliteUnit]:
        """See `Store.unit`."""
        with self._file.transaction() as connection:
            yield SqliteUnit(connection, self._packing, self._blobs)
