"""The store's schema as a row of migrations, each applied once and in order."""

from __future__ import annotations

import sqlite3

from flowtrail_collector.errors import StoreError
from flowtrail_collector.store.schema.core import MIGRATIONS as CORE
from flowtrail_collector.store.schema.redrive import MIGRATIONS as REDRIVE
from flowtrail_collector.store.schema.spans import MIGRATIONS as SPANS

__all__ = ["PARTS", "migrate"]

PARTS = {"core": CORE, "spans": SPANS, "redrive": REDRIVE}


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file to this version's schema, in one transaction.

    Raises:
        StoreError: A newer version of flowtrail wrote the file.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_versions (part TEXT PRIMARY KEY, version INTEGER NOT NULL)"
        )
        known = dict(connection.execute("SELECT part, version FROM schema_versions").fetchall())
        for part, migrations in PARTS.items():
            version = known.get(part, 0)
            if version > len(migrations):
                raise StoreError(
                    f"the store was written by a newer flowtrail ({part} schema {version}):"
                    " upgrade flowtrail, or name another file with --store"
                )
            for migration in migrations[version:]:
                for statement in migration.split(";"):
                    connection.execute(statement)
            connection.execute(
                "INSERT INTO schema_versions VALUES (?, ?)"
                " ON CONFLICT (part) DO UPDATE SET version = excluded.version",
                (part, len(migrations)),
            )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
