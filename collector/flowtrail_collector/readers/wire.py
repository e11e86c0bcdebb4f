"""Puts readers together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flowtrail_collector.readers.service import ReaderNotes
from flowtrail_collector.readers.sql import SqlReaders
from flowtrail_collector.readers.web import reader_routes
from flowtrail_collector.runtime.slices import Wired
from flowtrail_collector.spans.model import Span
from flowtrail_collector.store.sql import Database

__all__ = ["WhoReads", "wire"]


@dataclass(frozen=True, slots=True)
class WhoReads:
    """Readers, put together.

    Attributes:
        note: Takes note of them as spans come in.
        wired: Routes.
    """

    note: Callable[[Sequence[Span]], None]
    wired: Wired


def wire(database: Database) -> WhoReads:
    """Put them together."""
    readers = SqlReaders(database)
    return WhoReads(ReaderNotes(readers).note, Wired(routes=reader_routes(readers)))
