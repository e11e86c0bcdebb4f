"""What is remembered of ended instances: for each flow a bounded number, spread over the time that lies behind."""

from __future__ import annotations

from collections.abc import Sequence

from flowtrail_collector.sagas.model.histories import History
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.sagas.sql.rows import read_sagas
from flowtrail_collector.store.sql import Connection

__all__ = ["KEPT", "SPACING_MS", "keep_histories", "newest_ended", "read_histories"]

KEPT = 1_000
"""Of each flow."""
SPACING_MS = 3_600
"""Once there are so many, another one takes the place of the oldest if it ended this long after the newest: so they
are of an hour at least."""
_FORGET = "DELETE FROM saga_histories WHERE flow = ? AND shape != ?"
_STANDING = "SELECT count(*), max(slot), max(ended_ms) FROM saga_histories WHERE flow = ?"
_OLDEST = "SELECT slot FROM saga_histories WHERE flow = ? ORDER BY ended_ms, slot LIMIT 1"
_KEEP = """INSERT INTO saga_histories VALUES (?, ?, ?, ?, ?, ?)
 ON CONFLICT (flow, slot) DO UPDATE SET shape = excluded.shape, completed = excluded.completed,
 ended_ms = excluded.ended_ms, spans = excluded.spans"""
_NEWEST_ENDED = """flow = ? AND outcome IN ('completed', 'compensated', 'failed', 'timed_out')
 ORDER BY updated_ms DESC, flow, key"""
_READ = """SELECT completed, ended_ms, spans FROM saga_histories WHERE flow = ? AND shape = ?
 ORDER BY ended_ms, slot"""


def keep_histories(connection: Connection, flow: str, shape: str, histories: Sequence[History]) -> int:
    """See `SagaUnit.keep_histories`."""
    connection.execute(_FORGET, (flow, shape))
    count, slot, newest_ms = connection.execute(_STANDING, (flow,)).fetchone()
    slot = -1 if slot is None else slot
    for history in sorted(histories, key=lambda item: item.ended_ms):
        if count < KEPT:
            count, slot, place = count + 1, slot + 1, slot + 1
        elif newest_ms is None or history.ended_ms >= newest_ms + SPACING_MS:
            (place,) = connection.execute(_OLDEST, (flow,)).fetchone()
        else:
            continue
        newest_ms = max(newest_ms or 0, history.ended_ms)
        values = (flow, place, shape, int(history.completed), history.ended_ms, history.text())
        connection.execute(_KEEP, values)
    return 0 if count < KEPT or newest_ms is None else newest_ms + SPACING_MS


def read_histories(connection: Connection, flow: str, shape: str) -> list[History]:
    """See `SagaStore.histories`."""
    rows = connection.execute(_READ, (flow, shape)).fetchall()
    return [History.read(bool(completed), ended_ms, spans) for completed, ended_ms, spans in rows]


def newest_ended(connection: Connection, flow: str, limit: int) -> list[SagaRecord]:
    """See `SagaStore.newest_ended`."""
    return read_sagas(connection, _NEWEST_ENDED, (flow,), limit)
