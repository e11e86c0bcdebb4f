"""Opens whichever store a setting names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from flowtrail_collector.errors import StoreError
from flowtrail_collector.runtime.leadership import Lease
from flowtrail_collector.store.postgres.database import PostgresDatabase
from flowtrail_collector.store.postgres.database import look_at as look_at_database
from flowtrail_collector.store.postgres.lease import PostgresLease
from flowtrail_collector.store.sql import Database
from flowtrail_collector.store.sqlite.database import SqliteDatabase
from flowtrail_collector.store.sqlite.database import look_at as look_at_file

__all__ = ["OpenedStore", "open_reading", "open_store", "store_cluster"]


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """A store, and what comes with it.

    Attributes:
        name: What may be shown: path or address, never a password.
        database: Where everything is kept.
        lease: Which worker leads; None where there is only one.
        group: Consumer group of the workers on this store; None where there is only one.
    """

    name: str
    database: SqliteDatabase | PostgresDatabase
    lease: Lease | None = None
    group: str | None = None


def open_store(location: Path | str) -> OpenedStore:
    """Open a SQLite file, or a PostgreSQL database by its URL.

    Raises:
        ConfigurationError: A driver isn't installed.
        StoreError: It can't be opened or written.
    """
    if isinstance(location, Path):
        check_store(location)
        file = SqliteDatabase(location, alone=True)
        return OpenedStore(str(location), file)
    database = PostgresDatabase(location)
    # Workers on one database are one group, and those on another are not, without anybody having to say so.
    group = f"flowtrail-collector-{database.identity()}"
    return OpenedStore(database.name, database, PostgresLease(database), group)


def open_reading(location: Path | str) -> Database:
    """Open, for reading, a store that a collector has open.

    Raises:
        ConfigurationError: A driver isn't installed.
        StoreError: It can't be opened.
    """
    return (
        SqliteDatabase(location, writable=False) if isinstance(location, Path) else PostgresDatabase(location)
    )


def store_cluster(location: Path | str) -> str | None:
    """Check that a store could be used, and change nothing.

    Returns:
        The cluster it belongs to; None if it has met none yet, or isn't there yet.

    Raises:
        ConfigurationError: A driver isn't installed.
        StoreError: It couldn't: it can't be opened, is damaged, or a newer version wrote it.
    """
    if isinstance(location, str):
        return look_at_database(location)
    check_store(location)
    return look_at_file(location) if location.exists() and location.stat().st_size else None


def check_store(location: Path) -> None:
    """Check that a file could be opened, and change nothing.

    Raises:
        StoreError: It couldn't.
    """
    folder = location.parent
    if not folder.is_dir():
        raise StoreError(f"store {location}: the folder {folder} doesn't exist")
    if location.exists() and not location.is_file():
        raise StoreError(f"store {location}: not a file")
    # SQLite writes a log beside the file, so the folder has to be writable too.
    for place in (folder, location) if location.exists() else (folder,):
        if not os.access(place, os.W_OK):
            raise StoreError(f"store {location}: {place} can't be written")
