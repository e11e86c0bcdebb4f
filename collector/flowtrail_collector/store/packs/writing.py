"""From events to the rows of `event_packs` and `event_ids`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import NamedTuple

from flowtrail_collector.store.packs.format import COLUMNS, MAX_EVENTS, Columns, Packer, Row, columns_of
from flowtrail_collector.store.packs.hashes import first_key, hash_bits, id_hash, keys_of, segment_of

__all__ = ["PACK_COLUMNS", "PYTHON", "Made", "Packing", "id_rows", "ids_of", "made", "pack", "packing"]

PACK_COLUMNS = "first_row, events, newest_ms, body"
"""Of the table `event_packs`."""
_EVENT_ID, _CORRELATION = COLUMNS.index("event_id"), COLUMNS.index("correlation_id")
_IDS = tuple(COLUMNS.index(name) for name in ("event_id", "subject", "correlation_id", "trace_id"))
_TIME, _TIMESTAMP = COLUMNS.index("time_ms"), COLUMNS.index("timestamp_ms")


class Made(NamedTuple):
    """A pack that has no place yet.

    Attributes:
        events: How many.
        newest_ms: When the last of them was recorded, in ms since the epoch.
        body: Its bytes.
        hashes: Of every id in it.
    """

    events: int
    newest_ms: int
    body: bytes
    hashes: frozenset[int]


class Packing(NamedTuple):
    """What packs are made with.

    Attributes:
        has_nul: Whether there is a NUL in a text of an event.
        ordered: Puts events of one flow beside each other; otherwise they keep their order.
        columns_of: The columns of some events.
        newest_ms: When the last of some events was recorded, in ms since the epoch.
        hashes_of: The hashes of all ids that some events are found by, made by a function.
        id_rows: The rows of `event_ids` for packs with their first rows, in the order of the table.
    """

    has_nul: Callable[[Row], bool]
    ordered: Callable[[Iterable[Row]], list[Row]]
    columns_of: Callable[[Sequence[Row]], Columns]
    newest_ms: Callable[[Sequence[Row]], int]
    hashes_of: Callable[[Sequence[Row], Callable[[str], int]], frozenset[int]]
    id_rows: Callable[[Iterable[tuple[int, Made]]], list[tuple[int, int]]]


def _has_nul(row: Row) -> bool:
    return any(isinstance(value, str) and "\0" in value for value in row)


def _ordered(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=_flow)


def _newest_ms(rows: Sequence[Row]) -> int:
    moments = [row[_TIME] if row[_TIMESTAMP] is None else row[_TIMESTAMP] for row in rows]
    return max(moment or 0 for moment in moments)


def _hashes_of(rows: Sequence[Row], hash_of: Callable[[str], int]) -> frozenset[int]:
    return frozenset(map(hash_of, ids_of(rows)))


def ids_of(rows: Iterable[Row]) -> set[str]:
    """All ids of some events that they are found by."""
    ids = {row[place] for row in rows for place in _IDS}
    ids.discard(None)
    return ids


def id_rows(packs: Iterable[tuple[int, Made]]) -> list[tuple[int, int]]:
    """See `Packing.id_rows`."""
    rows = [
        (key, first_row) for first_row, pack in packs for key in keys_of(segment_of(first_row), pack.hashes)
    ]
    rows.sort()
    return rows


PYTHON = Packing(_has_nul, _ordered, columns_of, _newest_ms, _hashes_of, id_rows)
"""Without anything compiled."""


def packing(speedups: ModuleType | None) -> Packing:
    """What packs are made with; see `flowtrail_collector.speedups`."""
    if speedups is None:
        return PYTHON
    compiled = speedups.Packing(COLUMNS, PYTHON, lambda row: first_key(segment_of(row)), hash_bits(-1))
    return Packing(*(getattr(compiled, name) for name in Packing._fields))


def made(
    rows: Iterable[Row],
    hash_of: Callable[[str], int] = id_hash,
    *,
    until_ms: int | None = None,
    by: Packing = PYTHON,
) -> Iterator[Made]:
    """Packs of events; those of one flow are put beside each other, otherwise they keep their order.

    Args:
        rows: The events.
        hash_of: `id_hash`, or what remembers it.
        until_ms: What was recorded later counts as recorded then: a timestamp from the future would be kept until
            then, and all that is packed with it.
        by: What makes them.
    """
    packer = Packer(by.columns_of)
    ordered = by.ordered(rows)
    for start in range(0, len(ordered), MAX_EVENTS):
        part = ordered[start : start + MAX_EVENTS]
        yield pack(packer, part, hash_of, until_ms, by=by)


def pack(
    packer: Packer,
    rows: Sequence[Row],
    hash_of: Callable[[str], int],
    until_ms: int | None,
    places: Sequence[int] | None = None,
    by: Packing = PYTHON,
) -> Made:
    """One pack, in the order given; for `places` see `Packer.packed`."""
    newest_ms = by.newest_ms(rows)
    if until_ms is not None and newest_ms > until_ms:
        newest_ms = until_ms
    return Made(len(rows), newest_ms, packer.packed(rows, places), by.hashes_of(rows, hash_of))


def _flow(row: Row) -> str:
    flow: str = row[_CORRELATION] or row[_EVENT_ID]
    return flow
