"""What was published, in the collector's database, brought up to date from the packs of events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from flowtrail_collector.catalog.model import Alike, Published, PublishedKey, count_published
from flowtrail_collector.store.packs.reading import Pack
from flowtrail_collector.store.sql import Connection, Database

__all__ = ["MOST", "SqlCatalog"]

MOST = 5_000
"""Rows that are kept."""
_COLUMNS = ("topic", "type", "source", "dataschema")
_LOAD = (
    "SELECT topic, type, service, version, events, keyed, keyed_by_subject, first_ms, last_ms FROM published"
)
_SAVE = """
INSERT INTO published (topic, type, service, version, events, keyed, keyed_by_subject, first_ms, last_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (topic, type, service, version) DO UPDATE SET events = excluded.events,
 keyed = excluded.keyed, keyed_by_subject = excluded.keyed_by_subject, first_ms = excluded.first_ms,
 last_ms = excluded.last_ms"""
_Found = dict[tuple[str | bool | None, ...], list[int]]


@dataclass(frozen=True, slots=True)
class _Learned:
    """Events up to a number, counted: the times of those that are alike."""

    found: Mapping[Alike, Sequence[int]]
    end: int

    def write(self, connection: Connection) -> None:
        """See `Learned.write`."""
        if self.found:
            known = _load(connection)
            changed = count_published(known, self.found, most=MOST)
            connection.executemany(_SAVE, [(*key, *known[key]) for key in sorted(changed)])
        connection.execute("UPDATE published_position SET event_row = ?", (self.end,))

    def stored(self) -> None:
        """See `Learned.stored`."""


class SqlCatalog:
    """A `Learner` of what was published, and who reads it.

    Args:
        database: The collector's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def position(self, connection: Connection) -> int:
        """See `Learner.position`."""
        return int(connection.execute("SELECT event_row FROM published_position").fetchone()[0])

    def has_pending(self, connection: Connection) -> bool:
        """See `Learner.has_pending`."""
        return False

    def look(self, connection: Connection, packs: Sequence[Pack], rows: tuple[int, int]) -> _Learned:
        """See `Learner.look`."""
        start, end = rows
        found: _Found = defaultdict(list)
        for pack in packs:
            _look_into(pack, start, found)
        return _Learned({Alike(*alike): moments for alike, moments in found.items()}, end)  # type: ignore[arg-type]

    def published(self) -> dict[PublishedKey, Published]:
        """All of it."""
        with self._database.read() as connection:
            return _load(connection)


def _look_into(pack: Pack, start: int, found: _Found) -> None:
    """Add the events of a pack behind a number that are no dead letters."""
    keys = pack.column("key")
    keyed = [key is not None for key in keys]
    by_subject = [
        key is not None and key == subject for key, subject in zip(keys, pack.column("subject"), strict=True)
    ]
    # Put together column by column: an object for each event would cost more than to count it.
    events: Iterable[tuple[Any, int]] = zip(
        zip(*map(pack.column, _COLUMNS), keyed, by_subject, strict=True), pack.moments(), strict=True
    )
    letters = pack.column("dead_letter")
    if pack.numbers[0] <= start or any(letters):
        wanted = [number > start and not letter for number, letter in zip(pack.numbers, letters, strict=True)]
        events = compress(events, wanted)
    for alike, moment in events:
        found[alike].append(moment)


def _load(connection: Connection) -> dict[PublishedKey, Published]:
    return {PublishedKey(*row[:4]): Published(*row[4:]) for row in connection.execute(_LOAD)}
