"""The unit of work on SQL."""

from __future__ import annotations

from flowtrail_collector.ingest.sql.postgres import PostgresStore
from flowtrail_collector.ingest.sql.sqlite import SqliteStore
from flowtrail_collector.sagas.sql.blobs import PYTHON as BLOBS
from flowtrail_collector.sagas.sql.blobs import Blobs
from flowtrail_collector.store.packs.writing import PYTHON as PACKING
from flowtrail_collector.store.packs.writing import Packing
from flowtrail_collector.store.postgres.database import PostgresDatabase
from flowtrail_collector.store.sqlite.database import SqliteDatabase

__all__ = ["store_on"]


def store_on(
    database: SqliteDatabase | PostgresDatabase, packing: Packing = PACKING, blobs: Blobs = BLOBS
) -> PostgresStore | SqliteStore:
    """The store's port on an opened database.

    Args:
        database: Where everything is kept.
        packing: What packs of events are made with.
        blobs: How the events of instances are written and read.
    """
    if isinstance(database, PostgresDatabase):
        return PostgresStore(database, packing, blobs)
    return SqliteStore(database, packing, blobs)
