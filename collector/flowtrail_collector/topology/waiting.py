"""Effects whose causes haven't been read: a few in memory, any further ones in a table, by what they wait for.

Partitions are read at different speeds, so in a backlog any number of effects may come before their causes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from flowtrail_collector.store.packs.hashes import id_hash
from flowtrail_collector.store.packs.reading import Pack, newest_row, packs_between
from flowtrail_collector.store.sql import MAX_IDS, Connection, insert_rows, marks
from flowtrail_collector.topology.model import Event

__all__ = ["Change", "Waited", "Waiting"]

logger = logging.getLogger("flowtrail_collector")

# Causes are read from other partitions: an effect may be there first. Once everything has been looked through until so
# long after it, none will come. How old it is by the clock says nothing: what is read may be history.
_PATIENCE_MS = 600_000
# So many are held in memory and compared with all that is new; a table answers for the others.
_MOST_AT_HAND = 5_000


@dataclass(frozen=True, slots=True)
class Waited:
    """Effects that have waited, by their numbers.

    Attributes:
        at_hand: All of those that are held in memory.
        aside: Of the others those whose cause may be among the new events.
        rows: Numbers of both in the store; an event that was deleted since is in neither.
    """

    at_hand: Mapping[int, Event]
    aside: Mapping[int, Event]
    rows: tuple[frozenset[int], frozenset[int]]

    def events(self) -> Iterator[Event]:
        """All of them, those that were set aside first."""
        yield from self.aside.values()
        yield from self.at_hand.values()


@dataclass(frozen=True, slots=True)
class Change:
    """Who waits from now on.

    Attributes:
        waited: Who was looked at.
        at_hand: Who is held in memory.
        aside: Who of those that were looked at is not.
        oldest_ms: Nobody waits that was written until then.
        first_row: Nobody waits with a smaller number.
        given_up: How many of those that were looked at don't wait for that reason.
    """

    waited: Waited
    at_hand: Mapping[int, Event]
    aside: Mapping[int, Event]
    oldest_ms: float
    first_row: int
    given_up: int

    def write(self, connection: Connection) -> None:
        """Write it, in the transaction that counts those that don't wait any more."""
        at_hand, aside = self.waited.rows
        for table, rows in (
            ("edge_pending", at_hand - self.at_hand.keys()),
            ("edge_aside", aside - self.aside.keys()),
        ):
            connection.executemany(
                f"DELETE FROM {table} WHERE event_row = ?",  # noqa: S608 - our own names
                [(row,) for row in sorted(rows)],
            )
        new = [(row,) for row in self.at_hand if row not in at_hand]
        insert_rows(connection, "INSERT INTO edge_pending (event_row)", new)
        further = [
            (row, id_hash(event.causation_id or ""), event.timestamp_ms or 0)
            for row, event in self.aside.items()
            if row not in aside
        ]
        insert_rows(connection, "INSERT INTO edge_aside (event_row, cause, at_ms)", further)
        if self.oldest_ms > -math.inf:
            connection.execute("DELETE FROM edge_aside WHERE at_ms <= ?", (int(self.oldest_ms),))
        gone = connection.execute("DELETE FROM edge_aside WHERE event_row < ?", (self.first_row,)).rowcount
        if gone + self.given_up:
            logger.warning(
                "service map: %d reactions whose causes didn't come before event %d are not counted;"
                " causes are looked for among the last four segments (see docs/scaling.md)",
                gone + self.given_up, self.first_row,
            )  # fmt: skip


class Waiting:
    """Who waits, as one process knows it.

    Args:
        events_of: The events of a pack that are looked at.
        time_seconds: Wall clock, seconds since the epoch.
    """

    def __init__(
        self, events_of: Callable[[Pack], Sequence[Event]], time_seconds: Callable[[], float]
    ) -> None:
        self._events_of = events_of
        self._time_seconds = time_seconds
        self._at_hand: Mapping[int, Event] = {}
        self._mark: tuple[float, int] | None = None

    def any(self, connection: Connection) -> bool:
        """Whether somebody waits."""
        found = connection.execute(
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM edge_pending) OR EXISTS (SELECT 1 FROM edge_aside)"
        )
        return found.fetchone() is not None

    def waited(self, connection: Connection, ids: Iterable[str]) -> Waited:
        """Who has waited until events with these ids came."""
        rows = [row for (row,) in connection.execute("SELECT event_row FROM edge_pending ORDER BY 1")]
        # Another process noted them, or this one in a life before.
        known = {**self._at_hand, **self._load(connection, set(rows).difference(self._at_hand))}
        aside = self._rows_aside(connection, ids)
        return Waited(
            {row: known[row] for row in rows if row in known},
            self._load(connection, aside),
            (frozenset(rows), frozenset(aside)),
        )

    def oldest_ms(self, connection: Connection, end: int) -> float:
        """Up to when all there is has been looked through for so long that nobody waits for it.

        What has been read is ahead of what has been looked through: how far it was says something only once the newest
        event of that moment has been passed.

        Args:
            connection: For reading.
            end: Number of the last event that is looked through.

        Returns:
            In ms since the epoch; minus infinity while that isn't known.
        """
        # In this order: all that the first counts as read is among the events of the second.
        read_ms, newest = self._mark or (self._read_ms(connection), newest_row(connection))
        passed = end >= newest
        self._mark = None if passed else (read_ms, newest)
        return read_ms - _PATIENCE_MS if passed else -math.inf

    def change(self, waited: Waited, still: Mapping[int, Event], oldest_ms: float, first_row: int) -> Change:
        """Who waits from now on.

        Args:
            waited: Who did.
            still: Those of them, and of the new ones, whose cause isn't there.
            oldest_ms: Nobody waits that was written until then.
            first_row: Nobody waits with a smaller number: a cause isn't looked for so far back either.
        """
        within = {row: event for row, event in still.items() if row >= first_row}
        split = max(0, len(within) - _MOST_AT_HAND)
        rows = iter(within.items())
        aside = dict(islice(rows, split))
        return Change(waited, dict(rows), aside, oldest_ms, first_row, len(still) - len(within))

    def stored(self, change: Change) -> None:
        """Take note that a change is stored."""
        self._at_hand = change.at_hand

    def _rows_aside(self, connection: Connection, ids: Iterable[str]) -> list[int]:
        if connection.execute("SELECT 1 FROM edge_aside LIMIT 1").fetchone() is None:
            return []  # as nearly always: no id is hashed
        hashes = [id_hash(text) for text in ids]
        rows: list[int] = []
        for start in range(0, len(hashes), MAX_IDS):
            part = hashes[start : start + MAX_IDS]
            statement = f"SELECT event_row FROM edge_aside WHERE cause IN ({marks(part)})"  # noqa: S608
            rows += [row for (row,) in connection.execute(statement, part)]
        return rows

    def _load(self, connection: Connection, rows: Iterable[int]) -> dict[int, Event]:
        """Events by their numbers, in their order."""
        wanted = sorted(rows)
        packed: dict[int, Event] = {}
        last = 0
        for row in wanted:
            if row > last:
                for pack in packs_between(connection, row, row + 1):
                    last = pack.numbers[-1]
                    packed.update((event.row, event) for event in self._events_of(pack))
        return {row: packed[row] for row in wanted if row in packed}

    def _read_ms(self, connection: Connection) -> float:
        """Until when everything has been read; the present where nobody says."""
        (read_ms,) = connection.execute("SELECT min(watermark_ms) FROM positions").fetchone()
        now_ms = self._time_seconds() * 1000
        return now_ms if read_ms is None else min(float(read_ms), now_ms)
