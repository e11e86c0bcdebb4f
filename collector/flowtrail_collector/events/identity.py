"""Which event is which: the ids of events that bring none, and what makes two events the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Protocol

from flowtrail_collector.events.model import EventRow
from flowtrail_collector.store.packs.hashes import id_hash

__all__ = ["Hashes", "IdHashes", "flow_of", "hashes_by", "id_hash", "place_id"]


def place_id(topic: str, partition: int, offset: int) -> str:
    """The id of an event without one: its place, the same whenever it is read. The library names it so, too."""
    return f"{topic}/{partition}/{offset}"


def flow_of(correlation_id: str | None, event_id: str | None) -> str | None:
    """The flow of an event: one without correlation id begins a flow, and what it leads to carries its id."""
    return correlation_id or event_id


class Hashes(Protocol):
    """`id_hash` of the ids of a batch."""

    @property
    def hash_of(self) -> Callable[[str], int]:
        """What gives the hash of an id."""
        ...

    def __getitem__(self, text: str, /) -> int: ...

    def of_event(self, event: EventRow, /) -> int:
        """What is the same for two events that are the same.

        Source and id are unique together (CloudEvents 1.0). If a producer gets that wrong, the type keeps two
        different events from taking each other's place, which would make the order of reading count.
        """
        ...


def hashes_by(speedups: ModuleType | None) -> Callable[[], Hashes]:
    """What makes the hashes of a batch; see `flowtrail_collector.speedups`."""
    return IdHashes if speedups is None else partial(speedups.IdHashes, EventRow)


class IdHashes(dict[str, int]):
    """`Hashes` that are remembered: most causes are events of the same batch."""

    @property
    def hash_of(self) -> Callable[[str], int]:
        """See `Hashes.hash_of`."""
        return self.__getitem__

    def __missing__(self, text: str) -> int:
        value = self[text] = id_hash(text)
        return value

    def of_event(self, event: EventRow, /) -> int:
        """See `Hashes.of_event`."""
        return self[event.event_id] ^ self[f"{event.source}\0{event.type}"]
