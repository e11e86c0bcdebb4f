"""The events in a store, as they are kept."""

from __future__ import annotations

from typing import Any

from flowtrail_collector.events.model import EventRow
from flowtrail_collector.store.packs.format import COLUMNS
from flowtrail_collector.store.packs.reading import packs_between

__all__ = ["stored_events", "stored_values"]


def stored_events(database: Any) -> dict[int, EventRow]:
    """All of them, by their numbers."""
    with database.read() as connection:
        return {
            number: EventRow(*event)
            for pack in packs_between(connection, 0, 2**62)
            for number, event in zip(pack.numbers, pack.rows(), strict=True)
        }


def stored_values(database: Any, names: str = ", ".join(COLUMNS)) -> list[tuple[Any, ...]]:
    """Some of their fields, in the order of the records they came in."""
    events = sorted(stored_events(database).values(), key=lambda event: event[:3])
    return [tuple(getattr(event, name) for name in names.split(", ")) for event in events]
