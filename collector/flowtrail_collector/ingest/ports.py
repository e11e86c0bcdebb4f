"""Where the collector keeps what it learned, and the one transaction that makes counting exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from flowtrail_collector.dead_letters.model.record import DeadLetterRecord
from flowtrail_collector.events.model import EventRow
from flowtrail_collector.metrics.counts import Counts
from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord
from flowtrail_collector.sagas.ports import SagaFigures

__all__ = ["Advance", "Position", "Store", "Unit"]


class Position(NamedTuple):
    """How far a partition has been read: the next offset, and the time up to which everything was seen."""

    next_offset: int
    watermark_ms: int


class Advance(NamedTuple):
    """A step forward in one partition.

    Attributes:
        expected: Next offset this worker believes is stored; None if it believes nothing is.
    """

    topic: str
    partition: int
    expected: int | None
    next_offset: int
    watermark_ms: int


class Unit(Protocol):
    """What can be done within one transaction."""

    def load_sagas(self, keys: Iterable[SagaKey]) -> dict[SagaKey, SagaRecord]:
        """The instances that exist among `keys`."""
        ...

    def due_sagas(self, until_ms: int, limit: int) -> list[SagaRecord]:
        """Instances whose `next_deadline_ms` has come."""
        ...

    def save_sagas(self, sagas: Iterable[SagaRecord]) -> None:
        """Write instances whole."""
        ...

    def add_events(self, events: Iterable[EventRow]) -> None:
        """Keep events."""
        ...

    def add_dead_letters(self, letters: Iterable[DeadLetterRecord]) -> None:
        """Keep dead letters; one that is there already stays as it is."""
        ...

    def count(self, increments: Counts) -> None:
        """Add to counters."""
        ...

    def advance(self, advances: Iterable[Advance]) -> None:
        """Move positions.

        Raises:
            FencedError: A stored position isn't the expected one: somebody else has moved it.
        """
        ...


class Store(Protocol):
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

    def forget_topics(self, ids: Mapping[str, str | None]) -> None:
        """Drop ids and positions of topics that are gone, unless one is known under another id by now."""
        ...

    def topic_ids(self) -> dict[str, str]:
        """The id each topic had when it was last looked at."""
        ...

    def remember_topic_ids(self, ids: Mapping[str, str]) -> None:
        """Note the ids of topics; the positions of one that had another id before are dropped with it."""
        ...

    def saga_figures(self) -> SagaFigures:
        """Counters and open instances, consistent with each other."""
        ...

    def counters(self, prefix: str) -> Counts:
        """The counters whose name begins with `prefix`."""
        ...

    def pending_dead_letters(self) -> list[tuple[str, str, str, int, int | None]]:
        """(dead letter topic, source topic, group, pending, timestamp of the oldest in ms)."""
        ...

    def size_bytes(self) -> int:
        """Size of the store on disk."""
        ...
