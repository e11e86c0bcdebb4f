"""Saga instances in PostgreSQL, whole batches at once.

Instances are locked in the order of their keys, so that workers never wait for each other in a circle. Those
that aren't there yet can't be locked: whoever inserts second notices, and tries its batch again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from flowtrail_collector.errors import StoreConflictError
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.model.shapes import Looked
from flowtrail_collector.sagas.sql.blobs import PYTHON, Blobs
from flowtrail_collector.sagas.sql.glances import standing_rows
from flowtrail_collector.sagas.sql.rows import COLUMNS, NAMES, to_record, to_row
from flowtrail_collector.store.postgres.arrays import binaries, numbers, texts

if TYPE_CHECKING:
    import psycopg

__all__ = ["due", "insert", "load", "note", "replace", "take"]

_QUALIFIED = ", ".join(f"s.{name}" for name in NAMES)
_REST = NAMES[2:]
_TEXTS = {"flow", "key", "subject", "outcome", "waiting", "breached"}
_NUMBERS = set(NAMES) - _TEXTS - {"events"}
_ARRAYS = ", ".join(
    f"%s::{'bytea' if name == 'events' else 'bigint' if name in _NUMBERS else 'text'}[]" for name in NAMES
)
_LOAD = f"""SELECT {_QUALIFIED} FROM sagas s
 JOIN unnest(%s::text[], %s::text[]) AS wanted (flow, key) ON s.flow = wanted.flow AND s.key = wanted.key
 ORDER BY s.flow, s.key FOR UPDATE OF s"""  # noqa: S608 - our own columns
_THERE = """SELECT s.flow, s.key FROM sagas s
 JOIN unnest(%s::text[], %s::text[]) AS wanted (flow, key) ON s.flow = wanted.flow AND s.key = wanted.key"""
_DUE = f"""SELECT {_QUALIFIED} FROM sagas s WHERE next_deadline_ms <= %s AND (flow = ANY(%s::text[])) != %s
 ORDER BY next_deadline_ms LIMIT %s FOR UPDATE SKIP LOCKED"""  # noqa: S608
_INSERT = f"""INSERT INTO sagas ({COLUMNS}) SELECT * FROM unnest({_ARRAYS}) AS n ({COLUMNS})
 ORDER BY flow, key ON CONFLICT (flow, key) DO """  # noqa: S608
_REPLACE = f"{_INSERT} UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _REST)}"
_UPDATE = f"""UPDATE sagas s SET {", ".join(f"{name} = n.{name}" for name in _REST)}
 FROM unnest({_ARRAYS}) AS n ({COLUMNS}) WHERE s.flow = n.flow AND s.key = n.key"""  # noqa: S608

_DEADLINES = """UPDATE sagas s SET next_deadline_ms = n.due FROM unnest(%s::bigint[], %s::text[]) AS n (due, key)
 WHERE s.flow = %s AND s.key = n.key"""
_STANDINGS = """UPDATE sagas s SET waiting = n.waiting, waiting_since_ms = n.since, next_deadline_ms = n.due,
 breached = n.breached, flags = n.flags
 FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::text[])
 AS n (waiting, since, due, breached, flags, key) WHERE s.flow = %s AND s.key = n.key"""


def note(connection: psycopg.Connection[Any], flow: str, looked: Looked) -> None:
    """See `SagaUnit.note_open`."""
    if looked.due:
        due, keys = zip(*looked.due, strict=True)
        connection.execute(_DEADLINES, (numbers(due), texts(keys), flow))
    if looked.standings:
        waiting, since, due, breached, flags, keys = zip(*standing_rows(looked), strict=True)
        values = (texts(waiting), numbers(since), numbers(due), texts(breached), numbers(flags), texts(keys))
        connection.execute(_STANDINGS, (*values, flow))


def load(
    connection: psycopg.Connection[Any], keys: Iterable[SagaKey], by: Blobs = PYTHON
) -> dict[SagaKey, SagaRecord]:
    """The instances that exist among `keys`, locked until the end of the transaction."""
    cursor = connection.cursor(binary=True)
    cursor.execute(_LOAD, _keys(keys))
    return {SagaKey(row[0], row[1]): to_record(row, by) for row in cursor}


def take(
    connection: psycopg.Connection[Any], keys: Iterable[SagaKey], by: Blobs = PYTHON
) -> tuple[dict[SagaKey, SagaRecord], set[SagaKey]]:
    """See `SagaUnit.take_sagas`."""
    columns = _keys(keys)
    cursor = connection.cursor(binary=True)
    cursor.execute(f"{_LOAD} SKIP LOCKED", columns)
    found = {SagaKey(row[0], row[1]): to_record(row, by) for row in cursor}
    # Looked for afterwards: who let go of one meanwhile holds it as far as this transaction knows.
    there = {SagaKey(*row) for row in connection.execute(_THERE, columns)}
    return found, there.difference(found)


def _keys(keys: Iterable[SagaKey]) -> tuple[str, str]:
    wanted = list(keys)
    return texts([key.flow for key in wanted]), texts([key.key for key in wanted])


def due(
    connection: psycopg.Connection[Any],
    until_ms: int,
    limit: int,
    flows: Iterable[str],
    *,
    others: bool,
    by: Blobs = PYTHON,
) -> list[SagaRecord]:
    """Instances whose deadline has come, locked; those another worker holds are left to the next sweep."""
    cursor = connection.cursor(binary=True)
    cursor.execute(_DUE, (until_ms, texts(list(flows)), others, limit))
    return [to_record(row, by) for row in cursor]


def insert(connection: psycopg.Connection[Any], sagas: Sequence[SagaRecord], by: Blobs = PYTHON) -> None:
    """Write instances that weren't there.

    Raises:
        StoreConflictError: Another worker wrote one of them meanwhile.
    """
    cursor = connection.execute(_INSERT + "NOTHING", _columns(sagas, by))
    if cursor.rowcount != len(sagas):
        raise StoreConflictError("another worker began the same instance")


def replace(
    connection: psycopg.Connection[Any], sagas: Sequence[SagaRecord], *, locked: bool, by: Blobs = PYTHON
) -> None:
    """Write instances over what is there; `locked` ones are known to be there."""
    connection.execute(_UPDATE if locked else _REPLACE, _columns(sagas, by))


def _columns(sagas: Iterable[SagaRecord], by: Blobs) -> list[str]:
    columns = list(zip(*[to_row(saga, by) for saga in sagas], strict=True))
    return [
        binaries(values) if name == "events" else numbers(values) if name in _NUMBERS else texts(values)
        for name, values in zip(NAMES, columns, strict=True)
    ]
