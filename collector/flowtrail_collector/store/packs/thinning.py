"""Takes events out of packs; those that stay keep their numbers, as other tables name them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flowtrail_collector.store.packs.format import COLUMNS, Packer, Row
from flowtrail_collector.store.packs.hashes import id_hash, key_of, segment_of
from flowtrail_collector.store.packs.reading import read_pack
from flowtrail_collector.store.packs.writing import PACK_COLUMNS, ids_of, pack
from flowtrail_collector.store.sql import Connection, marks

__all__ = ["thin_out"]

_FLOW = COLUMNS.index("correlation_id")
_PAGE = 64
# Not UPDATE: SQLite leaves the pages of a row that shrinks as they are, nearly empty; those of one that goes, it joins.
_WRITE = f"INSERT INTO event_packs ({PACK_COLUMNS}) VALUES (?, ?, ?, ?)"  # noqa: S608 - our own columns
_DROP = "DELETE FROM event_packs WHERE first_row = ?"
_FORGET_IDS = "DELETE FROM event_ids WHERE key = ? AND pack = ?"

Goes = Callable[[str | None], bool]
"""Whether events with a correlation id go; None for those without."""


def thin_out(connection: Connection, first_rows: Sequence[int], goes: Goes) -> int:
    """Take events out of packs, with their hashes; a pack of which none is left goes itself.

    Args:
        connection: Within a writing transaction, of which there is one at a time: what another one took out of the
            same pack meanwhile would come back.
        first_rows: Of the packs; those that are gone are left out.
        goes: Which events go.

    Returns:
        How many events went.
    """
    gone, packer = 0, Packer()
    for start in range(0, len(first_rows), _PAGE):
        part = first_rows[start : start + _PAGE]
        statement = f"""SELECT first_row, events, newest_ms, body FROM event_packs
 WHERE first_row IN ({marks(part)}) ORDER BY first_row"""  # noqa: S608
        for row in connection.execute(statement, part).fetchall():
            gone += _thin_one(connection, packer, row, goes)
    return gone


def _thin_one(connection: Connection, packer: Packer, stored: tuple[int, int, int, bytes], goes: Goes) -> int:
    first_row, count, newest_ms, body = stored
    found = read_pack(first_row, count, body)
    going: list[Row] = []
    staying: list[Row] = []
    places: list[int] = []
    for number, row in zip(found.numbers, found.rows(), strict=True):
        if goes(row[_FLOW]):
            going.append(row)
        else:
            staying.append(row)
            places.append(number - first_row)
    if not going:
        return 0
    segment = segment_of(first_row)
    keys = {key_of(segment, id_hash(text)) for text in ids_of(going)}
    connection.execute(_DROP, (first_row,))
    if staying:
        left = pack(packer, staying, id_hash, newest_ms, places)
        connection.execute(_WRITE, (first_row, count, left.newest_ms, left.body))
        keys -= {key_of(segment, hash_) for hash_ in left.hashes}
    connection.executemany(_FORGET_IDS, [(key, first_row) for key in sorted(keys)])
    return len(going)
