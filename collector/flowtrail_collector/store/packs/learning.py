"""What is learned from the packs of events: each is read once for all who learn, before the transaction that writes.

How far the events were looked through is stored in the same transaction as what was learned: whatever ends the
process, every event counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flowtrail_collector.store.packs.reading import Pack, packs_between
from flowtrail_collector.store.sql import Connection, Database

__all__ = ["Learned", "Learner", "Learning"]

# The more events, the more seldom what is known is loaded and written; so many are held in memory meanwhile.
_BATCH = 10_000


class Learned(Protocol):
    """What a portion of events said."""

    def write(self, connection: Connection) -> None:
        """Write it, with the place up to which the events were looked through."""
        ...

    def stored(self) -> None:
        """Take note that it is stored."""
        ...


class Learner(Protocol):
    """Learns from events, portion by portion."""

    def position(self, connection: Connection) -> int:
        """Number of the last event that was looked through."""
        ...

    def has_pending(self, connection: Connection) -> bool:
        """Whether there is something to do even without new events."""
        ...

    def look(self, connection: Connection, packs: Sequence[Pack], rows: tuple[int, int]) -> Learned:
        """Look through events; nothing is written.

        Args:
            connection: For reading.
            packs: Where they are.
            rows: The number behind which they begin, and the number up to which all are there.
        """
        ...


class Learning:
    """Lets everybody learn.

    Args:
        database: The collector's database.
        learners: Who learns. One who is behind the others is waited for.
    """

    def __init__(self, database: Database, learners: Sequence[Learner]) -> None:
        self._database = database
        self._learners = learners

    def learn(self) -> int:
        """Look through the next events.

        Returns:
            How many rows were passed; 0 when all are looked through, or when another process has gone on from here.
        """
        newest = self._database.newest_event_row()
        with self._database.read() as connection:
            starts = [learner.position(connection) for learner in self._learners]
            start = min(starts)
            if newest <= start and not any(learner.has_pending(connection) for learner in self._learners):
                return 0
            packs = _next_packs(connection, start, newest)
            end = packs[-1].numbers[-1] if packs else max(start, newest)
            found = [
                (learner, place, learner.look(connection, packs, (place, end)))
                for learner, place in zip(self._learners, starts, strict=True)
                if place <= end
            ]
        with self._database.transaction() as connection:
            if any(learner.position(connection) != place for learner, place, _ in found):
                return 0
            for _, _, learned in found:
                learned.write(connection)
        for _, _, learned in found:
            learned.stored()
        return end - start


def _next_packs(connection: Connection, start: int, newest: int) -> list[Pack]:
    """Some packs with events behind a number."""
    packs: list[Pack] = []
    count = 0
    for pack in packs_between(connection, start + 1, newest + 1):
        packs.append(pack)
        count += pack.size
        if count >= _BATCH:
            break
    return packs
