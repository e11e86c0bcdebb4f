"""Forgetting the events of whole flows, and what has to be known of them before.

All that keeping by outcome says to the table of events is said here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from flowtrail_collector.store.sql import MAX_IDS, Connection, marks

__all__ = ["flows_of_subjects", "flows_of_traces", "forget_flows", "in_use", "subjects_of", "traces_of"]

_SUBJECTS = "SELECT DISTINCT subject FROM events WHERE subject IS NOT NULL AND correlation_id IN "
_OF_SUBJECTS = (
    "SELECT DISTINCT subject, correlation_id FROM events WHERE correlation_id IS NOT NULL AND subject IN "
)
_TRACES = "SELECT DISTINCT trace_id FROM events WHERE trace_id IS NOT NULL AND correlation_id IN "
_OF_TRACES = "SELECT DISTINCT trace_id, correlation_id FROM events WHERE trace_id IN "
# Numbers of events go on from the newest, and edges are learned from them in the order of their numbers.
_IN_USE = """SELECT DISTINCT correlation_id FROM events WHERE (rowid > (SELECT min(event_row) FROM edge_position)
 OR rowid = (SELECT max(rowid) FROM events) OR rowid IN (SELECT event_row FROM edge_pending))
 AND correlation_id IN """
_FORGET = "DELETE FROM events WHERE correlation_id IN "


def subjects_of(connection: Connection, ids: Collection[str]) -> set[str]:
    """Subjects of the events with these correlation ids."""
    return {row[0] for row in _rows(connection, _SUBJECTS, ids)}


def flows_of_subjects(connection: Connection, subjects: Collection[str]) -> dict[str, set[str]]:
    """Correlation ids of the events with these subjects, by subject."""
    return _by_first(_rows(connection, _OF_SUBJECTS, subjects))


def traces_of(connection: Connection, ids: Collection[str]) -> set[str]:
    """Traces of the events with these correlation ids."""
    return {row[0] for row in _rows(connection, _TRACES, ids)}


def flows_of_traces(connection: Connection, traces: Collection[str]) -> dict[str, set[str | None]]:
    """Correlation ids of the events in these traces, by trace."""
    return _by_first(_rows(connection, _OF_TRACES, traces))


def in_use(connection: Connection, ids: Collection[str]) -> set[str]:
    """Those of these correlation ids with events that are still to be looked through."""
    return {row[0] for row in _rows(connection, _IN_USE, ids)}


def forget_flows(connection: Connection, ids: Collection[str]) -> int:
    """Forget all events with these correlation ids, within a writing transaction; how many they were."""
    return sum(connection.execute(f"{_FORGET}({marks(part)})", part).rowcount for part in _portions(ids))


def _rows(connection: Connection, statement: str, values: Collection[str]) -> Iterator[Any]:
    for part in _portions(values):
        yield from connection.execute(f"{statement}({marks(part)})", part).fetchall()


def _portions(values: Collection[str]) -> Iterator[Sequence[str]]:
    wanted = sorted(values)
    for start in range(0, len(wanted), MAX_IDS):
        yield wanted[start : start + MAX_IDS]


def _by_first(rows: Iterator[Any]) -> dict[str, set[Any]]:
    found: defaultdict[str, set[Any]] = defaultdict(set)
    for first, second in rows:
        found[first].add(second)
    return found
