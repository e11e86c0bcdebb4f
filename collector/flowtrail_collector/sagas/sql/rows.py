"""Saga instances as rows: columns for what is asked for, one blob for the events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord, key_of
from flowtrail_collector.sagas.sql.blobs import PYTHON, Blobs
from flowtrail_collector.store.sql import MAX_IDS, Connection, insert_rows, marks

__all__ = ["COLUMNS", "LATE", "NAMES", "NOT_STUCK", "NOT_UNDONE", "STUCK", "first_due_ms", "load",
           "names_in", "read_sagas", "save", "settle", "to_record", "to_row"]  # fmt: skip

NAMES = ("flow", "key", "subject", "outcome", "started_ms", "ended_ms", "updated_ms", "waiting",
         "waiting_since_ms", "next_deadline_ms", "breached", "flags", "events", "instance", "repeated_starts",
         "late_events")  # fmt: skip
"""The columns, in the order of `to_row`; the first two are the key."""
COLUMNS = ", ".join(NAMES)
# Not INSERT OR REPLACE: a row that keeps its place stays beside its neighbours in time.
_OVER = "ON CONFLICT (flow, key) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in NAMES[2:]
)
# What isn't named here keeps its place: of a row's indexes SQLite writes those of the columns that are named.
_SETTLE = """UPDATE sagas SET outcome = ?, started_ms = ?, ended_ms = ?, waiting = ?, waiting_since_ms = ?,
 next_deadline_ms = ?, breached = ?, flags = ?, repeated_starts = ?, late_events = ? WHERE flow = ? AND key = ?"""
_CONFLICT, _NOT_UNDONE, _COMPLETED_LATE, LATE = 1, 2, 4, 8
# `LATE` is `SagaRecord.late` for queries; it follows from the rest.
STUCK = f"(flags & {LATE}) != 0 AND started_ms IS NOT NULL"
"""`SagaRecord.stuck` of an open instance."""
NOT_STUCK = f"((flags & {LATE}) = 0 OR started_ms IS NULL)"
NOT_UNDONE = f"(flags & {_NOT_UNDONE}) != 0"
"""`SagaRecord.not_undone`."""
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}


def load(connection: Connection, keys: Iterable[SagaKey], by: Blobs = PYTHON) -> dict[SagaKey, SagaRecord]:
    """The instances that exist among `keys`."""
    by_flow: dict[str, list[str]] = {}
    for flow, key in keys:
        by_flow.setdefault(flow, []).append(key)
    found = {}
    for flow, wanted in by_flow.items():
        for start in range(0, len(wanted), MAX_IDS):
            part = wanted[start : start + MAX_IDS]
            where = f"flow = ? AND key IN ({marks(part)})"
            for record in read_sagas(connection, where, (flow, *part), len(part), by=by):
                found[SagaKey(record.flow, record.row_key)] = record
    return found


def first_due_ms(connection: Connection, until_ms: int, besides: Iterable[str]) -> int | None:
    """See `SagaUnit.first_due_ms`."""
    names = list(besides)
    statement = f"""SELECT min(next_deadline_ms) FROM sagas
 WHERE next_deadline_ms <= ? AND flow NOT IN ({marks(names)})"""  # noqa: S608 - our own columns
    moment: int | None = connection.execute(statement, (until_ms, *names)).fetchone()[0]
    return moment


def save(connection: Connection, sagas: Iterable[SagaRecord], by: Blobs = PYTHON) -> None:
    """Write instances whole."""
    insert_rows(connection, f"INSERT INTO sagas ({COLUMNS})", [to_row(saga, by) for saga in sagas], _OVER)


def settle(connection: Connection, sagas: Iterable[SagaRecord]) -> None:
    """Write what was decided of instances that are kept, and whose events stay as they are."""
    connection.executemany(
        _SETTLE,
        [
            (
                saga.outcome.value,
                saga.started_ms,
                saga.ended_ms,
                ",".join(saga.waiting),
                saga.waiting_since_ms,
                saga.next_deadline_ms,
                ",".join(saga.breached),
                _flags(saga),
                saga.repeated_starts,
                saga.late_events,
                saga.flow,
                saga.row_key,
            )
            for saga in sagas
        ],
    )


def read_sagas(
    connection: Connection,
    where: str,
    values: Sequence[object],
    limit: int,
    offset: int = 0,
    by: Blobs = PYTHON,
) -> list[SagaRecord]:
    """Instances for a condition of the caller's own making (never a user's text)."""
    statement = f"SELECT {COLUMNS} FROM sagas WHERE {where} LIMIT ? OFFSET ?"  # noqa: S608
    rows = connection.execute(statement, (*values, limit, offset)).fetchall()
    return [to_record(row, by) for row in rows]


def to_row(saga: SagaRecord, by: Blobs = PYTHON) -> tuple[object, ...]:
    return (
        saga.flow,
        saga.row_key if saga.followed else saga.key,
        saga.subject,
        saga.outcome.value,
        saga.started_ms,
        saga.ended_ms,
        saga.updated_ms,
        ",".join(saga.waiting),
        saga.waiting_since_ms,
        saga.next_deadline_ms,
        ",".join(saga.breached),
        _flags(saga),
        by.pack(saga.events),
        saga.instance,
        saga.repeated_starts,
        saga.late_events,
    )


def _flags(saga: SagaRecord) -> int:
    flags = _CONFLICT * saga.conflict | _NOT_UNDONE * saga.not_undone | _COMPLETED_LATE * saga.completed_late
    return flags | LATE if saga.breached and saga.late else flags


def to_record(row: tuple[Any, ...], by: Blobs = PYTHON) -> SagaRecord:
    # By place, not by name: a changed flow file has every open instance read.
    flags = row[11]
    key, followed = key_of(row[1])
    saga = SagaRecord(
        row[0],
        key,
        row[2],
        _OUTCOMES[row[3]],
        row[4],
        row[5],
        row[6],
        names_in(row[7]),
        row[8],
        row[9],
        names_in(row[10]),
        flags & _CONFLICT != 0,
        flags & _NOT_UNDONE != 0,
        flags & _COMPLETED_LATE != 0,
        by.unpack(row[12]),
        row[13],
        followed,
        row[14],
        row[15],
    )
    if saga.late_events < 0:  # the version before counted them as it read them
        ended_ms = saga.ended_ms
        saga.late_events = 0 if ended_ms is None else sum(m[0] > ended_ms for m in saga.events.values())
    return saga


@lru_cache(maxsize=1_000)  # a flow has few steps, and its instances wait for the same ones
def names_in(text: str) -> tuple[str, ...]:
    """The steps in `waiting` or `breached`."""
    return tuple(text.split(",")) if text else ()
