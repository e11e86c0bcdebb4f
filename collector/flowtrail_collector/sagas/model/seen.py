"""When the events of an instance were seen, and what their payloads said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowtrail_collector.sagas.model.fields import Field, Values

__all__ = ["Mark", "Seen", "earliest", "value_of"]

Mark = tuple[int, str, int] | tuple[int, str, int, Values]
"""(record timestamp in milliseconds since the epoch, event type, hash of the causing event's id or 0), and values
where the flow has a field of that type's payload.

The record's timestamp rather than the event's own time: it says when others could know of it. An event that
lay in an outbox for an hour was an hour late for everybody else."""


class Seen:
    """When each type of event was seen in an instance.

    Args:
        events: The instance's events.

    Attributes:
        first: When each type was first seen.
        once: Whether no type was seen twice, as nearly always.
    """

    __slots__ = ("_events", "_every", "first", "once")

    def __init__(self, events: Mapping[int, Mark]) -> None:
        first: dict[str, int] = {}
        for mark in events.values():
            kind = mark[1]
            known = first.get(kind)
            if known is None or mark[0] < known:
                first[kind] = mark[0]
        self.first = first
        self.once = len(first) == len(events)
        self._events = events
        self._every: dict[str, list[int]] | None = None

    def moments(self, types: Iterable[str]) -> list[int]:
        """When any of the types was seen, however often, in the order of time."""
        if self.once:
            return sorted(self.first[kind] for kind in types if kind in self.first)
        if self._every is None:
            self._every = {}
            for mark in self._events.values():
                self._every.setdefault(mark[1], []).append(mark[0])
        return sorted(at for kind in types for at in self._every.get(kind, ()))

    def marks(self) -> Iterable[Mark]:
        """Everything that was seen, in no order."""
        return self._events.values()

    def told(self, types: Iterable[str], field: Field) -> list[tuple[int, str]]:
        """When any of the types was seen and with which value, empty if it had none; in the order of time."""
        wanted = frozenset(types)
        return sorted((mark[0], value_of(mark, field)) for mark in self._events.values() if mark[1] in wanted)


def earliest(first: Mapping[str, int], types: tuple[str, ...]) -> int | None:
    """When any of the types was first seen."""
    if len(types) == 1:  # nearly always; this is called for every step of every event
        return first.get(types[0])
    earliest = None
    for kind in types:
        moment = first.get(kind)
        if moment is not None and (earliest is None or moment < earliest):
            earliest = moment
    return earliest


def value_of(mark: Mark, field: Field) -> str:
    """What an event's payload said in a field; empty if nothing is known of it."""
    return dict(mark[3]).get(field.name, "") if len(mark) > 3 else ""
