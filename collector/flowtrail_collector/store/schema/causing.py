"""Gives the dead letters of a store that the version before wrote their causes."""

from __future__ import annotations

from flowtrail_collector.causes import cause_of
from flowtrail_collector.store.sql import Connection

__all__ = ["note_causes"]

_PAGE = 1_000
_FIRST = """SELECT topic, partition, position, consumer_group, type, error_type, error_message FROM dead_letters
 ORDER BY topic, partition, position LIMIT ?"""
_NEXT = """SELECT topic, partition, position, consumer_group, type, error_type, error_message FROM dead_letters
 WHERE (topic, partition, position) > (?, ?, ?) ORDER BY topic, partition, position LIMIT ?"""
_NOTE = "UPDATE dead_letters SET cause = ? WHERE topic = ? AND partition = ? AND position = ?"


def note_causes(connection: Connection) -> None:
    """Fill the column `cause`, page by page in the order of the key."""
    rows = connection.execute(_FIRST, (_PAGE,)).fetchall()
    while rows:
        connection.executemany(_NOTE, [(cause_of(*row[3:]), *row[:3]) for row in rows])
        rows = connection.execute(_NEXT, (*rows[-1][:3], _PAGE)).fetchall()
