"""What keeping asks of the slices whose data trails are made of; everything within one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from flowtrail_collector.sagas.model.instance import SagaKey, SagaRecord

__all__ = ["Keeping", "Parts", "Place", "Spare"]

Place = tuple[int, str, str]
"""Where a look through the ended instances stands: time of the newest event, flow, key."""
Spare = Callable[[Collection[str]], set[str]]
"""Those among correlation ids whose trails stay, although their events are too old."""


class Parts(Protocol):
    """What trails consist of."""

    def ended(self, outcome: str, after: Place, before_ms: int, limit: int) -> list[SagaRecord]:
        """Instances that ended so, the next ones in the order of their newest events, behind a place."""
        ...

    def load(self, keys: Iterable[SagaKey]) -> list[SagaRecord]:
        """The instances that exist among `keys`."""
        ...

    def sagas_of_keys(self, keys: Collection[str]) -> list[SagaRecord]:
        """All instances under these keys, of whichever flow, those that others follow included."""
        ...

    def sagas_of_subjects(self, subjects: Collection[str], flows: Collection[str]) -> list[SagaRecord]:
        """Instances of some flows with these subjects."""
        ...

    def subjects_of(self, ids: Collection[str]) -> set[str]:
        """Subjects of events with these correlation ids."""
        ...

    def ids_of(self, subjects: Collection[str]) -> dict[str, set[str]]:
        """Correlation ids of the events with these subjects, by subject."""
        ...

    def with_letters(self, ids: Collection[str]) -> set[str]:
        """Those of the correlation ids of which there is a dead letter."""
        ...

    def in_use(self, ids: Collection[str]) -> set[str]:
        """Those of the correlation ids whose events somebody has still to look through."""
        ...

    def forget(self, ids: Collection[str], sagas: Sequence[SagaRecord]) -> None:
        """Forget instances, and the events and spans with these correlation ids.

        The spans of a trace go if all that is known of it has one of these ids.

        Raises:
            StoreConflictError: One of the instances has moved meanwhile.
        """
        ...


class Keeping(Protocol):
    """Transactions on what is kept."""

    def read(self) -> AbstractContextManager[Parts]:
        """Looking only."""
        ...

    def write(self) -> AbstractContextManager[Parts]:
        """A writing transaction: it happens whole, or not at all."""
        ...
