"""The store's port on PostgreSQL, for one worker or many.

A unit is one transaction at READ COMMITTED. What makes it exact: a position only moves from the value this
worker began with; instances are locked before they are read; events and positions commit together.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.dead_letters.sql.letters import add_letters
from flowtrail_collector.errors import FencedError
from flowtrail_collector.events.model import Advance, EventRow, Seen
from flowtrail_collector.ingest.ports import NOTHING_SEEN
from flowtrail_collector.ingest.sql.store import POSITION_COLUMNS, SqlStore, position_row
from flowtrail_collector.ingest.sql.unit import SqlUnit
from flowtrail_collector.metrics.counts import Counts
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.model.shapes import Looked
from flowtrail_collector.sagas.sql import postgres as sagas
from flowtrail_collector.sagas.sql.blobs import PYTHON as BLOBS
from flowtrail_collector.sagas.sql.blobs import Blobs
from flowtrail_collector.store.packs.hashes import id_hash
from flowtrail_collector.store.packs.writing import PACK_COLUMNS, Packing, made
from flowtrail_collector.store.packs.writing import PYTHON as PACKING
from flowtrail_collector.store.postgres.arrays import numbers, texts
from flowtrail_collector.store.postgres.database import EVENTS_LOCK, PostgresConnection, PostgresDatabase

__all__ = ["PostgresStore"]

_COPY_PACKS = f"COPY event_packs ({PACK_COLUMNS}) FROM STDIN"
_COPY_IDS = "COPY event_ids (key, pack) FROM STDIN"
# Each pack has a range of numbers of its own, which the sequence steps over.
_NUMBERS = "SELECT nextval('event_rows') FROM generate_series(1, ?)"
# One of 64 shares per connection: workers that counted in the same rows would wait for each other's commits.
_COUNT = """INSERT INTO counters (name, labels, value, shard)
 SELECT name, labels, value, mod(pg_backend_pid(), 64)
 FROM unnest(%s::text[], %s::text[], %s::float8[]) AS n (name, labels, value) ORDER BY name, labels
 ON CONFLICT (name, labels, shard) DO UPDATE SET value = counters.value + excluded.value"""
_ADVANCE = f"""UPDATE positions p SET next_offset = n.next_offset, watermark_ms = n.watermark_ms,
 records = p.records + n.records, without_type = p.without_type + n.without_type,
 without_id = p.without_id + n.without_id, mapping_problems = p.mapping_problems + n.mapping_problems,
 last_ms = coalesce(n.last_ms, p.last_ms)
 FROM unnest(%s::text[]{", %s::bigint[]" * 9}) AS n ({POSITION_COLUMNS}, expected)
 WHERE p.topic = n.topic AND p.partition = n.partition AND p.next_offset = n.expected"""  # noqa: S608
_BEGIN_PARTITION = f"""INSERT INTO positions ({POSITION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
 ON CONFLICT DO NOTHING"""  # noqa: S608 - our own columns
_STANDS_AT = "SELECT next_offset FROM positions WHERE topic = ? AND partition = ?"


class PostgresUnit(SqlUnit):
    """A unit of work within one transaction."""

    _connection: PostgresConnection
    _glances = f"{SqlUnit._glances} FOR UPDATE"

    def __init__(self, connection: PostgresConnection, packing: Packing, blobs: Blobs) -> None:
        super().__init__(connection)
        self._packing = packing
        self._blobs = blobs
        self._looked_for: set[SagaKey] = set()
        self._locked: set[SagaKey] = set()

    def load_sagas(self, keys: Iterable[SagaKey]) -> dict[SagaKey, SagaRecord]:
        """See `Unit.load_sagas`."""
        wanted = list(keys)
        found = sagas.load(self._connection.raw, wanted, self._blobs)
        self._looked_for.update(wanted)
        self._locked.update(found)
        return found

    def due_sagas(self, until_ms: int, limit: int, flows: Iterable[str], *, others: bool) -> list[SagaRecord]:
        """See `SagaUnit.due_sagas`."""
        found = sagas.due(self._connection.raw, until_ms, limit, flows, others=others, by=self._blobs)
        self._locked.update(SagaKey(saga.flow, saga.row_key) for saga in found)
        return found

    def take_sagas(self, keys: Iterable[SagaKey]) -> tuple[dict[SagaKey, SagaRecord], set[SagaKey]]:
        """See `SagaUnit.take_sagas`."""
        wanted = list(keys)
        found, held = sagas.take(self._connection.raw, wanted, self._blobs)
        self._looked_for.update(wanted)
        self._locked.update(found)
        return found, held

    def note_open(self, flow: str, looked: Looked) -> None:
        """See `SagaUnit.note_open`."""
        sagas.note(self._connection.raw, flow, looked)

    def save_sagas(self, records: Iterable[SagaRecord]) -> None:
        """See `Unit.save_sagas`.

        Raises:
            StoreConflictError: Another worker began one of the instances that `load_sagas` didn't find.
        """
        new, there, unknown = [], [], []
        for saga in records:
            key = SagaKey(saga.flow, saga.row_key)
            if key in self._locked:
                there.append(saga)
            elif key in self._looked_for:
                new.append(saga)
                self._locked.add(key)
            else:
                unknown.append(saga)
        if there:
            sagas.replace(self._connection.raw, there, locked=True, by=self._blobs)
        if new:
            sagas.insert(self._connection.raw, new, self._blobs)
        if unknown:
            sagas.replace(self._connection.raw, unknown, locked=False, by=self._blobs)

    def settle_sagas(self, records: Iterable[SagaRecord]) -> None:
        """See `SagaUnit.settle_sagas`; PostgreSQL writes each row whole anyway."""
        self.save_sagas(records)

    def complete_sagas(self, records: Iterable[SagaRecord]) -> None:
        """See `SagaUnit.complete_sagas`."""
        self.save_sagas(records)

    def add_events(self, events: Iterable[EventRow], hash_of: Callable[[str], int] = id_hash) -> None:
        """See `Unit.add_events`."""
        until_ms = int(time.time() * 1000)
        has_nul = self._packing.has_nul
        storable = [_without_nul(event) if has_nul(event) else event for event in events]
        packs = list(made(storable, hash_of, until_ms=until_ms, by=self._packing))
        # Told to wait by whoever asks for the newest row (`PostgresDatabase.newest_event_row`).
        self._connection.execute(f"SELECT pg_advisory_xact_lock_shared({EVENTS_LOCK})")
        numbers = [row[0] for row in self._connection.execute(_NUMBERS, (len(packs),))]
        numbered = list(zip(sorted(numbers), packs, strict=True))
        lines = [
            f"{row}\t{pack.events}\t{pack.newest_ms}\t\\\\x{pack.body.hex()}\n" for row, pack in numbered
        ]
        ids = [f"{key}\t{row}\n" for key, row in self._packing.id_rows(numbered)]
        for statement, text in ((_COPY_PACKS, lines), (_COPY_IDS, ids)):
            with self._connection.raw.cursor() as cursor, cursor.copy(statement) as copy:
                copy.write("".join(text).encode())

    def add_dead_letters(self, letters: Iterable[DeadLetter]) -> None:
        """See `Unit.add_dead_letters`."""
        add_letters(self._connection, sorted(letters, key=lambda letter: letter.place))

    def count(self, increments: Counts) -> None:
        """See `Unit.count`. The rows stay locked until the end of the unit, so it comes last."""
        names = [name for name, _ in increments]
        labels = [json.dumps(values) for _, values in increments]
        values = numbers([float(value) for value in increments.values()])
        self._connection.raw.execute(_COUNT, (texts(names), texts(labels), values))

    def advance(
        self, advances: Iterable[Advance], seen: Mapping[tuple[str, int], Seen] = NOTHING_SEEN
    ) -> None:
        """See `Unit.advance`."""
        ordered = sorted(advances, key=lambda advance: advance[:2])
        begun = [advance for advance in ordered if advance.expected is None]
        for advance in begun:
            if self._connection.execute(_BEGIN_PARTITION, position_row(advance, seen)).rowcount != 1:
                self._fenced(ordered)
        moved = [advance for advance in ordered if advance.expected is not None]
        if moved:
            rows = [(*position_row(advance, seen), advance.expected) for advance in moved]
            topics, *rest = zip(*rows, strict=True)
            columns = (texts(topics), *map(numbers, rest))
            if self._connection.raw.execute(_ADVANCE, columns).rowcount != len(moved):
                self._fenced(moved)

    def _fenced(self, advances: Sequence[Advance]) -> None:
        for topic, partition, expected, *_ in advances:
            row = self._connection.execute(_STANDS_AT, (topic, partition)).fetchone()
            stored = row[0] if row else None
            if stored != expected:
                raise FencedError(f"{topic}-{partition} stands at {stored}, not at {expected}")
        raise FencedError("a position was moved by another worker")


def _without_nul(event: EventRow) -> EventRow:
    """With the texts that instances and dead letters keep: there is no NUL in PostgreSQL's."""
    values: list[Any] = [
        value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in event
    ]
    return EventRow(*values)


class PostgresStore(SqlStore):
    """`Store` on PostgreSQL; for `packing` and `blobs` see `store_on`."""

    def __init__(self, database: PostgresDatabase, packing: Packing = PACKING, blobs: Blobs = BLOBS) -> None:
        super().__init__(database)
        self._postgres = database
        self._packing = packing
        self._blobs = blobs

    @contextmanager
    def unit(self) -> Iterator[PostgresUnit]:
        """See `Store.unit`."""
        with self._postgres.unit() as connection:
            yield PostgresUnit(connection, self._packing, self._blobs)
