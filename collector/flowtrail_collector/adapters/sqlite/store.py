"""The store's port on SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from flowtrail_collector.adapters.sqlite import sagas
from flowtrail_collector.adapters.sqlite.database import Database
from flowtrail_collector.errors import FencedError
from flowtrail_collector.ports.store import (
    Advance,
    Counts,
    DeadLetterRecord,
    EventRow,
    Position,
    SagaFigures,
    SagaKey,
    SagaRecord,
)

__all__ = ["SqliteStore"]

_ADD_EVENT = f"INSERT INTO events VALUES ({','.join('?' * 17)})"  # noqa: S608
_LETTER_COLUMNS = """topic, partition, position, timestamp_ms, event_id, type, subject, correlation_id, state,
 convention, source_topic, source_partition, source_offset, source_timestamp_ms, consumer_group, attempts,
 replays, error_type, error_message, failed_ms"""
_ADD_LETTER = f"INSERT OR IGNORE INTO dead_letters ({_LETTER_COLUMNS}) VALUES ({','.join('?' * 20)})"  # noqa: S608
_WAITING = """SELECT flow, waiting, count(*), min(waiting_since_ms) FROM sagas
 WHERE outcome = 'open' AND waiting != '' AND started_ms IS NOT NULL GROUP BY flow, waiting"""
_OPEN = """SELECT flow, sum(started_ms IS NOT NULL), sum(started_ms IS NULL),
 sum(breached != '' AND started_ms IS NOT NULL), sum(flags & 2 != 0)
 FROM sagas WHERE outcome = 'open' GROUP BY flow"""
_COUNT = """INSERT INTO counters (name, labels, value) VALUES (?, ?, ?)
 ON CONFLICT (name, labels) DO UPDATE SET value = value + excluded.value"""


class SqliteUnit:
    """A unit of work within one SQLite transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def load_sagas(self, keys: Iterable[SagaKey]) -> dict[SagaKey, SagaRecord]:
        """See `Unit.load_sagas`."""
        return sagas.load(self._connection, keys)

    def due_sagas(self, until_ms: int, limit: int) -> list[SagaRecord]:
        """See `Unit.due_sagas`."""
        where = "next_deadline_ms <= ? ORDER BY next_deadline_ms"
        return sagas.read_sagas(self._connection, where, (until_ms,), limit)

    def save_sagas(self, records: Iterable[SagaRecord]) -> None:
        """See `Unit.save_sagas`."""
        sagas.save(self._connection, records)

    def add_events(self, events: Iterable[EventRow]) -> None:
        """See `Unit.add_events`."""
        self._connection.executemany(_ADD_EVENT, events)

    def add_dead_letters(self, letters: Iterable[DeadLetterRecord]) -> None:
        """See `Unit.add_dead_letters`."""
        self._connection.executemany(_ADD_LETTER, [_letter_row(record) for record in letters])

    def count(self, increments: Counts) -> None:
        """See `Unit.count`."""
        self._connection.executemany(
            _COUNT, [(name, json.dumps(labels), value) for (name, labels), value in increments.items()]
        )

    def advance(self, advances: Iterable[Advance]) -> None:
        """See `Unit.advance`."""
        for topic, partition, expected, next_offset, watermark_ms in advances:
            row = self._connection.execute(
                "SELECT next_offset FROM positions WHERE topic = ? AND partition = ?", (topic, partition)
            ).fetchone()
            stored = row[0] if row else None
            if stored != expected:
                raise FencedError(f"{topic}-{partition} stands at {stored}, not at {expected}")
            self._connection.execute(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)",
                (topic, partition, next_offset, watermark_ms),
            )


class SqliteStore:
    """`Store` on one SQLite file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def unit(self) -> Iterator[SqliteUnit]:
        """See `Store.unit`."""
        with self._database.transaction() as connection:
            yield SqliteUnit(connection)

    def positions(self) -> dict[tuple[str, int], Position]:
        """See `Store.positions`."""
        rows = self._rows("SELECT topic, partition, next_offset, watermark_ms FROM positions")
        return {(topic, partition): Position(*rest) for topic, partition, *rest in rows}

    def forget_topics(self, topics: Sequence[str]) -> None:
        """See `Store.forget_topics`."""
        with self._database.transaction() as connection:
            for table in ("positions", "topics"):
                connection.executemany(f"DELETE FROM {table} WHERE topic = ?", [(name,) for name in topics])  # noqa: S608

    def topic_ids(self) -> dict[str, str]:
        """See `Store.topic_ids`."""
        return dict(self._rows("SELECT topic, id FROM topics"))

    def remember_topic_ids(self, ids: Mapping[str, str]) -> None:
        """See `Store.remember_topic_ids`."""
        with self._database.transaction() as connection:
            connection.executemany(
                "DELETE FROM positions WHERE topic = ? AND topic IN (SELECT topic FROM topics WHERE id != ?)",
                ids.items(),
            )
            connection.executemany("INSERT OR REPLACE INTO topics VALUES (?, ?)", ids.items())

    def saga_figures(self) -> SagaFigures:
        """See `Store.saga_figures`."""
        with self._database.read() as connection:
            counts = _counters(connection, "saga_")
            waiting = connection.execute(_WAITING).fetchall()
            open_rows = connection.execute(_OPEN).fetchall()
        steps: dict[tuple[str, str], tuple[int, int]] = {}
        for flow, names, count, since in waiting:
            for step in names.split(","):
                known, oldest = steps.get((flow, step), (0, since))
                steps[flow, step] = (known + count, min(oldest, since))
        kinds = ("open", "partial", "stuck", "uncompensated")
        return SagaFigures(
            counts,
            [(flow, step, count, since) for (flow, step), (count, since) in steps.items()],
            [(flow, kind, int(n)) for flow, *sums in open_rows for kind, n in zip(kinds, sums, strict=True)],
        )

    def counters(self, prefix: str) -> Counts:
        """See `Store.counters`."""
        with self._database.read() as connection:
            return _counters(connection, prefix)

    def pending_dead_letters(self) -> list[tuple[str, str, str, int, int | None]]:
        """See `Store.pending_dead_letters`."""
        rows = self._rows(
            "SELECT topic, coalesce(source_topic, ''), coalesce(consumer_group, ''), count(*),"
            " min(timestamp_ms) FROM dead_letters WHERE state = 'pending' GROUP BY 1, 2, 3"
        )
        return [(topic, source, group, count, oldest) for topic, source, group, count, oldest in rows]

    def size_bytes(self) -> int:
        """See `Store.size_bytes`."""
        return self._database.size_bytes()

    def _rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._database.read() as connection:
            return connection.execute(statement, values).fetchall()


def _counters(connection: sqlite3.Connection, prefix: str) -> Counts:
    rows = connection.execute(
        "SELECT name, labels, value FROM counters WHERE name >= ? AND name < ?", (prefix, prefix + "\uffff")
    )
    return {(name, tuple(json.loads(labels))): value for name, labels, value in rows}


def _letter_row(record: DeadLetterRecord) -> tuple[object, ...]:
    letter = record.letter
    return (
        *record[:8],
        record.state,
        letter.convention,
        letter.topic,
        letter.partition,
        letter.offset,
        letter.timestamp_ms,
        letter.group,
        letter.attempts,
        letter.replays,
        letter.error_type,
        letter.error_message,
        letter.failed_ms,
    )
