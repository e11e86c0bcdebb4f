"""Readers in the collector's database: a row each, found by a digest of what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from heapq import nlargest

from flowtrail_collector.readers.model import ReaderKey, Seen
from flowtrail_collector.store.sql import Database, Reads, insert_rows

__all__ = ["SqlReaders"]

MAX_READERS = 10_000
_COLUMNS = "service, consumer_group, topic, type, version, contracts, first_ms, last_ms"
_SAVE = f"INSERT INTO contract_readers (digest, {_COLUMNS})"
_LATER = """ON CONFLICT (digest) DO UPDATE SET
 first_ms = CASE WHEN excluded.first_ms < contract_readers.first_ms
  THEN excluded.first_ms ELSE contract_readers.first_ms END,
 last_ms = CASE WHEN excluded.last_ms > contract_readers.last_ms
  THEN excluded.last_ms ELSE contract_readers.last_ms END"""
_COUNT = "SELECT count(*) FROM contract_readers"
_FORGET = """DELETE FROM contract_readers WHERE digest IN (
 SELECT digest FROM contract_readers ORDER BY last_ms, digest LIMIT ?)"""
_SEEN = f"SELECT {_COLUMNS} FROM contract_readers WHERE last_ms >= ?"  # noqa: S608 - our own columns
_ORDER = " ORDER BY type, service, consumer_group, topic, version, contracts"


class SqlReaders(Reads):
    """`Readers` on the collector's database.

    Args:
        database: The collector's database.
        max_readers: Beyond so many, those seen longest ago are forgotten: made-up names can't fill the store.
    """

    def __init__(self, database: Database, *, max_readers: int = MAX_READERS) -> None:
        super().__init__(database)
        self._max_readers = max_readers

    def note(self, seen: Mapping[ReaderKey, int]) -> None:
        """See `Readers.note`."""
        latest = nlargest(self._max_readers, seen.items(), key=lambda item: item[1])
        rows = [(_digest(key), *key, at_ms, at_ms) for key, at_ms in latest]
        with self._database.transaction() as connection:
            insert_rows(connection, _SAVE, rows, _LATER)
            surplus = int(connection.execute(_COUNT).fetchone()[0]) - self._max_readers
            if surplus > 0:
                connection.execute(_FORGET, (surplus,))

    def seen(self, *, since_ms: int = 0, type: str | None = None) -> list[Seen]:
        """See `Readers.seen`."""
        wanted, values = ("", ()) if type is None else (" AND type = ?", (type,))
        rows = self._rows(f"{_SEEN}{wanted}{_ORDER}", (since_ms, *values))
        return [Seen(ReaderKey(*row[:6]), row[6], row[7]) for row in rows]

    def known(self) -> int:
        """See `Readers.known`."""
        return int(self._rows(_COUNT)[0][0])


def _digest(key: ReaderKey) -> str:
    return sha256(json.dumps(key).encode()).hexdigest()
