"""The store's schema as a row of migrations, each applied once and in order, on whichever database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from flowtrail_collector.errors import StoreError
from flowtrail_collector.store.schema.catalog import MIGRATIONS as CATALOG
from flowtrail_collector.store.schema.core import MIGRATIONS as CORE
from flowtrail_collector.store.schema.forecast import MIGRATIONS as FORECAST
from flowtrail_collector.store.schema.history import MIGRATIONS as HISTORY
from flowtrail_collector.store.schema.oncall import MIGRATIONS as ONCALL
from flowtrail_collector.store.schema.readers import MIGRATIONS as READERS
from flowtrail_collector.store.schema.redrive import MIGRATIONS as REDRIVE
from flowtrail_collector.store.schema.spans import MIGRATIONS as SPANS
from flowtrail_collector.store.schema.steps import Step
from flowtrail_collector.store.sql import Connection

__all__ = ["check_versions", "migrate"]

_PARTS: Mapping[str, Sequence[Step]] = {
    "core": CORE,
    "spans": SPANS,
    "redrive": REDRIVE,
    "forecast": FORECAST,
    "catalog": CATALOG,
    "readers": READERS,
    "history": HISTORY,
    "oncall": ONCALL,
}
_VERSIONS = "CREATE TABLE IF NOT EXISTS schema_versions (part TEXT PRIMARY KEY, version INTEGER NOT NULL)"
_REMEMBER = """INSERT INTO schema_versions VALUES (?, ?)
 ON CONFLICT (part) DO UPDATE SET version = excluded.version"""


def check_versions(known: Mapping[str, int], other: str, own: Mapping[str, Sequence[Step]]) -> None:
    """Refuse a schema that is newer than this version's; for the arguments see `migrate`.

    Args:
        known: Version of each part.

    Raises:
        StoreError: A newer version of flowtrail wrote it.
    """
    for part, migrations in {**_PARTS, **own}.items():
        version = known.get(part, 0)
        if version > len(migrations):
            raise StoreError(
                f"the store was written by a newer flowtrail ({part} schema {version}):"
                f" upgrade flowtrail, or name {other} with --store"
            )


def migrate(
    connection: Connection,
    *,
    other: str,
    ddl: Callable[[str], str] = lambda statement: statement,
    own: Mapping[str, Sequence[Step]] | None = None,
) -> None:
    """Bring a store to this version's schema, within the caller's transaction.

    Args:
        connection: To the store.
        other: What to name with `--store` instead of one that is too new, e.g. `another file`.
        ddl: Puts a statement into the database's own words.
        own: Migrations of this database alone, by part; they follow those of all.

    Raises:
        StoreError: A newer version of flowtrail wrote the schema.
    """
    connection.execute(ddl(_VERSIONS))
    known = dict(connection.execute("SELECT part, version FROM schema_versions").fetchall())
    check_versions(known, other, own or {})
    for part, migrations in {**_PARTS, **(own or {})}.items():
        version = known.get(part, 0)
        for migration in migrations[version:]:
            if callable(migration):
                migration(connection)
                continue
            for statement in migration.split(";"):
                connection.execute(ddl(statement))
        if version < len(migrations):
            connection.execute(_REMEMBER, (part, len(migrations)))
