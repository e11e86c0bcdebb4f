"""What was published, in the collector's database, brought up to date from the packs of events.

How far the events were looked through is stored in the same transaction as the counts, so that whatever ends the
process, every event counts once.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowtrail_collector.catalog.model import Published, PublishedKey, Seen, count_published
from flowtrail_collector.store.packs.reading import Pack, packs_between
from flowtrail_collector.store.sql import Connection, Database

__all__ = ["MOST", "SqlCatalog"]

MOST = 5_000
"""Rows that are kept."""
_BATCH = 20_000
_COLUMNS = ("topic", "type", "source", "dataschema", "key", "subject")
_LOAD = (
    "SELECT topic, type, service, version, events, keyed, keyed_by_subject, first_ms, last_ms FROM published"
)
_SAVE = """
INSERT INTO published (topic, type, service, version, events, keyed, keyed_by_subject, first_ms, last_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (topic, type, service, version) DO UPDATE SET events = excluded.events,
 keyed = excluded.keyed, keyed_by_subject = excluded.keyed_by_subject, first_ms = excluded.first_ms,
 last_ms = excluded.last_ms"""


class SqlCatalog:
    """Learns and reads what was published.

    Args:
        database: The collector's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def learn(self) -> int:
        """Look through the next events.

        Returns:
            How many rows were passed; 0 when all are looked through.
        """
        newest = self._database.newest_event_row()
        with self._database.read() as connection:
            if newest <= _position(connection):
                return 0
        with self._database.transaction() as connection:
            start = _position(connection)
            packs = _next_packs(connection, start, newest)
            known = _load(connection)
            events = (event for pack in packs for event in _events_of(pack, start))
            changed = count_published(known, events, most=MOST)
            connection.executemany(_SAVE, [(*key, *known[key]) for key in sorted(changed)])
            end = packs[-1].numbers[-1] if packs else max(start, newest)
            connection.execute("UPDATE published_position SET event_row = ?", (end,))
        return end - start

    def published(self) -> dict[PublishedKey, Published]:
        """All of it."""
        with self._database.read() as connection:
            return _load(connection)


def _next_packs(connection: Connection, start: int, newest: int) -> list[Pack]:
    packs: list[Pack] = []
    count = 0
    for pack in packs_between(connection, start + 1, newest + 1):
        packs.append(pack)
        count += pack.size
        if count >= _BATCH:
            break
    return packs


def _events_of(pack: Pack, start: int) -> Iterator[Seen]:
    """The events of a pack behind a number that are no dead letters."""
    columns = zip(*(pack.column(name) for name in _COLUMNS), pack.moments(), strict=True)
    letters = pack.column("dead_letter")
    for number, letter, values in zip(pack.numbers, letters, columns, strict=True):
        if number > start and not letter:
            yield Seen(*values)


def _position(connection: Connection) -> int:
    return int(connection.execute("SELECT event_row FROM published_position").fetchone()[0])


def _load(connection: Connection) -> dict[PublishedKey, Published]:
    return {PublishedKey(*row[:4]): Published(*row[4:]) for row in connection.execute(_LOAD)}
