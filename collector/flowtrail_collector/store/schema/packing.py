"""Packs the events of a store that the version before wrote: row by row, as they are numbered."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from flowtrail_collector.store.packs.format import COLUMNS, MAX_EVENTS, Packer
from flowtrail_collector.store.packs.hashes import id_hash
from flowtrail_collector.store.packs.writing import PACK_COLUMNS, Made, id_rows, pack
from flowtrail_collector.store.sql import Connection, insert_rows

__all__ = ["pack_events"]

logger = logging.getLogger("flowtrail_collector")

_NAMES = ", ".join("position" if name == "offset" else name for name in COLUMNS)
_NEXT = f"SELECT rowid, {_NAMES} FROM events WHERE rowid > ? ORDER BY rowid LIMIT ?"  # noqa: S608 - our own columns
_ADD = f"INSERT INTO event_packs ({PACK_COLUMNS}) VALUES (?, ?, ?, ?)"  # noqa: S608
_PAGE = 20 * MAX_EVENTS
_WORTH_A_LINE = 500_000


def pack_events(connection: Connection) -> None:
    """Pack what is in `events`. Every event keeps its number, as other tables name it."""
    count = connection.execute("SELECT count(*) FROM events").fetchone()[0]
    if count >= _WORTH_A_LINE:
        logger.info(
            "packing the %d events of the version before, once: this takes seconds for each million", count
        )
    packer, behind = Packer(), 0
    while rows := connection.execute(_NEXT, (behind, _PAGE)).fetchall():
        packs = [
            (part[0][0], pack(packer, [_event(row) for row in part], id_hash, None))
            for part in _neighbours(rows)
        ]
        _add(connection, packs)
        behind = rows[-1][0]


def _add(connection: Connection, packs: Sequence[tuple[int, Made]]) -> None:
    connection.executemany(_ADD, [(row, *made[:3]) for row, made in packs])
    insert_rows(connection, "INSERT INTO event_ids (key, pack)", id_rows(packs))


def _neighbours(rows: Sequence[Sequence[Any]]) -> list[list[Sequence[Any]]]:
    """Rows in runs without a gap in their numbers, none longer than a pack."""
    runs: list[list[Sequence[Any]]] = []
    for row in rows:
        if not runs or len(runs[-1]) == MAX_EVENTS or row[0] != runs[-1][-1][0] + 1:
            runs.append([])
        runs[-1].append(row)
    return runs


def _event(row: Sequence[Any]) -> tuple[Any, ...]:
    return (*row[1:-1], bool(row[-1]))  # SQLite's truth is a number
