"""Stores as earlier versions left them: the newest migrations of the core undone, in reverse order."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import Any

from flowtrail_collector.events.model import Seen
from flowtrail_collector.store.packs.reading import packs_between
from flowtrail_collector.store.postgres.database import PostgresConnection
from flowtrail_collector.store.postgres.dialect import ddl
from flowtrail_collector.store.schema.core import MIGRATIONS

_PACK_MIGRATIONS = 3


def _unpack(connection: Any) -> None:
    """Put events where they were before they were packed."""
    in_sqlite = isinstance(connection, sqlite3.Connection)
    portable = connection if in_sqlite else PostgresConnection(connection)
    for statement in MIGRATIONS[0].split(";"):
        if re.search(r"(TABLE|ON) events ", statement):
            connection.execute(statement if in_sqlite else ddl(statement))
    events = [
        (number, *event)
        for pack in packs_between(portable, 0, 2**62)
        for number, event in zip(pack.numbers, pack.rows(), strict=True)
    ]
    names = """rowid, topic, partition, position, event_id, type, source, subject, sequence, correlation_id,
 causation_id, time_ms, timestamp_ms, trace_id, span_id, dataschema, key, dead_letter"""
    marks = ", ".join("?" * 18)
    portable.executemany(f"INSERT INTO events ({names}) VALUES ({marks})", events)
    connection.execute("DROP TABLE event_packs")
    connection.execute("DROP TABLE event_ids")
    if not in_sqlite:
        connection.execute("DROP SEQUENCE event_rows")
        connection.execute("UPDATE schema_versions SET version = version - 1 WHERE part = 'postgres'")
    connection.execute(
        f"UPDATE schema_versions SET version = version - {_PACK_MIGRATIONS - 1} WHERE part = 'core'"
    )


# The newest first. What a migration added, and how it goes.
_UNDO: dict[str, tuple[str | Callable[[Any], None], ...]] = {
    "codes": ("UPDATE dead_letters SET cause = 'of another rule'",),
    "changes": ("DROP TABLE dead_letter_changes", "ALTER TABLE dead_letters DROP COLUMN changed"),
    "names": ("UPDATE dead_letters SET cause = 'of another rule'",),
    "causes": (
        "DROP INDEX dead_letters_by_cause",
        "ALTER TABLE dead_letters DROP COLUMN cause",
        "UPDATE schema_versions SET version = version - 2 WHERE part = 'core'",  # three steps in all
    ),
    "packs": (_unpack,),
    "followed": ("DROP TABLE followed_types",),
    "instances": tuple(
        f"ALTER TABLE sagas DROP COLUMN {name}" for name in ("instance", "repeated_starts", "late_events")
    ),
    "cluster": (
        "DROP TABLE cluster",
        "DROP INDEX sagas_partial",
        *(f"ALTER TABLE positions DROP COLUMN {name}" for name in Seen._fields),
    ),
    "oversize": ("ALTER TABLE dead_letters DROP COLUMN oversize",),
    "rules": ("DROP TABLE flow_rules",),
}


def back_before(connection: Any, migration: str) -> None:
    """Undo this migration and all that came after it; the caller commits."""
    names = list(_UNDO)
    gone = names[: names.index(migration) + 1]
    for name in gone:
        for statement in _UNDO[name]:
            if callable(statement):
                statement(connection)
            else:
                connection.execute(statement)
    connection.execute(f"UPDATE schema_versions SET version = version - {len(gone)} WHERE part = 'core'")
