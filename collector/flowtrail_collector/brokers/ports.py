"""What a broker gives the collector: each folder beside this module knows one kind of broker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

from flowtrail_collector.catalog.ports import Routing
from flowtrail_collector.dead_letters.lists import DeadLetterLists
from flowtrail_collector.dead_letters.ports import RecordMover
from flowtrail_collector.ingest.ports import Store, Tail
from flowtrail_collector.ingest.service import Ingest
from flowtrail_collector.lag.ports import LagSource, RecordProber, RecordTimestamps
from flowtrail_collector.metrics.exposition import MetricSource

__all__ = ["Broker", "ToRead"]


@dataclass(frozen=True, slots=True)
class ToRead:
    """What reading a broker needs.

    Attributes:
        ingest: Where records go.
        store: Where positions are.
        timestamps: Told about records that were read, so that lag in seconds is exact.
        letters: Tells which dead letters are known.
        group: Name under which workers share the partitions; None for a process that reads them all.
        speedups: See `flowtrail_collector.speedups`.
    """

    ingest: Ingest
    store: Store
    timestamps: RecordTimestamps
    letters: DeadLetterLists
    group: str | None
    speedups: ModuleType | None


class Broker(Protocol):
    """A cluster that events are on, and what the slices need of it."""

    def check(self, timeout_seconds: float = 5.0) -> str | None:
        """Check that it can be reached.

        Returns:
            The cluster's id; None if it doesn't tell.

        Raises:
            ServiceUnreachableError: It can't; says why.
        """
        ...

    def tails(self, reading: ToRead) -> Sequence[Tail]:
        """What reads events and dead letters."""
        ...

    def holds_dead_letters(self, topic: str) -> bool:
        """Whether a topic holds dead letters, going by its name."""
        ...

    def lag_source(self, timestamps: RecordTimestamps) -> LagSource:
        """What reads groups and offsets.

        Args:
            timestamps: Told when records were written, where the broker knows that by itself.
        """
        ...

    def prober(self) -> RecordProber | None:
        """What looks at single records; None where a look would take them."""
        ...

    def sources(self) -> Sequence[MetricSource]:
        """Figures that only this kind of broker has; after `lag_source`."""
        ...

    def routing(self) -> Routing | None:
        """How events get to those who read them, asked now; None where everybody reads whole topics."""
        ...

    def mover(self, of_cluster: Callable[[str | None], None]) -> RecordMover:
        """What reads dead letters and publishes copies.

        Args:
            of_cluster: Told the id of the cluster that answers; raises if places aren't of that one.
        """
        ...
