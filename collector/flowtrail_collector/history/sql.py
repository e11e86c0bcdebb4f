"""Samples in the collector's database: a row for each kind and hour, later for each kind and day."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping

from flowtrail_collector.errors import FencedError
from flowtrail_collector.history.model.blocks import Block, Kind, put, thinned
from flowtrail_collector.history.model.counting import Standing
from flowtrail_collector.history.model.packing import Packed, pack
from flowtrail_collector.history.model.windows import DAY, HOUR, MINUTE, QUARTER
from flowtrail_collector.history.ports import Key
from flowtrail_collector.store.sql import Connection, Reads

__all__ = ["SqlSamples"]

_KEY = "of_what = ? AND step = ? AND start = ?"
_KEYS = "SELECT of_what, step, start FROM history_blocks"
_BODY = f"SELECT body FROM history_blocks WHERE {_KEY}"  # noqa: S608 - our own columns
_BODIES = """SELECT body FROM history_blocks WHERE of_what = ? AND start < ?
 AND (step = ? AND start > ? OR step = ? AND start > ?) ORDER BY start"""
_SAVE = """INSERT INTO history_blocks (of_what, step, start, body) VALUES (?, ?, ?, ?)
 ON CONFLICT (of_what, step, start) DO UPDATE SET body = excluded.body"""
_DROP = f"DELETE FROM history_blocks WHERE {_KEY}"  # noqa: S608
_STANDING = "SELECT slot, at_ms, body FROM history_standing WHERE id = 1"
_LAST = "SELECT slot, at_ms FROM history_standing WHERE id = 1"
_STAND = """INSERT INTO history_standing (id, slot, at_ms, body) VALUES (1, ?, ?, ?)
 ON CONFLICT (id) DO UPDATE SET slot = excluded.slot, at_ms = excluded.at_ms, body = excluded.body"""


class SqlSamples(Reads):
    """`Samples` on the collector's database."""

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
        rows = self._rows(_BODIES, (of, end, MINUTE, start - HOUR, QUARTER, start - DAY))
        return [Packed(body) for (body,) in rows]

    def kept(self) -> list[Key]:
        """See `Samples.kept`."""
        return [Key(*row) for row in self._rows(_KEYS)]

    def sampled(
        self, standing: Standing, before: Standing | None, blocks: Mapping[str, tuple[Kind, Block]]
    ) -> None:
        """See `Samples.sampled`."""
        counts = {of: list(values.items()) for of, values in standing.counts.items()}
        body = zlib.compress(json.dumps([counts, sorted(standing.cut)], separators=(",", ":")).encode())
        rows = [(of, block.step, block.start, pack(block, kind)) for of, (kind, block) in blocks.items()]
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
            connection.execute(_SAVE, (*day, pack(longer, kind)))
            connection.execute(_DROP, key)

    def forget(self, keys: Iterable[Key]) -> None:
        """See `Samples.forget`."""
        with self._database.transaction() as connection:
            connection.executemany(_DROP, list(keys))


def _load(connection: Connection, key: Key) -> Block | None:
    row = connection.execute(_BODY, key).fetchone()
    return None if row is None else Block.of(Packed(row[0]))
