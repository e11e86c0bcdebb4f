"""The store's port on SQL: what does not differ between databases."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from flowtrail_collector.events.model import Position
from flowtrail_collector.metrics.counts import Counts
from flowtrail_collector.sagas.ports import SagaFigures
from flowtrail_collector.store.sql import Connection, Database

__all__ = ["SqlStore"]

# The index `sagas_by_outcome` has all of it, in this order.
_OPEN = """SELECT flow, waiting, count(*), count(started_ms),
 count(CASE WHEN flags & 8 != 0 THEN started_ms END), count(CASE WHEN flags & 2 != 0 THEN 1 END),
 min(CASE WHEN started_ms IS NOT NULL THEN waiting_since_ms END)
 FROM sagas WHERE outcome = 'open' GROUP BY flow, waiting"""
_LATE = """SELECT flow, waiting, breached, count(*) FROM sagas
 WHERE outcome = 'open' AND flags & 8 != 0 AND started_ms IS NOT NULL
 GROUP BY flow, waiting, breached"""
_LATE_GIVEN_UP = """SELECT DISTINCT sagas.flow, sagas.waiting, sagas.breached,
 coalesce(dead_letters.consumer_group, ''), sagas.key
 FROM dead_letters JOIN sagas ON sagas.key = dead_letters.correlation_id
 WHERE dead_letters.state = 'pending' AND sagas.outcome = 'open' AND sagas.flags & 8 != 0
 AND sagas.started_ms IS NOT NULL"""
_REMEMBER_TOPIC = "INSERT INTO topics VALUES (?, ?) ON CONFLICT (topic) DO UPDATE SET id = excluded.id"


class SqlStore:
    """What is the same for every database; a subclass adds `unit`.

    Args:
        database: Where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def positions(self) -> dict[tuple[str, int], Position]:
        """See `Store.positions`."""
        rows = self._rows("SELECT topic, partition, next_offset, watermark_ms FROM positions")
        return {(topic, partition): Position(*rest) for topic, partition, *rest in rows}

    def watermark_ms(self) -> int | None:
        """See `SagaStore.watermark_ms`."""
        ((least,),) = self._rows("SELECT min(watermark_ms) FROM positions")
        return None if least is None else int(least)

    def forget_topics(self, ids: Mapping[str, str | None]) -> None:
        """See `Store.forget_topics`."""
        with self._database.transaction() as connection:
            known = dict(connection.execute("SELECT topic, id FROM topics").fetchall())
            gone = [(topic,) for topic, identity in ids.items() if known.get(topic) == identity]
            for table in ("positions", "topics"):
                connection.executemany(f"DELETE FROM {table} WHERE topic = ?", gone)  # noqa: S608 - our own names
            # They went with their topic. Should it be read anew after all, the pending ones are so again.
            connection.executemany("DELETE FROM dead_letters WHERE topic = ? AND state = 'pending'", gone)

    def topic_ids(self) -> dict[str, str]:
        """See `Store.topic_ids`."""
        return dict(self._rows("SELECT topic, id FROM topics"))

    def remember_topic_ids(self, ids: Mapping[str, str]) -> None:
        """See `Store.remember_topic_ids`."""
        with self._database.transaction() as connection:
            for table in ("positions", "dead_letters"):
                # Other records stand at the same offsets now: what was known of the old ones would hide them.
                connection.executemany(
                    f"DELETE FROM {table} WHERE topic = ? AND topic IN (SELECT topic FROM topics WHERE id != ?)",  # noqa: S608
                    list(ids.items()),
                )
            connection.executemany(_REMEMBER_TOPIC, list(ids.items()))

    def saga_figures(self) -> SagaFigures:
        """See `Store.saga_figures`."""
        with self._database.read() as connection:
            counts = _counters(connection, "saga_")
            rows = connection.execute(_OPEN).fetchall()
            late: Counter[tuple[str, str]] = Counter()
            for flow, waiting, breached, number in connection.execute(_LATE).fetchall():
                late.update({(flow, step): number for step in _still_late(waiting, breached)})
            given_up: Counter[tuple[str, str, str]] = Counter()
            for flow, waiting, breached, group, _ in connection.execute(_LATE_GIVEN_UP).fetchall():
                given_up.update((flow, step, group) for step in _still_late(waiting, breached))
        steps: dict[tuple[str, str], tuple[int, int | None]] = {}
        kinds: Counter[tuple[str, str]] = Counter()
        for flow, names, total, started, stuck, not_undone, since in rows:
            kinds.update(
                {
                    (flow, "open"): started,
                    (flow, "partial"): total - started,
                    (flow, "stuck"): stuck,
                    (flow, "uncompensated"): not_undone,
                }
            )
            for step in names.split(",") if names and started else ():
                known, oldest = steps.get((flow, step), (0, None))
                moments = [moment for moment in (since, oldest) if moment is not None]
                steps[flow, step] = (known + started, min(moments, default=None))
        return SagaFigures(
            counts,
            [(flow, step, count, since) for (flow, step), (count, since) in steps.items()],
            [(flow, kind, count) for (flow, kind), count in kinds.items()],
            [(*key, count) for key, count in late.items()],
            [(*key, count) for key, count in given_up.items()],
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


def _counters(connection: Connection, prefix: str) -> Counts:
    rows = connection.execute(
        "SELECT name, labels, sum(value) FROM counters WHERE name >= ? AND name < ? GROUP BY name, labels",
        (prefix, prefix + "\uffff"),
    )
    return {(name, tuple(json.loads(labels))): value for name, labels, value in rows}


def _still_late(waiting: str, breached: str) -> list[str]:
    """The steps whose deadline was missed and that are not done yet."""
    missed = set(breached.split(","))
    return [step for step in waiting.split(",") if step in missed]
