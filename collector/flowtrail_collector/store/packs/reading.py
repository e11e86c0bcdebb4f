"""Reads packs: by the numbers of their events, by ids, the newest ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from flowtrail_collector.store.packs.format import MAX_EVENTS, Columns, column, places_of, rows_of, unpacked
from flowtrail_collector.store.packs.hashes import key_of, segment_of
from flowtrail_collector.store.sql import MAX_IDS, Connection, marks

__all__ = [
    "Pack",
    "keys_of_ids",
    "newest_packs",
    "newest_row",
    "oldest_pack",
    "packs_at",
    "packs_between",
    "packs_of_ids",
    "packs_with",
    "read_pack",
    "segments",
]

_PAGE = 64
_BETWEEN = """SELECT first_row, events, body FROM event_packs WHERE first_row > ? AND first_row < ?
 ORDER BY first_row LIMIT ?"""
_NEWEST = (
    "SELECT first_row, events, body FROM event_packs WHERE first_row < ? ORDER BY first_row DESC LIMIT ?"
)
_NEWEST_ROW = "SELECT first_row + events - 1 FROM event_packs ORDER BY first_row DESC LIMIT 1"
_OLDEST = "SELECT first_row, events, body FROM event_packs ORDER BY first_row LIMIT 1"
# Both in one SELECT, SQLite would look through the table for them; each by itself is one look into it.
_ENDS = "SELECT (SELECT min(first_row) FROM event_packs), (SELECT max(first_row) FROM event_packs)"
_ABOVE_ALL = 2**62


class Pack(NamedTuple):
    """Events that were packed together, numbered one after the other; those that were forgotten since leave gaps.

    Attributes:
        first_row: Number of the first one that was packed.
        numbers: Of the events.
    """

    first_row: int
    numbers: Sequence[int]
    columns: Columns

    @property
    def size(self) -> int:
        """How many events they are."""
        return len(self.numbers)

    def column(self, name: str) -> list[Any]:
        """One value of each event."""
        return column(self.columns, name, self.size)

    def rows(self) -> Iterable[tuple[Any, ...]]:
        """The events, each in the order of `COLUMNS`."""
        return rows_of(self.columns, self.size)

    def moments(self) -> list[int]:
        """Which time of each event counts, in ms since the epoch: its record's, as that says when others could know
        of it; else its own."""
        times, timestamps = self.column("time_ms"), self.column("timestamp_ms")
        return [
            (time_ms or 0) if timestamp_ms is None else timestamp_ms
            for time_ms, timestamp_ms in zip(times, timestamps, strict=True)
        ]


def read_pack(first_row: int, count: int, body: bytes) -> Pack:
    """A pack as it is stored: by its first number, how many numbers it takes up, and its bytes."""
    columns = unpacked(body)
    places = places_of(columns, count)
    if isinstance(places, range):
        return Pack(first_row, range(first_row, first_row + count), columns)
    return Pack(first_row, [first_row + place for place in places], columns)


def newest_row(connection: Connection) -> int:
    """Number of the newest event; 0 for none."""
    row = connection.execute(_NEWEST_ROW).fetchone()
    return int(row[0]) if row else 0


def oldest_pack(connection: Connection) -> Pack | None:
    """The pack that was written first."""
    row = connection.execute(_OLDEST).fetchone()
    return None if row is None else read_pack(*row)


def packs_between(connection: Connection, first: int, until: int) -> Iterator[Pack]:
    """Packs with events that are numbered from the first on, before the second, in their order."""
    behind = first - MAX_EVENTS
    while True:
        rows = connection.execute(_BETWEEN, (behind, until, _PAGE)).fetchall()
        for first_row, count, body in rows:
            if first_row + count > first:
                pack = read_pack(first_row, count, body)
                if pack.numbers[-1] >= first:
                    yield pack
        if len(rows) < _PAGE:
            return
        behind = rows[-1][0]


def newest_packs(connection: Connection) -> Iterator[Pack]:
    """All packs, the newest first."""
    before = _ABOVE_ALL
    while True:
        rows = connection.execute(_NEWEST, (before, _PAGE)).fetchall()
        yield from (read_pack(*row) for row in rows)
        if len(rows) < _PAGE:
            return
        before = rows[-1][0]


def segments(connection: Connection) -> range:
    """The segments there are."""
    first, last = connection.execute(_ENDS).fetchone()
    return range(0) if first is None else range(segment_of(first), segment_of(last) + 1)


def packs_of_ids(connection: Connection, hashes: Iterable[int], places: Iterable[int]) -> list[int]:
    """First rows of the packs in which ids with these hashes may be, in their order.

    Args:
        connection: Where packs are.
        hashes: Of the ids.
        places: Segments to look into.
    """
    return sorted({pack for _, pack in keys_of_ids(connection, hashes, places)})


def keys_of_ids(
    connection: Connection, hashes: Iterable[int], places: Iterable[int]
) -> Iterator[tuple[int, int]]:
    """Like `packs_of_ids`, with the key under which each is found."""
    wanted = list(hashes)
    keys = [key_of(place, hash_) for place in places for hash_ in wanted]
    for start in range(0, len(keys), MAX_IDS):
        part = keys[start : start + MAX_IDS]
        statement = f"SELECT key, pack FROM event_ids WHERE key IN ({marks(part)})"  # noqa: S608
        yield from connection.execute(statement, part).fetchall()


def packs_with(connection: Connection, hashes: Iterable[int]) -> Iterator[Pack]:
    """Packs in which ids with these hashes may be, in their order."""
    yield from packs_at(connection, packs_of_ids(connection, hashes, segments(connection)))


def packs_at(connection: Connection, first_rows: Sequence[int]) -> Iterator[Pack]:
    """Packs by their first rows; those that are gone are left out."""
    for start in range(0, len(first_rows), _PAGE):
        part = first_rows[start : start + _PAGE]
        statement = f"""SELECT first_row, events, body FROM event_packs WHERE first_row IN ({marks(part)})
 ORDER BY first_row"""  # noqa: S608
        yield from (read_pack(*row) for row in connection.execute(statement, part).fetchall())
