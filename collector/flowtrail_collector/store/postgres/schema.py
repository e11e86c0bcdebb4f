"""The schema of a PostgreSQL store: the same migrations as SQLite's, and then its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowtrail_collector.errors import StoreError
from flowtrail_collector.store.postgres.dialect import ddl
from flowtrail_collector.store.schema.migrations import PARTS

if TYPE_CHECKING:
    import psycopg

__all__ = ["migrate"]

_MIGRATING = 0x666C6F77_00000003  # an advisory lock: workers that start together migrate one after another
_OWN = (
    # Each worker counts in rows of its own, or all would wait for each other's commits.
    """
ALTER TABLE counters ADD COLUMN shard INTEGER NOT NULL DEFAULT 0;
ALTER TABLE counters DROP CONSTRAINT counters_pkey;
ALTER TABLE counters ADD PRIMARY KEY (name, labels, shard);
ALTER TABLE counters SET (fillfactor = 50);
ALTER TABLE positions SET (fillfactor = 50);
ALTER TABLE sagas SET (fillfactor = 80);
CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until TIMESTAMPTZ NOT NULL);
CREATE TABLE identity (id TEXT NOT NULL PRIMARY KEY);
INSERT INTO identity VALUES (substr(md5(random()::text || clock_timestamp()::text), 1, 8))
""",
    # What changes most is looked after before a fifth of it has changed: plans and free space stay good.
    """
ALTER TABLE events SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE sagas SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE counters SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000)
""",
)


def migrate(connection: psycopg.Connection[Any]) -> None:
    """Bring a database to this version's schema, within the caller's transaction.

    Raises:
        StoreError: A newer version of flowtrail wrote the schema.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATING,))
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_versions (part TEXT PRIMARY KEY, version BIGINT NOT NULL)"
    )
    known = dict(connection.execute("SELECT part, version FROM schema_versions").fetchall())
    for part, migrations in {**PARTS, "postgres": _OWN}.items():
        version = known.get(part, 0)
        if version > len(migrations):
            raise StoreError(
                f"the store was written by a newer flowtrail ({part} schema {version}):"
                " upgrade flowtrail, or name another database with --store"
            )
        for migration in migrations[version:]:
            for statement in migration.split(";"):
                connection.execute(ddl(statement))
        if version < len(migrations):
            connection.execute(
                "INSERT INTO schema_versions VALUES (%s, %s)"
                " ON CONFLICT (part) DO UPDATE SET version = excluded.version",
                (part, len(migrations)),
            )
