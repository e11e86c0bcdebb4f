"""The bytes of a pack: its columns as JSON, compressed.

A column of which all values are the same is that value, any other one is a list. Behind the columns stand the places
that its events had when it was written, if some that were beside them have been forgotten. JSON, as every value of an event
has a place in it (text, number, truth, nothing), and as columns of it are read and written faster than rows in any
form of our own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
import zstandard

__all__ = [
    "COLUMNS",
    "MAX_EVENTS",
    "Columns",
    "Packer",
    "Row",
    "column",
    "columns_of",
    "places_of",
    "rows_of",
    "unpacked",
]

COLUMNS = (
    "topic", "partition", "offset", "event_id", "type", "source", "subject", "sequence", "correlation_id",
    "causation_id", "time_ms", "timestamp_ms", "trace_id", "span_id", "dataschema", "key", "dead_letter",
)  # fmt: skip
"""What is kept of an event, in this order."""
MAX_EVENTS = 256
"""In a pack: more make it hardly smaller, and a trail has to read each pack whole that it finds an event in."""
# Level 1: what it takes longer at higher ones isn't worth a byte.
_LEVEL = 1

Row = Sequence[Any]
"""An event, in the order of `COLUMNS`."""
Columns = list[Any]
"""Of a pack: a list of values each, or one value for all; behind them, in a pack with gaps, the places."""


def columns_of(rows: Sequence[Row]) -> Columns:
    """The columns of some events."""
    return [
        values[0] if values.count(values[0]) == len(values) and not _mixed(values) else values
        for values in zip(*rows, strict=True)
    ]


class Packer:
    """Makes bytes of events. One is made for many packs, as making it takes as long as one; not for two threads.

    Args:
        columns: `columns_of`, or what says the same.
    """

    def __init__(self, columns: Callable[[Sequence[Row]], Columns] = columns_of) -> None:
        self._columns_of = columns
        self._compress = zstandard.ZstdCompressor(level=_LEVEL).compress

    def packed(self, rows: Sequence[Row], places: Sequence[int] | None = None) -> bytes:
        """The bytes of some events.

        Args:
            rows: The events.
            places: Of each among all that were packed with it at first; None if all of them are there.
        """
        columns = self._columns_of(rows)
        if places is not None:
            columns.append(list(places))
        try:
            text = orjson.dumps(columns)
        except TypeError:  # half a pair of surrogates, which no encoding has
            text = orjson.dumps([_encodable(values) for values in columns])
        return self._compress(text)


def unpacked(body: bytes) -> Columns:
    """The columns of a pack."""
    columns: Columns = orjson.loads(zstandard.decompress(body))
    return columns


def places_of(columns: Columns, count: int) -> Sequence[int]:
    """The place of each event among those that were packed with it at first, of which there were so many."""
    return columns[len(COLUMNS)] if len(columns) > len(COLUMNS) else range(count)


def column(columns: Columns, name: str, size: int) -> list[Any]:
    """The values of one column, of a pack with so many events."""
    values = columns[COLUMNS.index(name)]
    return values if isinstance(values, list) else [values] * size


def rows_of(columns: Columns, size: int) -> Iterable[tuple[Any, ...]]:
    """The events of a pack, in their order."""
    return zip(*(column(columns, name, size) for name in COLUMNS), strict=True)


def _mixed(values: Sequence[Any]) -> bool:
    """Whether equal values differ in kind: `True` is 1."""
    return isinstance(values[0], int) and len(set(map(type, values))) > 1


def _encodable(values: Any) -> Any:
    if isinstance(values, str):
        return values.encode("utf-8", "replace").decode()
    return [_encodable(value) for value in values] if isinstance(values, list | tuple) else values
