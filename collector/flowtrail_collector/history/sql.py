"""Samples in the collector's database: a row for each kind and hour, later for each kind and day."""

from __future__ import annotations

import json
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from flowtrail_collector.errors import FencedError
from flowtrail_collector.history.model.blocks import Block, Kind, put, thinned
from flowtrail_collector.history.model.counting import Standing
from flowtrail_collector.history.model.packing import Packed, pack
from flowtrail_collector.history.model.windows import DAY, HOUR, MINUTE, QUARTER
from flowtrail_collector.history.ports import Key
from flowtrail_collector.store.sql import Connection, Database, Reads

__all__ = ["SqlSamples"]

_KEY = "of_what = ? AND step = ? AND start = ?"
_KEYS = "SELECT of_what, step, start FROM history_blocks"
_BODY = f"SELECT body FROM history_blocks WHERE {_KEY}"  # noqa: S608 - our own columns
_READ = """SELECT of_what, step, start, written FROM history_blocks WHERE of_what = ? AND start < ?
 AND (step = ? AND start > ? OR step = ? AND start > ?) ORDER BY start"""
_SAVE = """INSERT INTO history_blocks (of_what, step, start, written, body) VALUES (?, ?, ?, ?, ?)
 ON CONFLICT (of_what, step, start) DO UPDATE SET written = excluded.written, body = excluded.body"""
# A page of all kinds reads so many over a week: most of them are hours that are over.
_MAX_CACHED = 192
_DROP = f"DELETE FROM history_blocks WHERE {_KEY}"  # noqa: S608
_STANDING = "SELECT slot, at_ms, body FROM history_standing WHERE id = 1"
_LAST = "SELECT slot, at_ms FROM history_standing WHERE id = 1"
_STAND = """INSERT INTO history_standing (id, slot, at_ms, body) VALUES (1, ?, ?, ?)
 ON CONFLICT (id) DO UPDATE SET slot = excluded.slot, at_ms = excluded.at_ms, body = excluded.body"""


class _Cache:
    """Blocks that were read last, by their row without the body."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[object, ...], Packed] = OrderedDict()

    def get(self, row: tuple[object, ...]) -> Packed | None:
        with self._lock:
            return self._blocks.get(row)

    def put(self, row: tuple[object, ...], block: Packed) -> None:
        with self._lock:
            self._blocks[row] = block
            self._blocks.move_to_end(row)
            if len(self._blocks) > _MAX_CACHED:
                self._blocks.popitem(last=False)


class SqlSamples(Reads):
    """`Samples` on the collector's database.

    Args:
        database: The collector's database.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._cached = _Cache()

    def standing(self) -> Standing | None:
        """See `Samples.standing`."""
        rows = self._rows(_STANDING)
        if not rows:
            return None
        slot, at_ms, body = rows[0]
        counts, cut = json.loads(zlib.decompress(body))
        return Standing(
            slot,
            at_ms,
            {of: {tuple(name): count for name, count in values} for of, values in counts.items()},
            frozenset(cut),
        )

    def block(self, key: Key) -> Block | None:
        """See `Samples.block`."""
        with self._database.read() as connection:
            return _load(connection, key)

    def read(self, of: str, start: int, end: int) -> list[Packed]:
        """See `Samples.read`."""
        found = []
        with self._database.read() as connection:
            rows = connection.execute(_READ, (of, end, MINUTE, start - HOUR, QUARTER, start - DAY)).fetchall()
            for row in rows:
                block = self._cached.get(tuple(row))
                if block is None:
                    block = Packed(connection.execute(_BODY, tuple(row[:3])).fetchone()[0])
                self._cached.put(tuple(row), block)
                found.append(block)
        return found

    def kept(self) -> list[Key]:
        """See `Samples.kept`."""
        return [Key(*row) for row in self._rows(_KEYS)]

    def sampled(
        self, standing: Standing, before: Standing | None, blocks: Mapping[str, tuple[Kind, Block]]
    ) -> None:
        """See `Samples.sampled`."""
        counts = {of: list(values.items()) for of, values in standing.counts.items()}
        body = zlib.compress(json.dumps([counts, sorted(standing.cut)], separators=(",", ":")).encode())
        rows = [
            (of, block.step, block.start, standing.at_ms, pack(block, kind))
            for of, (kind, block) in blocks.items()
        ]
        with self._database.transaction() as connection:
            last = connection.execute(_LAST).fetchone()
            if (None if before is None else (before.slot, before.at_ms)) != (
                None if last is None else tuple(last)
            ):
                raise FencedError("another sample of history was written meanwhile")
            connection.executemany(_SAVE, rows)
            connection.execute(_STAND, (standing.slot, standing.at_ms, body))

    def is_thinned(self, of: str, start: int) -> bool:
        """See `Samples.is_thinned`."""
        with self._database.read() as connection:
            day = _load(connection, Key(of, QUARTER, start // DAY * DAY))
        first = (start % DAY) // QUARTER
        return day is not None and any(day.covered[first : first + HOUR // QUARTER])

    def thin(self, key: Key, kind: Kind) -> None:
        """See `Samples.thin`."""
        with self._database.transaction() as connection:
            block = _load(connection, key)
            if block is None:
                return
            day = Key(key.of, QUARTER, key.start // DAY * DAY)
            longer = _load(connection, day) or Block.empty(day.start, QUARTER, DAY // QUARTER)
            put(longer, thinned(block, kind, QUARTER))
            connection.execute(_SAVE, (*day, key.start, pack(longer, kind)))
            connection.execute(_DROP, key)

    def forget(self, keys: Iterable[Key]) -> None:
        """See `Samples.forget`."""
        with self._database.transaction() as connection:
            connection.executemany(_DROP, list(keys))


def _load(connection: Connection, key: Key) -> Block | None:
    row = connection.execute(_BODY, key).fetchone()
    return None if row is None else Block.of(Packed(row[0]))
