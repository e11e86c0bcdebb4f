"""From events to the rows of `event_packs` and `event_ids`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from flowtrail_collector.store.packs.format import COLUMNS, MAX_EVENTS, Packer, Row
from flowtrail_collector.store.packs.hashes import id_hash, keys_of, segment_of

__all__ = ["PACK_COLUMNS", "Made", "id_rows", "ids_of", "made", "pack"]

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


def made(
    rows: Iterable[Row], hash_of: Callable[[str], int] = id_hash, *, until_ms: int | None = None
) -> Iterator[Made]:
    """Packs of events; those of one flow are put beside each other, otherwise they keep their order.

    Args:
        rows: The events.
        hash_of: `id_hash`, or what remembers it.
        until_ms: What was recorded later counts as recorded then: a timestamp from the future would be kept until
            then, and all that is packed with it.
    """
    packer = Packer()
    ordered = sorted(rows, key=_flow)
    for start in range(0, len(ordered), MAX_EVENTS):
        part = ordered[start : start + MAX_EVENTS]
        yield pack(packer, part, hash_of, until_ms)


def pack(
    packer: Packer,
    rows: Sequence[Row],
    hash_of: Callable[[str], int],
    until_ms: int | None,
    places: Sequence[int] | None = None,
) -> Made:
    """One pack, in the order given; for `places` see `Packer.packed`."""
    moments = [row[_TIME] if row[_TIMESTAMP] is None else row[_TIMESTAMP] for row in rows]
    newest_ms = max(moment or 0 for moment in moments)
    if until_ms is not None and newest_ms > until_ms:
        newest_ms = until_ms
    return Made(len(rows), newest_ms, packer.packed(rows, places), frozenset(map(hash_of, ids_of(rows))))


def ids_of(rows: Iterable[Row]) -> set[str]:
    """All ids of some events that they are found by."""
    ids = {row[place] for row in rows for place in _IDS}
    ids.discard(None)
    return ids


def id_rows(packs: Iterable[tuple[int, Made]]) -> list[tuple[int, int]]:
    """The rows of `event_ids` for packs with their first rows, in the order of the table."""
    rows = [
        (key, first_row) for first_row, pack in packs for key in keys_of(segment_of(first_row), pack.hashes)
    ]
    rows.sort()
    return rows


def _flow(row: Row) -> str:
    flow: str = row[_CORRELATION] or row[_EVENT_ID]
    return flow
