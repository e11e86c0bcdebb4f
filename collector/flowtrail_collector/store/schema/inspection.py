"""Looking at a store without opening it for good: what wrote it, and whose it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flowtrail_collector.store.schema.migrations import check_versions
from flowtrail_collector.store.schema.steps import Step

__all__ = ["Rows", "looked_at", "rows_of_file"]

Rows = Callable[[str], Sequence[Sequence[Any]]]


def looked_at(
    rows: Rows, tables: Sequence[str], *, other: str, own: Mapping[str, Sequence[Step]]
) -> str | None:
    """Check that this version can use a store.

    Args:
        rows: Answers a query.
        tables: Those that are there.
        other: What to name with `--store` instead of one that is too new, e.g. `another file`.
        own: Migrations of this database alone, by part.

    Returns:
        The cluster it belongs to; None if it has met none yet.

    Raises:
        StoreError: A newer version of flowtrail wrote it.
    """
    if "schema_versions" in tables:
        check_versions(
            {part: int(n) for part, n in rows("SELECT part, version FROM schema_versions")}, other, own
        )
    clusters = rows("SELECT id FROM cluster") if "cluster" in tables else ()
    return str(clusters[0][0]) if clusters else None


def rows_of_file(path: Path, look: Callable[[Rows], str | None]) -> str | None:
    """What `look` makes of a SQLite file, in which nothing is changed.

    Raises:
        sqlite3.Error: It can't be read.
    """
    # Without a log beside it nobody writes it, and only then it can be read without making files beside it.
    alone = "" if path.with_name(path.name + "-wal").exists() else "&immutable=1"
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro{alone}", uri=True)
    try:
        return look(lambda query: connection.execute(query).fetchall())
    finally:
        connection.close()
