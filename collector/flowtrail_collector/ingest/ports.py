"""Where events come from and where they are kept, and the one transaction that makes counting exact."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from flowtrail_collector.dead_letters.model.letter import DeadLetter
from flowtrail_collector.dead_letters.ports import DeadLetterFigures
from flowtrail_collector.events.model import Advance, EventRow, Position, Seen
from flowtrail_collector.runtime.supervisor import Part
from flowtrail_collector.sagas.ports import SagaStore, SagaUnit

__all__ = ["NOTHING_SEEN", "Store", "Tail", "Unit"]

NOTHING_SEEN: Mapping[tuple[str, int], Seen] = {}


class Tail(Part, Protocol):
    """Follows every matching topic of a broker and hands what it reads to the ingest, position by position."""

    @property
    def is_shared(self) -> bool:
        """Whether workers share what there is to read; if not, only the one that leads reads it."""
        ...

    @property
    def partitions(self) -> int:
        """How many partitions are being read."""
        ...

    def dead_letter_depths(self) -> Mapping[str, int]:
        """Records retained in each dead letter topic, as of a few seconds ago."""
        ...


class Unit(SagaUnit, Protocol):
    """What can be done within one transaction."""

    def add_events(self, events: Iterable[EventRow], hash_of: Callable[[str], int] = ...) -> None:
        """Keep events.

        Args:
            events: In any order; those of one flow are kept beside each other.
            hash_of: Gives the hash of an id, if something remembers them; by default each is made.
        """
        ...

    def add_dead_letters(self, letters: Iterable[DeadLetter]) -> None:
        """Keep dead letters; one that is there already stays as it is."""
        ...

    def advance(
        self, advances: Iterable[Advance], seen: Mapping[tuple[str, int], Seen] = NOTHING_SEEN
    ) -> None:
        """Move positions.

        Args:
            advances: Where to.
            seen: What was read on the way, by (topic, partition); added to what was read before.

        Raises:
            FencedError: A stored position isn't the expected one: somebody else has moved it.
        """
        ...


class Store(SagaStore, DeadLetterFigures, Protocol):
    """Reads, and units of work."""

    def unit(self) -> AbstractContextManager[Unit]:
        """A transaction: everything done with the unit happens, or nothing.

        Raises:
            StoreError: Nothing happened.
        """
        ...

    def positions(self) -> dict[tuple[str, int], Position]:
        """How far every partition was read, by (topic, partition)."""
        ...

    def belong_to(self, cluster: str | None) -> None:
        """Note which cluster the positions are of; the first one that tells its id.

        Args:
            cluster: Id of the cluster that answers; None if it doesn't tell.

        Raises:
            OtherClusterError: They are of another one.
            StoreError: It can't be read or written.
        """
        ...

    def forget_topics(self, ids: Mapping[str, str | None]) -> None:
        """Drop ids and positions of topics that are gone, unless one is known under another id by now."""
        ...

    def topic_ids(self) -> dict[str, str]:
        """The id each topic had when it was last looked at."""
        ...

    def remember_topic_ids(self, ids: Mapping[str, str]) -> None:
        """Note the ids of topics; the positions of one that had another id before are dropped with it."""
        ...

    def size_bytes(self) -> int:
        """Size of the store on disk."""
        ...
