"""SQLite: one file per service, one connection per unit of work."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def connect(path: Path) -> sqlite3.Connection:
    """Open a service's database; transactions are begun by hand."""
    connection = sqlite3.connect(path, timeout=10.0, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    # With WAL this loses nothing when the process dies, at worst the last moments when the machine does.
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


@contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """One connection with one transaction: committed at the end of the block, rolled back by an exception."""
    connection = connect(path)
    try:
        # Taking the write lock at once means that what was read can't have changed when it is written.
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    finally:
        connection.close()
